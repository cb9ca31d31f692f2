"""A user's torch networks, on dense batches and on graphs, go through the loop, the frames and the
audit."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import library
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
def models(tmp_path_factory):
    """The models' files among the others, for as long as the tests of this module run: in a folder
    of its own."""
    import equitraj.models

    folder = library.with_own_models(tmp_path_factory.mktemp("library"))
    shutil.copytree(registry.LIBRARY / "models", folder / "models", dirs_exist_ok=True)
    for name in ("dense", "graph"):
        shutil.copy(REPOSITORY / f"tests/models/{name}.py", folder / "models" / f"{name}_model.py")
    patch = pytest.MonkeyPatch()
    patch.setattr(registry, "LIBRARY", folder)
    patch.setattr(equitraj.models, "__path__", [str(folder / "models"), *equitraj.models.__path__])
    yield
    patch.undo()
    library.forget()


def trained(
    chain,
    folder: Path,
    alignment: str,
    augmentation: str = "none",
    model: str = "dense_model",
    **training,
) -> tuple[Method, dict]:
    write(folder / "lifted.h5", chain)
    align(
        folder / "lifted.h5",
        TASK,
        alignment,
        {"frames": alignment, "options": {}},
        folder / "aligned.h5",
    )
    method = Method("m", model, alignment, augmentation, {}, TRAINING | training)
    train_run.run(TASK, method, "all", [0], folder / "lifted.h5", folder / "aligned.h5", folder)
    return method, read_json(folder / "seed0" / "run.json")


@pytest.mark.parametrize("model", ["dense_model", "graph_model"])
@pytest.mark.parametrize("augmentation", ["none", "rotation"])
@pytest.mark.parametrize(
    "alignment",
    ["centre_of_mass", "frame_averaging", "stochastic_frame_averaging", "learned_frame"],
)
def test_it_learns_in_every_kind_of_frame_and_keeps_its_claims(
    chain, tmp_path, alignment, augmentation, model
):
    method, record = trained(chain, tmp_path, alignment, augmentation, model, symmetry_penalty=0.1)
    assert record["status"] == "ok", record["status"]
    history = np.genfromtxt(tmp_path / "seed0" / "history.csv", delimiter=",", names=True)[
        "validation_mse"
    ]
    assert history.min() < history[0]
    sample = tasks.samples(chain, np.arange(85, 101), 3, 1)
    load = lambda dtype: predictor.load(tmp_path / "seed0", "trained", dtype).predict  # noqa: E731
    rows = symmetry.audit(load, sample, method.claims(), {"float64": 4, "float32": 2})
    assert all(row["agrees"] == "yes" for row in rows)


@pytest.mark.parametrize("model", ["dense_model", "graph_model"])
@pytest.mark.parametrize("alignment", ["centre_of_mass", "learned_frame"])
def test_its_lie_derivative_is_zero(chain, tmp_path, alignment, model):
    """Forward mode on an equivariant network gives zero, to the rounding of float64 over the step
    of the frames."""
    trained(chain, tmp_path, alignment, model=model)
    sample = tasks.samples(chain, np.arange(85, 93), 3, 1)
    run = predictor.read_run(tmp_path / "seed0")
    found = lie.relative(
        lie.derivatives(*run, sample), predictor.load(tmp_path / "seed0").predict(sample), sample
    )
    assert max(value.max() for value in found.values()) < 1e-9


def test_an_output_of_another_shape_is_a_row_that_says_so(chain, tmp_path, monkeypatch):
    module = registry.load_model("dense_model")
    forward = module.Network.forward
    monkeypatch.setattr(
        module.Network, "forward", lambda self, inputs: forward(self, inputs)[:, :-1]
    )
    _, record = trained(chain, tmp_path, "centre_of_mass")
    assert "returned shape (16, 4, 3); expected (16, 5, 3) (samples, points, 3)" in record["status"]


def test_a_batch_of_graphs_is_the_one_of_torch_geometric():
    """Graphs of several sizes with all kinds of attributes, in any order and more than once."""
    import torch
    from torch_geometric.data import Batch, Data

    from equitraj.training.graphs import Graphs
    from equitraj.training.outcome import Arrays

    random = torch.Generator().manual_seed(0)
    graphs = [
        Data(
            pos=torch.randn(n, 3, generator=random),
            edge_index=torch.randint(n, (2, 2 * n), generator=random),
            triplet_index=torch.randint(n, (3, n - 1), generator=random),
            energy=float(n),
            name=f"of {n}",
        )
        for n in (3, 5, 2, 4)
    ]
    target, rotation = np.zeros((4, 1, 3)), np.tile(np.eye(3), (4, 1, 1, 1))
    provider = type("Provider", (), {"graphs": lambda self, inputs: graphs})()
    samples = Graphs.of(provider, Arrays({}, target, rotation, np.arange(4.0)[:, None]), "float32")
    for chosen in ([2, 0, 3], [1], [3, 3, 0, 1, 2]):
        found, expected = (
            samples.take(torch.tensor(chosen)),
            Batch.from_data_list([graphs[i] for i in chosen]),
        )
        assert (
            sorted(found.keys()) == sorted(expected.keys())
            and found.num_graphs == expected.num_graphs
        )
        for key, value in expected.items():
            assert (
                found[key] == value if isinstance(value, list) else torch.equal(found[key], value)
            ), key
