"""Programs that JAX compiles: one for all runs of a method, kept in the folder of a study."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from called import SCRIPTS
from copies import Copies, copies
from equitraj.base.files import read_json
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.training import run as train_run
from equitraj.training.method import Method
from study import environment

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
SMALL = {"irreps_hidden": "2x0e + 2x1o", "lmax": 1, "layers": 1, "radial_neurons": 4}
OPTIONS = {"mlp": {"width": 8}, "egnn": {"width": 4, "layers": 1}, "gate_points": SMALL}


@pytest.fixture(scope="module")
def files(chain, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "lifted.h5", chain)
    align(
        folder / "lifted.h5",
        TASK,
        "com",
        {"frames": "centre_of_mass", "options": {}},
        folder / "aligned.h5",
    )
    return folder


def method(model: str, **training: object) -> Method:
    options = {"epochs": 2, "batch_size": 16, "learning_rate": 0.005} | training
    return Method(model, model, "centre_of_mass", "none", OPTIONS[model], options)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Processes that have imported JAX, with the flags of the library."""
    variables = environment(PYTHONPATH=str(SCRIPTS))
    for name in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):
        variables.pop(name, None)
    with copies(
        "import equinox, jax, optax", tmp_path_factory.mktemp("said"), variables
    ) as processes:
        yield processes


# `train.py`; it keeps its programs in a folder, and prints for how many trainings it asked for one
TRAIN = f"""
import os, runpy, sys
os.environ["EQUITRAJ_COMPILED"] = sys.argv.pop(1)
from equitraj.training import jax
whole, asked = jax.Trainer._compiled, []
jax.Trainer._compiled = lambda *given: asked.append(given) or whole(*given)
runpy.run_path({str(SCRIPTS / "train.py")!r}, run_name="__main__")
print(len(asked))
"""


def train(processes: Copies, files: Path, folder: Path, model: str, *sizes: str) -> int:
    """Train two seeds of each size in a process that keeps its programs below a folder; how many it
    asked for."""
    words = [
        "train.py",
        folder / "compiled",
        "--task",
        json.dumps(TASK),
        "--method",
        json.dumps(asdict(method(model))),
    ]
    words += [
        "--trajectory",
        files / "lifted.h5",
        "--aligned",
        files / "aligned.h5",
        "--folder",
        folder / "runs",
    ]
    done = processes(TRAIN, [*words, "--sizes", *sizes, "--seeds", "0", "1"])
    assert done.returncode == 0, done.stderr
    for size in sizes:
        for seed in (0, 1):
            assert read_json(folder / f"runs/n{size}/seed{seed}/run.json")["status"] == "ok"
    return int(done.stdout)


def programs(folder: Path) -> set[str]:
    """The compiled epochs in a folder."""
    return {path.name for path in folder.rglob("jit_epoch*-cache")}


@pytest.mark.parametrize("model", OPTIONS)
def test_seeds_and_training_sizes_share_one_program_and_another_process_finds_it(
    processes, files, tmp_path, model
):
    assert train(processes, files, tmp_path, model, "all", "40") == 1
    assert len(kept := programs(tmp_path)) == 1
    assert train(processes, files, tmp_path, model, "9") == 1  # fewer than a batch
    assert programs(tmp_path) == kept


def test_a_damaged_program_is_made_again(processes, files, tmp_path):
    train(processes, files, tmp_path, "mlp", "all")
    for path in (tmp_path / "compiled").rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:100])
    train(processes, files, tmp_path, "mlp", "40")


@pytest.mark.parametrize("size", ["all", "40", "9"])
def test_samples_that_fill_up_are_never_seen(files, tmp_path, monkeypatch, size):
    """The same weights whatever they hold."""
    from equitraj.training import jax_samples

    filled = jax_samples._filled
    found = []
    for factor in (1.0, 3.0):

        def scaled(array: np.ndarray, length: int, factor: float = factor) -> np.ndarray:
            beyond = np.arange(length) >= len(array)
            whole = filled(array, length).copy()
            whole[beyond] = factor * whole[beyond]
            return whole

        monkeypatch.setattr(jax_samples, "_filled", scaled)
        folder = tmp_path / f"{factor}"
        train_run.run(
            TASK, method("mlp"), size, [0], files / "lifted.h5", files / "aligned.h5", folder
        )
        found.append(load_file(folder / "seed0" / "model.safetensors"))
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name])


@pytest.mark.parametrize("model", ["egnn", "gate_points"])
def test_what_is_prepared_once_trains_like_what_is_prepared_in_each_step(
    files, tmp_path, monkeypatch, model
):
    from equitraj.training import jax as loop

    enough, found = loop.PREPARED_BYTES, []
    for memory in (enough, 0):
        monkeypatch.setattr(loop, "PREPARED_BYTES", memory)
        folder = tmp_path / str(memory)
        train_run.run(
            TASK,
            method(model, precision="float64"),
            "all",
            [0],
            files / "lifted.h5",
            files / "aligned.h5",
            folder,
        )
        record = read_json(folder / "seed0" / "run.json")
        assert record["status"] == "ok", record["status"]
        found.append(np.loadtxt(folder / "seed0" / "history.csv", delimiter=",", skiprows=1))
    # rounding at 1e-16 grows over eight steps of the optimiser, and stays far from 1e-9
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
