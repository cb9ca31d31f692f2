"""The training loops: they learn, are deterministic, resume, and record what goes wrong."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equitraj import symmetry
from equitraj.base.files import read_json
from equitraj.base.registry import load_model
from equitraj.data import tasks
from equitraj.data.trajectory import write
from equitraj.frames import load_alignment
from equitraj.frames.run import run as align
from equitraj.prediction import predictor
from equitraj.training import outcome
from equitraj.training import run as train_run
from equitraj.training.method import Method
from study import REPOSITORY, environment

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
NETWORKS = {
    "mlp": {"width": 16},
    "egnn": {"width": 8, "layers": 1},
    "e3nn_network": {"irreps_hidden": "4x0e + 4x1o", "lmax": 1, "layers": 1, "radial_neurons": 8},
    "gate_points": {"irreps_hidden": "4x0e + 4x1o", "lmax": 1, "layers": 1, "radial_neurons": 8},
}
CENTRE_OF_MASS = {"frames": "centre_of_mass", "options": {}}
LOOPS = ("mlp", "e3nn_network")  # one network for each training loop


@pytest.fixture(scope="module")
def files(chain, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "lifted.h5", chain)
    align(folder / "lifted.h5", TASK, "centre_of_mass", CENTRE_OF_MASS, folder / "aligned.h5")
    return folder


def train(
    files: Path, folder: Path, model: str, seeds=(0,), augmentation="none", **training
) -> list[dict]:
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 0.005, "ema": 0.5} | training
    method = Method(model, model, "centre_of_mass", augmentation, NETWORKS[model], options)
    train_run.run(
        TASK, method, "all", list(seeds), files / "lifted.h5", files / "aligned.h5", folder
    )
    return [read_json(folder / f"seed{seed}" / "run.json") for seed in seeds]


def weights(folder: Path, seed: int = 0) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / f"seed{seed}" / "model.safetensors")


def history(folder: Path) -> np.ndarray:
    return np.genfromtxt(folder / "seed0" / "history.csv", delimiter=",", names=True)


def train_until_killed(files: Path, folder: Path, model: str, monkeypatch) -> None:
    """Interrupt a training in its fourth epoch, as control-C would."""
    record = outcome.Monitor.record

    def killed(self, epoch, *losses):
        if epoch == 3:
            raise KeyboardInterrupt
        return record(self, epoch, *losses)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(outcome.Monitor, "record", killed)
        train(files, folder, model, checkpoint_seconds=0)


@pytest.mark.parametrize("model", NETWORKS)
def test_training_lowers_the_validation_error_and_writes_a_loadable_run(files, tmp_path, model):
    (record,) = train(files, tmp_path, model, epochs=20)
    assert record["status"] == "ok"
    assert history(tmp_path)["validation_mse"].min() < history(tmp_path)["validation_mse"][0]
    assert record["n_parameters"] == sum(
        v.size for k, v in weights(tmp_path).items() if k.startswith("initial/")
    )
    assert record["split"]["test"] == {"samples": 30, "first_frame": 87, "last_frame": 119}
    assert predictor.load(tmp_path / "seed0").aligner == load_alignment("centre_of_mass")


@pytest.mark.parametrize("augmentation", ["none", "rotation"])
@pytest.mark.parametrize("model", LOOPS)
def test_training_is_deterministic_and_seeds_differ(files, tmp_path, model, augmentation):
    for name in ("a", "b"):
        train(files, tmp_path / name, model, seeds=(0, 1), augmentation=augmentation)
    for key, value in weights(tmp_path / "a").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "b")[key])
    assert any(
        (v != weights(tmp_path / "a", 1)[k]).any() for k, v in weights(tmp_path / "a").items()
    )


@pytest.mark.parametrize("model", LOOPS)
def test_a_killed_training_resumes_to_the_same_weights(files, tmp_path, model, monkeypatch):
    train(files, tmp_path / "whole", model, checkpoint_seconds=0)
    train_until_killed(files, tmp_path / "killed", model, monkeypatch)
    assert list((tmp_path / "killed").rglob("checkpoints/seed0.safetensors"))
    train(files, tmp_path / "killed", model, checkpoint_seconds=0)
    for key, value in weights(tmp_path / "whole").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "killed")[key])
    assert len(history(tmp_path / "killed")) == 6
    assert not list((tmp_path / "killed").rglob("checkpoints/seed0.safetensors"))


@pytest.mark.parametrize("model", LOOPS)
def test_a_checkpoint_of_another_training_is_not_resumed(files, tmp_path, model, monkeypatch):
    train_until_killed(files, tmp_path / "a", model, monkeypatch)
    train(files, tmp_path / "a", model, augmentation="rotation")
    train(files, tmp_path / "b", model, augmentation="rotation")
    for key, value in weights(tmp_path / "b").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "a")[key])


@pytest.mark.parametrize("model", LOOPS)
def test_a_diverging_run_is_recorded_with_its_reason(files, tmp_path, model):
    (record,) = train(
        files, tmp_path, model, learning_rate=1e30, warmup=0.0, schedule="constant", epochs=20
    )
    assert record["status"].startswith("failed: Diverged: loss")
    assert not any(key.startswith("trained/") for key in weights(tmp_path))
    with pytest.raises(ValueError, match="no trained weights; the run ended with: failed"):
        predictor.load(tmp_path / "seed0")


@pytest.mark.parametrize("model", LOOPS)
def test_a_run_over_its_time_limit_is_a_timeout(files, tmp_path, model):
    (record,) = train(files, tmp_path, model, time_limit=1e-9)
    assert record["status"] == "timeout"


@pytest.mark.parametrize("model", LOOPS)
def test_patience_stops_a_training_that_no_longer_improves(files, tmp_path, model):
    train(files, tmp_path, model, epochs=60, patience=2, learning_rate=1e-9, ema=0.0)
    assert len(history(tmp_path)) < 60


def test_augmentation_draws_haar_rotations():
    """Mean 0 and second moment 1/3 for each entry of a Haar rotation, within five standard errors
    of 4000 draws."""
    import jax
    import torch

    from equitraj.training import jax_samples as jax_loop
    from equitraj.training import torch as torch_loop

    by_jax = np.asarray(jax_loop.haar_rotations(jax.random.key(0), 4000, np.float64))
    by_torch = torch_loop.haar_rotations(
        4000, torch.Generator().manual_seed(0), torch.float64
    ).numpy()
    for rotation in (by_jax, by_torch):
        np.testing.assert_allclose(
            rotation @ rotation.swapaxes(1, 2),
            np.broadcast_to(np.eye(3), rotation.shape),
            atol=1e-12,
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)
        assert np.abs(rotation.mean(0)).max() < 5 / np.sqrt(3 * 4000)
        assert np.abs((rotation**2).mean(0) - 1 / 3).max() < 5 * np.sqrt((1 / 5 - 1 / 9) / 4000)


def run_method(
    files: Path, folder: Path, method: Method, task: dict = TASK, size: str = "all"
) -> dict:
    train_run.run(task, method, size, [0], files / "lifted.h5", files / "aligned.h5", folder)
    return read_json(folder / "seed0" / "run.json")


@pytest.mark.parametrize("model", ["e3nn_network", "mlp"])
def test_a_network_that_cannot_be_built_is_a_row_with_its_reason(
    files, tmp_path, model, monkeypatch
):
    def build(hyperparameters, *shape_and_key):
        raise MemoryError(f"no room for {hyperparameters}")

    monkeypatch.setattr(load_model(model), "build", build)
    record = run_method(files, tmp_path, Method("m", model, "centre_of_mass"))
    assert (
        record["status"].startswith("failed: MemoryError: no room for")
        and not record["has_initial"]
    )


@pytest.mark.parametrize(
    ("options", "training", "said"),
    [
        ({"width": -1}, {}, "mlp: width: -1; expected int, 1 to 16384"),
        ({}, {"ema": 1.5}, "m.training.ema: 1.5"),
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_written(
    files, tmp_path, options, training, said
):
    with pytest.raises(ValueError, match=said):
        run_method(files, tmp_path / "run", Method("m", "mlp", options=options, training=training))
    assert not (tmp_path / "run").exists()


def test_an_output_of_another_shape_is_a_row_with_both_shapes(files, tmp_path, monkeypatch):
    network = load_model("mlp").Network
    whole = network.__call__
    monkeypatch.setattr(network, "__call__", lambda self, inputs: whole(self, inputs)[:, :-1])
    status = run_method(
        files, tmp_path, Method("m", "mlp", "centre_of_mass", training={"batch_size": 16})
    )["status"]
    assert "the model returned shape (16, 4, 3); expected (16, 5, 3) (samples, points, 3)" in status


def test_a_fit_that_is_not_finite_is_a_row_with_its_reason(files, tmp_path):
    method = Method("m", "linear_sgd", "centre_of_mass", options={"learning_rate": 1e6})
    assert "not finite" in run_method(files, tmp_path, method)["status"]


def test_closed_forms_learn_from_validation_only_where_size_is_no_question(files, tmp_path):
    method = Method("m", "autoregression", "centre_of_mass")
    assert run_method(files, tmp_path / "all", method)["fitted_on"] == ["train", "validation"]
    record = run_method(files, tmp_path / "few", method, size="20")
    assert record["fitted_on"] == ["train"] and record["split"]["train"]["samples"] == 20


def test_a_fitted_reference_comes_back_with_the_predictor(files, chain, tmp_path, monkeypatch):
    """An alignment whose origin is the mean of the training positions: without it, predictions
    would be shifted."""
    import sys
    from types import SimpleNamespace

    from equitraj.frames import Base, Frames

    class Fitted(Base):
        def fit(self, position):
            return position.mean((0, 1))

        def frames(self, position, reference=None, rng=None):
            return Frames.world_axes(np.tile(reference, (len(position), 1)))

    monkeypatch.setitem(
        sys.modules, "equitraj.frames.alignments.fitted", SimpleNamespace(Alignment=Fitted)
    )
    align(
        files / "lifted.h5",
        TASK,
        "fitted",
        {"frames": "fitted", "options": {}},
        tmp_path / "aligned.h5",
    )
    method = Method("m", "linear_least_squares", "fitted")
    train_run.run(TASK, method, "all", [0], files / "lifted.h5", tmp_path / "aligned.h5", tmp_path)
    loaded = predictor.load(tmp_path / "seed0")
    training_frames = chain.position[
        tasks.split_frames(chain.episode, 3, 1, TASK["split"])["train"]
    ]
    np.testing.assert_allclose(loaded.reference, training_frames.mean((0, 1)), atol=1e-12)
    sample = tasks.samples(chain, np.arange(90, 100), 3, 1)
    assert (
        np.abs(loaded.predict(sample) - sample.target).max() < 0.1
    )  # a step is 0.05, a lost origin 0.8


@pytest.mark.parametrize("model", LOOPS)
def test_weights_on_the_way_are_kept_and_can_be_audited(files, tmp_path, model):
    (record,) = train(files, tmp_path, model, epochs=8)
    assert record["snapshots"] == [1, 2, 3, 5]  # even in the logarithm, without the last epoch
    sample = tasks.samples(chain_of(files), np.arange(90, 100), 3, 1)
    early, late = (
        predictor.load(tmp_path / "seed0", w, "float64").predict(sample)
        for w in ("epoch1", "trained")
    )
    assert np.abs(early - late).max() > 0


def chain_of(files: Path):
    from equitraj.data.trajectory import read

    return read(files / "lifted.h5")


@pytest.mark.parametrize("model", LOOPS)
@pytest.mark.parametrize(
    "alignment", ["frame_averaging", "stochastic_frame_averaging", "learned_frame"]
)
def test_networks_learn_in_sets_of_frames_and_in_learned_ones(files, tmp_path, model, alignment):
    align(
        files / "lifted.h5",
        TASK,
        alignment,
        {"frames": alignment, "options": {}},
        tmp_path / "aligned.h5",
    )
    options = {"epochs": 12, "batch_size": 16, "learning_rate": 0.005, "ema": 0.5}
    method = Method("m", model, alignment, "none", NETWORKS[model], options)
    train_run.run(TASK, method, "all", [0], files / "lifted.h5", tmp_path / "aligned.h5", tmp_path)
    assert read_json(tmp_path / "seed0" / "run.json")["status"] == "ok"
    assert history(tmp_path)["validation_mse"].min() < history(tmp_path)["validation_mse"][0]


LEARNED = {"frames": "learned_frame", "options": {}}


@pytest.mark.parametrize("model", LOOPS)
def test_a_learned_frame_makes_its_network_equivariant_and_is_itself_trained(
    files, tmp_path, model
):
    align(files / "lifted.h5", TASK, "learned_frame", LEARNED, tmp_path / "a.h5")
    method = Method(
        "m", model, "learned_frame", "none", NETWORKS[model], {"epochs": 3, "batch_size": 16}
    )
    train_run.run(TASK, method, "all", [0], files / "lifted.h5", tmp_path / "a.h5", tmp_path)
    sample = tasks.samples(chain_of(files), np.arange(85, 101), 3, 1)
    load = lambda dtype: predictor.load(tmp_path / "seed0", "trained", dtype).predict  # noqa: E731
    rows = symmetry.audit(load, sample, method.claims(), {"float64": 4, "float32": 2})
    assert {r["generator"]: r["agrees"] for r in rows if r["claim"] == "exact"}["rotation"] == "yes"
    assert all(row["agrees"] == "yes" for row in rows)
    arrays = weights(tmp_path)
    frame = [k.removeprefix("initial/") for k in arrays if k.startswith("initial/frame")]
    assert frame and all((arrays[f"initial/{k}"] != arrays[f"trained/{k}"]).any() for k in frame)


@pytest.mark.parametrize("model", LOOPS)
def test_a_symmetry_penalty_lowers_the_rotation_error(files, tmp_path, model):
    """Of the perceptron, which has none built in; the e3nn network has nothing to lower, and trains
    all the same."""
    error = {}
    for penalty in (0.0, 30.0):
        folder = tmp_path / str(penalty)
        assert train(files, folder, model, epochs=40, symmetry_penalty=penalty)[0]["status"] == "ok"
        sample = tasks.samples(chain_of(files), np.arange(85, 101), 3, 1)
        predict = predictor.load(folder / "seed0", "trained", "float64").predict
        elements = symmetry.draw("rotation", 8, 5, 1.0, np.random.default_rng(0))
        found = symmetry.measure(predict, sample, predict(sample), elements)
        error[penalty] = np.mean(found.relative)
    if model == "mlp":
        assert (
            error[30.0] < error[0.0] / 5
        )  # 1 / 32 where this was written; training may differ elsewhere
    else:
        assert max(error.values()) < 1e-12  # thirty times its rounding, 3e-14


def test_what_depends_on_samples_alone_is_computed_once_and_changes_nothing(
    files, tmp_path, monkeypatch
):
    """Prepared in the first place, or in each step as where memory is short: bit for bit the same
    weights."""
    from equitraj.training import dense

    network, calls = load_model("e3nn_network").GraphNetwork, []
    prepare, enough = network.prepare, dense.PREPARED_BYTES
    monkeypatch.setattr(network, "prepare", lambda *given: calls.append(given) or prepare(*given))
    for memory, name in ((enough, "once"), (0, "each")):
        monkeypatch.setattr(dense, "PREPARED_BYTES", memory)
        calls.clear()
        train(files, tmp_path / name, "e3nn_network", epochs=2)
        # of both parts: one sample, for its size, and all; or in three steps and one validation
        assert len(calls) == (4 if name == "once" else 2 + 2 * (3 + 1))
    for key, value in weights(tmp_path / "once").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "each")[key])


def test_dense_batches_need_no_torch_geometric(files, tmp_path):
    """In a process of its own, as other tests import it."""
    script, method = (
        REPOSITORY / "workflow/scripts/train.py",
        Method("m", "e3nn_network", "learned_frame"),
    )
    align(files / "lifted.h5", TASK, "learned_frame", LEARNED, tmp_path / "a.h5")
    method = asdict(method) | {"options": NETWORKS["e3nn_network"], "training": {"epochs": 1}}
    code = "import runpy, sys; runpy.run_path(sys.argv.pop(1), None, '__main__'); print('torch_geometric' in sys.modules)"
    call = [
        sys.executable,
        "-c",
        code,
        script,
        "--task",
        json.dumps(TASK),
        "--method",
        json.dumps(method),
    ]
    call += [
        "--trajectory",
        files / "lifted.h5",
        "--aligned",
        tmp_path / "a.h5",
        "--folder",
        tmp_path,
    ]
    done = subprocess.run(
        call, env=environment(PYTHONPATH=str(script.parent)), capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
    assert read_json(tmp_path / "nall" / "seed0" / "run.json")["status"] == "ok"


def frame_batch(n_samples: int = 4, n_frames: int = 3):
    """Inputs, targets, frames and weights of a few samples in several frames, as the loops get
    them."""
    from equitraj.training.outcome import Arrays

    rng = np.random.default_rng(0)
    shape = (n_samples * n_frames, 5, 3)
    inputs = {
        "position": rng.normal(size=shape),
        "displacement": rng.normal(size=(shape[0], 2, 5, 3)),
    }
    inputs["adjacency"] = np.zeros((shape[0], 5, 5))
    rotation = (
        Rotation.random(n_samples * n_frames, rng=rng)
        .as_matrix()
        .reshape(n_samples, n_frames, 3, 3)
    )
    return Arrays(
        inputs, rng.normal(size=shape), rotation, rng.dirichlet(np.ones(n_frames), n_samples)
    )


def brute_force_loss(output: np.ndarray, arrays) -> float:
    """|sum_f w_f R_f^T (output - target)|^2, one sample and frame after the other."""
    total = 0.0
    for s in range(len(arrays)):
        error = np.zeros((5, 3))
        for f in range(arrays.weight.shape[1]):
            i = s * arrays.weight.shape[1] + f
            error += arrays.weight[s, f] * (output[i] - arrays.target[i]) @ arrays.rotation[s, f]
        total += np.mean(error**2) / len(arrays)
    return total


def test_the_loss_of_a_set_of_frames_is_that_of_their_mean_in_world_axes():
    import jax
    import torch
    from torch_geometric.data import Data as Graph

    from equitraj.training import jax_samples as jax_loop
    from equitraj.training import torch as torch_loop
    from equitraj.training.dense import Dense
    from equitraj.training.graphs import Graphs

    arrays = frame_batch()
    output = np.tanh(arrays.inputs["position"] @ np.arange(9.0).reshape(3, 3))
    expected = brute_force_loss(output, arrays)
    network = lambda inputs: jax.numpy.tanh(inputs["position"] @ np.arange(9.0).reshape(3, 3))  # noqa: E731
    samples = jax_loop.samples_of(
        arrays, "float64", len(arrays) + 3
    )  # what fills up does not count
    assert float(jax_loop.loss(network, samples)) / len(arrays) == pytest.approx(
        expected, rel=1e-12
    )
    graphs = [Graph(pos=torch.as_tensor(p)) for p in arrays.inputs["position"]]
    provider = type("Provider", (), {"graphs": lambda self, inputs: graphs})()
    everything = torch.arange(len(graphs))
    for samples in (Dense.of(arrays, "float64"), Graphs.of(provider, arrays, "float64")):
        found = torch_loop._loss(torch.as_tensor(output).flatten(0, 1), samples.take(everything), 3)
        assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("augmentation", ["rotation", "rotation_z"])
def test_rotated_copies_keep_the_loss_of_an_equivariant_network(augmentation):
    """Whatever the set of frames: each copy's frame turns with it."""
    import jax

    from equitraj.training import jax_samples as jax_loop

    samples = jax_loop.samples_of(frame_batch(), "float64", 4)
    network = lambda inputs: 0.3 * inputs["position"] + inputs["displacement"][:, 0]  # noqa: E731
    turned = jax_loop.rotated(samples, jax.random.key(0), augmentation)
    assert float(jax.numpy.abs(turned.target - samples.target).max()) > 0.1
    kept = np.allclose(turned.target[..., 2], samples.target[..., 2], rtol=1e-12)
    assert kept == (augmentation == "rotation_z")
    expected = float(jax_loop.loss(network, samples))
    assert float(jax_loop.loss(network, turned)) == pytest.approx(expected, rel=1e-12)


def test_a_frame_is_drawn_as_often_as_its_weight_says():
    import jax

    from equitraj.training import jax_samples as jax_loop

    arrays = frame_batch(n_samples=1)
    samples = jax_loop.samples_of(arrays, "float64", 1)
    drawn = jax.vmap(lambda key: jax_loop.drawn(samples, key).rotation[0, 0])(
        jax.random.split(jax.random.key(0), 2000)
    )
    share = [np.mean(np.all(np.isclose(drawn, r), axis=(1, 2))) for r in arrays.rotation[0]]
    np.testing.assert_allclose(
        share, arrays.weight[0], atol=5 * 0.5 / np.sqrt(2000)
    )  # five standard errors
