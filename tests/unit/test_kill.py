"""A batch of seeds killed with SIGKILL again and again ends in the files of an undisturbed one."""

import json
import signal
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from called import SCRIPTS
from copies import copies
from equitraj.base.files import read_json
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.training.method import Method
from study import environment

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
NETWORKS = {
    "mlp": {"width": 8},
    "e3nn_network": {"irreps_hidden": "2x0e + 2x1o", "lmax": 1, "layers": 1, "radial_neurons": 4},
}
TRAINING = {
    "epochs": 5,
    "batch_size": 16,
    "learning_rate": 0.005,
    "ema": 0.5,
    "checkpoint_seconds": 0.0,
}
SEEDS = ("0", "1", "2")
# What is called when the process kills itself, for the how manieth time since it started.
MOMENTS = {
    "in the third epoch of the first seed": ("equitraj.training.outcome.Monitor.record", 3),
    "while its next checkpoint is written": ("equitraj.training.checkpoint.save_file", 1),
    "as its training ends": ("equitraj.training.checkpoint.Checkpoint.finish", 1),
    "in the third epoch of the second seed": ("equitraj.training.outcome.Monitor.record", 3),
    "with two of three run folders written": ("equitraj.training.run.write_run", 3),
}
KILLED = """
import os, pkgutil, runpy, signal, sys

script, place, count = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
owner, _, name = place.rpartition(".")
owner = pkgutil.resolve_name(owner)
whole, calls = getattr(owner, name), []

def counted(*given, **named):
    calls.append(name)
    if len(calls) == count:
        if name == "save_file":
            open(given[1], "wb").write(b"the first bytes")
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given, **named)

setattr(owner, name, counted)
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Processes that have imported both frameworks."""
    imports = "import equitraj.models.e3nn_network, equitraj.models.mlp, equitraj.training.jax, equitraj.training.torch"
    with copies(
        imports, tmp_path_factory.mktemp("said"), environment(PYTHONPATH=str(SCRIPTS))
    ) as processes:
        yield processes


def words(files: Path, folder: Path, model: str) -> list[object]:
    """What follows `train.py` for all seeds."""
    method = asdict(Method(model, model, "centre_of_mass", "none", NETWORKS[model], TRAINING))
    given = [
        "--task",
        json.dumps(TASK),
        "--method",
        json.dumps(method),
        "--seeds",
        *SEEDS,
        "--folder",
        folder,
    ]
    return [*given, "--trajectory", files / "lifted.h5", "--aligned", files / "aligned.h5"]


@pytest.mark.parametrize("model", NETWORKS)
def test_a_batch_killed_at_five_moments_ends_in_the_same_weights_and_histories(
    chain, tmp_path, processes, model
):
    write(tmp_path / "lifted.h5", chain)
    align(
        tmp_path / "lifted.h5",
        TASK,
        "com",
        {"frames": "centre_of_mass", "options": {}},
        tmp_path / "aligned.h5",
    )
    train = f"import runpy; runpy.run_path({str(SCRIPTS / 'train.py')!r}, run_name='__main__')"
    done = processes(train, ["train.py", *words(tmp_path, tmp_path / "whole", model)])
    assert done.returncode == 0, done.stderr
    for moment, (place, count) in MOMENTS.items():
        call = [
            "-c",
            SCRIPTS / "train.py",
            place,
            count,
            *words(tmp_path, tmp_path / "killed", model),
        ]
        done = processes(KILLED, call)
        assert done.returncode == -signal.SIGKILL, (moment, done.stderr)
    done = processes(train, ["train.py", *words(tmp_path, tmp_path / "killed", model)])
    assert done.returncode == 0, done.stderr
    assert "epoch" not in done.stderr, "what had ended was trained anew"
    assert not list((tmp_path / "killed").rglob("checkpoints"))
    for seed in SEEDS:
        whole, killed = (tmp_path / name / f"nall/seed{seed}" for name in ("whole", "killed"))
        expected, found = (load_file(folder / "model.safetensors") for folder in (whole, killed))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
        assert (killed / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
        record = read_json(killed / "run.json")
        assert (
            record["status"] == "ok"
            and record["train_seconds"] > 0
            and record["frames_per_second"] > 0
        )
