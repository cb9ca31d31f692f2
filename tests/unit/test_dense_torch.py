"""A torch network on dense batches goes through the loop, the frames and the audit that graph networks go through."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from equitraj import symmetry
from equitraj.base import registry
from equitraj.base.files import read_json
from equitraj.data import tasks
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.prediction import predictor
from equitraj.symmetry import lie
from equitraj.training import run as train_run
from equitraj.training.method import Method
from study import REPOSITORY

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
TRAINING = {"epochs": 12, "batch_size": 16, "learning_rate": 0.01, "ema": 0.5}


@pytest.fixture(scope="module", autouse=True)
def model(tmp_path_factory):
    """The model's file among the models, for as long as the tests of this module run: in a folder of its own."""
    import equitraj.models

    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(registry.LIBRARY / "models", folder / "models")
    shutil.copy(REPOSITORY / "tests/models/dense.py", folder / "models" / "dense_model.py")
    patch = pytest.MonkeyPatch()
    patch.setattr(registry, "LIBRARY", folder)
    patch.setattr(equitraj.models, "__path__", [str(folder / "models"), *equitraj.models.__path__])
    yield
    patch.undo()
    registry.model_spec.cache_clear()


def trained(chain, folder: Path, alignment: str, augmentation: str = "none", **training) -> tuple[Method, dict]:
    write(folder / "lifted.h5", chain)
    align(folder / "lifted.h5", TASK, alignment, {"frames": alignment, "options": {}}, folder / "aligned.h5")
    method = Method("m", "dense_model", alignment, augmentation, {}, TRAINING | training)
    train_run.run(TASK, method, "all", [0], folder / "lifted.h5", folder / "aligned.h5", folder)
    return method, read_json(folder / "seed0" / "run.json")


@pytest.mark.parametrize("augmentation", ["none", "rotation"])
@pytest.mark.parametrize(
    "alignment", ["centre_of_mass", "frame_averaging", "stochastic_frame_averaging", "learned_frame"]
)
def test_it_learns_in_every_kind_of_frame_and_keeps_its_claims(chain, tmp_path, alignment, augmentation):
    method, record = trained(chain, tmp_path, alignment, augmentation, symmetry_penalty=0.1)
    assert record["status"] == "ok", record["status"]
    history = np.genfromtxt(tmp_path / "seed0" / "history.csv", delimiter=",", names=True)["validation_mse"]
    assert history.min() < history[0]
    sample = tasks.samples(chain, np.arange(85, 101), 3, 1)
    load = lambda dtype: predictor.load(tmp_path / "seed0", "trained", dtype).predict  # noqa: E731
    rows = symmetry.audit(load, sample, method.claims(), {"float64": 4, "float32": 2})
    assert all(row["agrees"] == "yes" for row in rows)


@pytest.mark.parametrize("alignment", ["centre_of_mass", "learned_frame"])
def test_its_lie_derivative_is_zero(chain, tmp_path, alignment):
    """Forward mode on an equivariant network gives zero, to the rounding of float64 over the step of the frames."""
    trained(chain, tmp_path, alignment)
    sample = tasks.samples(chain, np.arange(85, 93), 3, 1)
    run = predictor.read_run(tmp_path / "seed0")
    found = lie.relative(lie.derivatives(*run, sample), predictor.load(tmp_path / "seed0").predict(sample), sample)
    assert max(value.max() for value in found.values()) < 1e-9


def test_an_output_of_another_shape_is_a_row_that_says_so(chain, tmp_path, monkeypatch):
    module = registry.load_model("dense_model")
    forward = module.Network.forward
    monkeypatch.setattr(module.Network, "forward", lambda self, inputs: forward(self, inputs)[:, :-1])
    _, record = trained(chain, tmp_path, "centre_of_mass")
    assert "returned shape (16, 4, 3); expected (16, 5, 3) (samples, points, 3)" in record["status"]
