"""The training loops: they learn, are deterministic, resume, and record what goes wrong."""

from pathlib import Path

import numpy as np
import pytest

from equitraj import predictor, tasks, train_run
from equitraj.align_run import run as align
from equitraj.files import read_json
from equitraj.method import Method
from equitraj.training import outcome
from equitraj.trajectory import write

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
NETWORKS = {
    "mlp": {"width": 16},
    "egnn": {"width": 8, "layers": 1},
    "e3nn_network": {"irreps_hidden": "4x0e + 4x1o", "lmax": 1, "layers": 1, "radial_neurons": 8},
}
LOOPS = ("mlp", "e3nn_network")  # one network for each training loop


@pytest.fixture(scope="module")
def files(chain, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "lifted.h5", chain)
    align(folder / "lifted.h5", TASK, "centre_of_mass", folder / "aligned.h5")
    return folder


def train(files: Path, folder: Path, model: str, seeds=(0,), augmentation="none", **training) -> list[dict]:
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 0.005, "ema": 0.5} | training
    method = Method(model, model, "centre_of_mass", augmentation, NETWORKS[model], options)
    train_run.run(TASK, method, "all", list(seeds), files / "lifted.h5", files / "aligned.h5", folder)
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
    assert record["n_parameters"] == sum(v.size for k, v in weights(tmp_path).items() if k.startswith("initial/"))
    assert record["split"]["test"] == {"samples": 30, "first_frame": 87, "last_frame": 119}
    assert predictor.load(tmp_path / "seed0").alignment.__name__.endswith("centre_of_mass")


@pytest.mark.parametrize("augmentation", ["none", "rotation"])
@pytest.mark.parametrize("model", LOOPS)
def test_training_is_deterministic_and_seeds_differ(files, tmp_path, model, augmentation):
    for name in ("a", "b"):
        train(files, tmp_path / name, model, seeds=(0, 1), augmentation=augmentation)
    for key, value in weights(tmp_path / "a").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "b")[key])
    assert any((v != weights(tmp_path / "a", 1)[k]).any() for k, v in weights(tmp_path / "a").items())


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
    (record,) = train(files, tmp_path, model, learning_rate=1e30, warmup=0.0, schedule="constant", epochs=20)
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
    """Mean 0 and second moment 1/3 for each entry of a Haar rotation, within five standard errors of 4000 draws."""
    import jax
    import torch

    from equitraj.training import jax as jax_loop
    from equitraj.training import torch as torch_loop

    by_jax = np.asarray(jax_loop.haar_rotations(jax.random.key(0), 4000, np.float64))
    by_torch = torch_loop.haar_rotations(4000, torch.Generator().manual_seed(0), torch.float64).numpy()
    for rotation in (by_jax, by_torch):
        np.testing.assert_allclose(
            rotation @ rotation.swapaxes(1, 2), np.broadcast_to(np.eye(3), rotation.shape), atol=1e-12
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)
        assert np.abs(rotation.mean(0)).max() < 5 / np.sqrt(3 * 4000)
        assert np.abs((rotation**2).mean(0) - 1 / 3).max() < 5 * np.sqrt((1 / 5 - 1 / 9) / 4000)


def run_method(files: Path, folder: Path, method: Method, task: dict = TASK, size: str = "all") -> dict:
    train_run.run(task, method, size, [0], files / "lifted.h5", files / "aligned.h5", folder)
    return read_json(folder / "seed0" / "run.json")


@pytest.mark.parametrize(
    ("model", "options", "training"),
    [("e3nn_network", {"irreps_hidden": "nonsense"}, {}), ("mlp", {"width": -1}, {})],
)
def test_a_network_that_cannot_be_built_is_a_row_with_its_reason(files, tmp_path, model, options, training):
    record = run_method(files, tmp_path, Method("m", model, "centre_of_mass", "none", options, training))
    assert record["status"].startswith("failed: ") and not record["has_initial"]


def test_a_fit_that_is_not_finite_is_a_row_with_its_reason(files, tmp_path):
    method = Method("m", "linear_sgd", "centre_of_mass", options={"learning_rate": 1e6})
    assert "not finite" in run_method(files, tmp_path, method)["status"]


def test_closed_forms_learn_from_validation_only_where_size_is_no_question(files, tmp_path):
    method = Method("m", "autoregression", "centre_of_mass")
    assert run_method(files, tmp_path / "all", method)["fitted_on"] == ["train", "validation"]
    record = run_method(files, tmp_path / "few", method, size="20")
    assert record["fitted_on"] == ["train"] and record["split"]["train"]["samples"] == 20


def test_a_fitted_reference_comes_back_with_the_predictor(files, chain, tmp_path, monkeypatch):
    """An alignment whose origin is the mean of the training positions: without it, predictions would be shifted."""
    import sys
    from types import SimpleNamespace

    from equitraj.frames import Frames, identity

    fitted = SimpleNamespace(
        CLAIMS=dict.fromkeys(("rotation", "reflection", "translation", "permutation"), False),
        fit=lambda position: position.mean((0, 1)),
        frames=lambda position, reference: Frames.single(identity(position), np.tile(reference, (len(position), 1))),
    )
    monkeypatch.setitem(sys.modules, "equitraj.alignments.fitted", fitted)
    align(files / "lifted.h5", TASK, "fitted", tmp_path / "aligned.h5")
    method = Method("m", "linear_least_squares", "fitted")
    train_run.run(TASK, method, "all", [0], files / "lifted.h5", tmp_path / "aligned.h5", tmp_path)
    loaded = predictor.load(tmp_path / "seed0")
    training_frames = chain.position[tasks.split_frames(chain.episode, 3, 1, TASK["split"])["train"]]
    np.testing.assert_allclose(loaded.reference, training_frames.mean((0, 1)), atol=1e-12)
    sample = tasks.samples(chain, np.arange(90, 100), 3, 1)
    assert np.abs(loaded.predict(sample) - sample.target).max() < 0.1  # a step is 0.05, a lost origin 0.8
