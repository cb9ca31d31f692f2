"""What a route is made of: copies, rotations about z, one budget for all sizes, operations, and the words for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_training import TASK, files, frame_batch, history, train, weights  # noqa: F401  (files is a fixture)

from equitraj import symmetry
from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.study import config as configuration
from equitraj.study import plan, routes
from equitraj.training import flops
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
        np.testing.assert_allclose(world, np.repeat((arrays.target[s] @ arrays.rotation[s, 0])[None], 5, 0), atol=1e-12)
        np.testing.assert_array_equal(found.inputs["position"][5 * s], arrays.inputs["position"][s])
        for copy in range(1, 5):  # one rotation turns everything, and another one each time
            turn = found.rotation[s, copy] @ arrays.rotation[s, 0].T
            assert np.linalg.det(turn) == pytest.approx(1) and not np.allclose(turn, np.eye(3))
            turned = arrays.inputs["displacement"][s] @ turn.T
            np.testing.assert_allclose(found.inputs["displacement"][5 * s + copy], turned, atol=1e-12)


@pytest.mark.parametrize("model", ["mlp", "e3nn_network"])
def test_copies_change_the_training_of_what_is_not_equivariant_only(files, tmp_path, model):  # noqa: F811
    options = {"epochs": 2, "precision": "float64"}
    train(files, tmp_path / "plain", model, **options)
    train(files, tmp_path / "copies", model, copies=3, **options)
    plain, copies = (weights(tmp_path / name) for name in ("plain", "copies"))
    assert any(not np.allclose(plain[k], copies[k], rtol=1e-3) for k in plain if k.startswith("trained/"))
    # with copies, other numbers are drawn than without; an equivariant network's losses stay what they are
    first, second = (history(tmp_path / name)["train_loss"][0] for name in ("plain", "copies"))
    assert (abs(first / second - 1) < 0.25) or model == "mlp"


@pytest.mark.parametrize("model", ["mlp", "e3nn_network"])
def test_fewer_samples_are_trained_on_for_as_many_steps(files, tmp_path, monkeypatch, model):  # noqa: F811
    seen = {}
    for size in ("all", "12"):
        method = Method(model, model, "centre_of_mass", "none", {}, {"epochs": 1, "batch_size": 16})
        if model == "e3nn_network":
            method = Method(model, model, "centre_of_mass", "none", {"layers": 1, "lmax": 1}, method.training)
        train_run.run(TASK, method, size, [0], files / "lifted.h5", files / "aligned.h5", tmp_path / size)
        moved = weights(tmp_path / size)
        names = [k.removeprefix("trained/") for k in moved if k.startswith("trained/")]
        seen[size] = sum(float(np.square(moved[f"trained/{n}"] - moved[f"initial/{n}"]).sum()) for n in names)
    # a quarter of the samples with a quarter of the steps would move the weights far less
    assert 0.3 < seen["12"] / seen["all"] < 3


def test_operations_of_products_and_scans_are_those_counted_by_hand():
    a, b = (jax.ShapeDtypeStruct(shape, "float32") for shape in ((8, 16), (16, 4)))
    assert flops.count(lambda a, b: jnp.tanh(a @ b).sum(), a, b) == 2 * 8 * 16 * 4 + 32 + 32
    looped = lambda a: jax.lax.scan(lambda c, _: (jnp.tanh(c @ c.T @ c), None), a, None, length=5)[0]  # noqa: E731
    assert flops.count(looped, a) == 5 * (2 * 8 * 8 * 16 * 2 + 8 * 16)
    gradient = flops.count(jax.grad(lambda a, b: (a @ b).sum(), argnums=(0, 1)), a, b)
    assert (
        2 * 2 * 8 * 16 * 4 <= gradient <= 3 * 2 * 8 * 16 * 4 + 100
    )  # two products of the same size, or with the first


def test_a_training_records_its_operations_and_what_it_fell_last(files, tmp_path):  # noqa: F811
    few, many = (train(files, tmp_path / str(n), "mlp", epochs=n)[0] for n in (2, 20))
    assert many["flops"] == 10 * few["flops"] > 1e5
    errors = history(tmp_path / "20")["validation_mse"]
    assert many["last_fall"] == pytest.approx(1 - errors.min() / errors[:18].min()) and few["last_fall"] is None
    assert Outcome().last_fall is None


def test_an_egnn_that_sees_the_third_axis_is_equivariant_about_it_only(chain):
    method = Method("egnn", "egnn", "centre_of_mass", options={"vertical": True, "width": 8})
    sample = tasks.samples(chain, np.arange(10, 40, 5), 3, lag=1)
    shape = Shape(5, 2, 0, features.measure(sample, method.residual, 1))
    network = jax.tree.map(
        lambda w: w.astype("float64") if hasattr(w, "astype") else w, method.build(shape, jax.random.key(0))
    )
    claims = method.claims()
    assert (claims["rotation"], claims["rotation_z"], claims["reflection"]) == ("no", "exact", "no")

    def predict(s: tasks.Sample) -> np.ndarray:
        origin = s.position[:, -1:].mean(2, keepdims=True)
        from dataclasses import replace

        moved = replace(s, position=s.position - origin)
        output = np.asarray(network(features.network_inputs(moved, shape.statistics, "float64")))
        return features.prediction(s, output, shape.statistics)

    rows = symmetry.audit(lambda dtype: predict, sample, claims, {"float64": 4}, lag=1)
    verdicts = {row["generator"]: row["verdict"] for row in rows}
    assert verdicts["rotation_z"] == verdicts["translation"] == verdicts["permutation"] == "exact"
    assert verdicts["rotation"] != "exact" != verdicts["mirror"]


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
    "degree": {"model": "egnn", "against": "built_in", "options": {"width": 8}},
    "elsewhere": {"model": "mlp", "against": "absent"},
}


def test_a_route_is_told_in_words():
    config = {"methods": METHODS, "study": {"methods": list(METHODS)}}
    config["alignments"] = {"four": {"frames": "haar_averaging", "options": {"rotations": 4}}}
    found = {name: row["route"] for name, row in routes.of(config).items()}
    assert found == {
        "centred": "centre of mass", "copies": "4 rotated copies", "one": "1 rotated copy",
        "fresh": "fresh rotated copies", "about_z": "fresh copies turned about z", "penalty": "symmetry penalty 0.5",
        "averaged": "haar averaging, rotations 4", "built_in": "built in", "degree": "width 8",
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
    with pytest.raises(ValueError, match=r"methods.m.training.copies: 2; 'frame_averaging' has several frames"):
        configuration.check_copies("m", method, {})
