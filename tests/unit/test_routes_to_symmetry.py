"""What a route is made of: copies, rotations about z, one budget for all sizes, operations, and the
words for it."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from test_training import (  # noqa: F401  (files is a fixture)
    LOOPS,
    NETWORKS,
    TASK,
    files,
    frame_batch,
    history,
    train,
    weights,
)

from equitraj.study import config as configuration
from equitraj.study import plan, routes
from equitraj.training import flops, outcome
from equitraj.training import run as train_run
from equitraj.training.method import Method
from equitraj.training.outcome import Outcome
from equitraj.training.samples import copied


def test_copies_are_the_sample_and_its_rotations_and_mean_the_same_in_the_world():
    arrays = frame_batch(n_samples=3, n_frames=1)
    found = copied(arrays, 4)
    assert found.weight.shape == (3, 5) and np.allclose(found.weight, 0.2)
    for s in range(3):
        rows = slice(5 * s, 5 * s + 5)
        # back in the world, all copies have the target of the sample
        world = found.target[rows] @ found.rotation[s]
        np.testing.assert_allclose(
            world, np.repeat((arrays.target[s] @ arrays.rotation[s, 0])[None], 5, 0), atol=1e-12
        )
        np.testing.assert_array_equal(found.inputs["position"][5 * s], arrays.inputs["position"][s])
        for copy in range(1, 5):  # one rotation turns everything, and another one each time
            turn = found.rotation[s, copy] @ arrays.rotation[s, 0].T
            assert np.linalg.det(turn) == pytest.approx(1) and not np.allclose(turn, np.eye(3))
            turned = arrays.inputs["displacement"][s] @ turn.T
            np.testing.assert_allclose(
                found.inputs["displacement"][5 * s + copy], turned, atol=1e-12
            )


@pytest.mark.parametrize("model", ["mlp", "egnn", "e3nn_network"])
def test_copies_train_what_is_not_equivariant_and_change_nothing_for_what_is(files, tmp_path, model):  # noqa: F811  # fmt: skip
    """Both loops: of the first epoch on, copies take the place of samples, in the order that they
    would have had."""
    for name, copies in (("plain", 0), ("copies", 3)):
        train(files, tmp_path / name, model, epochs=1, precision="float64", copies=copies)
    plain, copies = (weights(tmp_path / name) for name in ("plain", "copies"))
    moved = [
        np.abs(plain[k] - plain[k.replace("trained", "initial")]).max()
        for k in plain
        if k.startswith("trained/")
    ]
    apart = [np.abs(plain[k] - copies[k]).max() for k in plain if k.startswith("trained/")]
    assert (max(apart) < 1e-9) == (model != "mlp") and max(moved) > 1e-3
    assert all(np.array_equal(plain[k], copies[k]) for k in plain if k.startswith("initial/"))


def steps_after(folder: Path, files: Path, model: str, size: str, monkeypatch) -> int:  # noqa: F811
    """Steps of the optimiser in two epochs, as a killed training keeps them."""
    record = outcome.Monitor.record

    def killed(self, epoch, *losses):
        if epoch == 2:
            raise KeyboardInterrupt
        return record(self, epoch, *losses)

    options = {"epochs": 9, "batch_size": 16, "checkpoint_seconds": 0}
    method = Method(model, model, "centre_of_mass", options=NETWORKS[model], training=options)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(outcome.Monitor, "record", killed)
        train_run.run(TASK, method, size, [0], files / "lifted.h5", files / "aligned.h5", folder)
    (kept,) = folder.rglob("checkpoints/seed0.safetensors")
    with safe_open(kept, framework="numpy") as file:
        if model == "e3nn_network":
            return json.loads(file.metadata()["state"])["step"]
        counts = {
            value.item()
            for key in file.keys()
            if (value := file.get_tensor(key)).dtype == "int32" and value.size == 1
        }
    (count,) = counts
    return count


@pytest.mark.parametrize("model", LOOPS)
def test_fewer_samples_are_trained_on_for_as_many_steps(files, tmp_path, monkeypatch, model):  # noqa: F811
    for size in (
        "all",
        "12",
        "40",
    ):  # fewer than a batch, and no multiple of one; 58 samples are all
        assert steps_after(tmp_path / size, files, model, size, monkeypatch) == 2 * (58 // 16)


def test_operations_of_products_and_scans_are_those_counted_by_hand():
    a, b = (jax.ShapeDtypeStruct(shape, "float32") for shape in ((8, 16), (16, 4)))
    assert flops.count(lambda a, b: jnp.tanh(a @ b).sum(), a, b) == 2 * 8 * 16 * 4 + 32 + 32

    def looped(a):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ c.T @ c), None), a, None, length=5)[0]

    assert flops.count(looped, a) == 5 * (2 * 8 * 8 * 16 * 2 + 8 * 16)
    gradient = flops.count(jax.grad(lambda a, b: (a @ b).sum(), argnums=(0, 1)), a, b)
    assert (
        2 * 2 * 8 * 16 * 4 <= gradient <= 3 * 2 * 8 * 16 * 4 + 100
    )  # two products of the same size, or with the first


def test_a_training_records_its_operations_and_what_it_fell_last(files, tmp_path):  # noqa: F811
    few, many = (train(files, tmp_path / str(n), "mlp", epochs=n)[0] for n in (2, 20))
    assert many["flops"] == 10 * few["flops"] > 1e5
    errors = history(tmp_path / "20")["validation_mse"]
    assert (
        many["last_fall"] == pytest.approx(1 - errors.min() / errors[:18].min())
        and few["last_fall"] is None
    )
    assert Outcome().last_fall is None


METHODS = {
    "plain": {"model": "mlp"},
    "centred": {"model": "mlp", "against": "plain", "alignment": "centre_of_mass"},
    "copies": {"model": "mlp", "against": "plain", "training": {"copies": 4}},
    "one": {"model": "mlp", "against": "plain", "training": {"copies": 1}},
    "fresh": {"model": "mlp", "against": "plain", "augmentation": "rotation"},
    "about_z": {"model": "mlp", "against": "plain", "augmentation": "rotation_z"},
    "penalty": {"model": "mlp", "against": "plain", "training": {"symmetry_penalty": 0.5}},
    "averaged": {"model": "mlp", "against": "plain", "alignment": "four"},
    "built_in": {"model": "egnn", "against": "plain"},
    "undone": {"model": "mlp", "against": "fresh"},
    "fewer": {"model": "mlp", "against": "copies", "alignment": "random"},
    "both": {"model": "mlp", "against": "plain", "alignment": "random", "augmentation": "rotation"},
    "default": {"model": "egnn", "against": "degree"},
    "same": {"model": "mlp", "against": "plain", "training": {"epochs": 7}},
    "upright": {"model": "egnn", "against": "plain", "options": {"vertical": True, "width": 8}},
    "degree": {"model": "egnn", "against": "built_in", "options": {"width": 8}},
    "elsewhere": {"model": "mlp", "against": "absent"},
}


def test_a_route_is_told_in_words():
    config = {"methods": METHODS, "study": {"methods": list(METHODS)}}
    config["alignments"] = {
        "four": {"frames": "haar_averaging", "options": {"rotations": 4}},
        "random": {"frames": "haar_averaging"},
    }
    found = {name: row["route"] for name, row in routes.of(config).items()}
    assert found == {
        "centred": "centre of mass", "copies": "4 rotated copies", "one": "1 rotated copy",
        "fresh": "fresh rotated copies", "about_z": "fresh copies turned about z", "penalty": "symmetry penalty 0.5",
        "averaged": "haar averaging, rotations 4", "built_in": "built in",
        "upright": "built in, vertical", "degree": "width 8",
        "undone": "no fresh copies", "fewer": "haar averaging, no rotated copies",
        "both": "haar averaging, fresh rotated copies", "default": "width by default", "same": "no difference",
    }  # fmt: skip


def test_the_largest_size_alone_can_be_audited():
    whole = {"methods": {"t": ["m"]}, "train_sizes": [50, "all", 200], "seeds": [0]}
    assert plan.audited(whole, "all") == whole
    assert plan.batches(plan.audited(whole, "largest")) == ["t/m/nall"]
    assert plan.audited(whole | {"train_sizes": [50, 200]}, "largest")["train_sizes"] == [200]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"against": "mlq"}, r"methods.m.against: unknown name 'mlq'.*Did you mean 'mlp'"),
        ({"against": "m"}, r"methods.m.against: 'm' is the method itself"),
    ],
)
def test_what_a_method_is_compared_with_is_another_method(method, said):
    with pytest.raises(ValueError, match=said):
        configuration.check_against("m", method, {"m": {}, "mlp": {}})


def test_copies_of_several_frames_are_refused():
    method = {"model": "mlp", "alignment": "frame_averaging", "training": {"copies": 2}}
    with pytest.raises(
        ValueError, match=r"methods.m.training.copies: 2; 'frame_averaging' has several frames"
    ):
        configuration.check_copies("m", method, {})
