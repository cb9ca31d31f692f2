"""Every file of the library that a command really loads is in the digest by which its results are
made again."""

import json
import subprocess
import sys
from pathlib import Path

import ase
import ase.io
import h5py
import numpy as np
import pandas as pd
import pytest

import mocap_files
from equitraj.base import code, registry
from equitraj.data.sources import entry
from equitraj.data.trajectory import Trajectory, write
from study import REPOSITORY, environment

SCRIPTS = registry.LIBRARY.parent
MODELS, ALIGNMENTS = registry.names("models"), registry.names(registry.ALIGNMENTS)
TASK = {"name": "t", "source": "s", "history": 2, "lag": 1, "inputs": ["velocity", "charge"]}
TASK["split"] = {"by": "time", "train": 12, "validation": 6, "test": 6}
# of each framework one model that is evaluated and audited too, and one whose output has a unit, in
# a learned frame
FOLLOWED = ["autoregression", "mlp", "e3nn_network"]
LEARNED = [("egnn_published", "learned_frame")]
OPTIONS = {"gram_schmidt": {"points": [0, 1, 2]}}
SYSTEMS = {  # small ones
    "alanine_dipeptide": {"episodes": 1},
    "bead_chain": {"beads": 3, "equilibration_steps": 1},
    "lennard_jones": {},
    "n_body": {"episodes": 1, "points": 2},
}
Call = tuple[
    list[Path], dict
]  # what is in the digest of its rule, and the script with its arguments


def trajectory() -> Trajectory:
    """Four points of different charges on a bent path, with velocities."""
    position = np.cumsum(np.random.default_rng(0).normal(size=(40, 4, 3)), axis=0)
    charge = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    given = {"velocity": np.gradient(position, axis=0), "features": {"charge": charge}}
    return Trajectory(
        position,
        np.zeros(40, int),
        np.arange(40.0),
        bonds=np.array([[0, 1], [1, 2], [2, 3]]),
        **given,
    )


def aligned(frames: str) -> Call:
    """The call that aligns the trajectory."""
    alignment = {"frames": frames, "options": OPTIONS.get(frames, {})}
    words = ["--trajectory", "lifted.h5", "--task", json.dumps(TASK), "--name", frames]
    words += ["--alignment", json.dumps(alignment), "--output", f"{frames}.h5"]
    files = [SCRIPTS / "align.py", registry.LIBRARY / registry.ALIGNMENTS / f"{frames}.py"]
    return files, {"script": "align.py", "arguments": words}


def step(script: str, model: str, frames: str) -> Call:
    """The call of a step of a method of the smallest budget."""
    closed = registry.model_spec(model).closed_form
    method = {"name": model, "model": model, "alignment": frames, "frames": frames}
    method |= {
        "frame_options": OPTIONS.get(frames, {}),
        "training": {} if closed else {"epochs": 1, "batch_size": 8},
    }
    folder = f"{frames}/t/{model}"
    words = {
        "train.py": [
            "--task",
            json.dumps(TASK),
            "--method",
            json.dumps(method),
            "--aligned",
            f"{frames}.h5",
        ],
        "evaluate.py": ["--rollout-steps", "1", "--rollout-starts", "1"],
        "audit.py": ["--samples", "1", "--elements", "1"],
    }[script]
    words += ["--folder", folder] if script == "train.py" else ["--runs", f"{folder}/nall/seed0"]
    call = {"script": script, "arguments": ["--trajectory", "lifted.h5", *words]}
    return code.command_files(script, model, frames), call


def fetched(form: str, source: dict) -> Call:
    """The call that reads a file of a format."""
    words = [
        "--source",
        json.dumps({"kind": "file", "name": "s"} | source),
        "--output",
        f"{form}.read.h5",
    ]
    files = [SCRIPTS / "fetch.py", registry.LIBRARY / entry.FORMATS / f"{form}.py"]
    return files, {"script": "fetch.py", "arguments": words}


def simulated(system: str) -> Call:
    """The call that simulates a system."""
    source = {
        "kind": "simulate",
        "system": system,
        "options": SYSTEMS[system],
        "frames": 11,
        "name": "s",
    }
    files = [SCRIPTS / "simulate.py", registry.LIBRARY / f"data/sources/systems/{system}.py"]
    words = ["--source", json.dumps(source), "--output", f"{system}.h5"]
    return files, {"script": "simulate.py", "arguments": words}


def written(folder: Path) -> dict[str, dict]:
    """A file of every format, by its name in formats/, as sources."""
    x = trajectory().position
    np.save(folder / "a.npy", x)
    with h5py.File(folder / "a.hdf5", "w") as file:
        file["x"] = x
    ase.io.write(folder / "a.xyz", [ase.Atoms("H4", frame) for frame in x], format="extxyz")
    rows = [(t, n, *point) for t, frame in enumerate(x) for n, point in enumerate(frame)]
    pd.DataFrame(rows, columns=["frame", "id", "x", "y", "z"]).to_csv(folder / "a.csv", index=False)
    ase.io.write(folder / "a.pdb", [ase.Atoms("H4", frame) for frame in x])
    (folder / "a.asf").write_text(mocap_files.SKELETON)
    mocap_files.written_motion(folder / "a.amc", mocap_files.angles(5, 0))
    return {
        "arrays": {"path": "a.npy"},
        "hdf5": {"path": "a.hdf5", "array": "x"},
        "mocap": {"path": "a.amc", "topology": "a.asf"},
        "molecules": {"path": "a.pdb"},
        "tracks": {"path": "a.csv"},
        "xyz": {"path": "a.xyz"},
    }


def in_turn(folder: Path, calls: list[Call]) -> list[set[str]]:
    """The files of the library that each call really loads."""
    given = json.dumps([call for _, call in calls])
    words = [sys.executable, str(REPOSITORY / "tests/traced.py"), str(folder)]
    done = subprocess.run(words, input=given, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return [set(files) for files in json.loads(done.stdout)]


def assert_all_in_digests(folder: Path, calls: list[Call]) -> None:
    for (declared, call), loaded in zip(calls, in_turn(folder, calls), strict=True):
        known = {str(path.relative_to(SCRIPTS)) for path in code.with_imports(*declared)}
        assert loaded and loaded <= known, (
            call["script"],
            call["arguments"],
            sorted(loaded - known),
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    write(folder / "lifted.h5", trajectory())
    return folder


def test_all_formats_and_systems_are_tried(folder):
    sources = written(folder)
    assert set(sources) == set(registry.names(entry.FORMATS))
    assert set(SYSTEMS) == set(registry.names("data/sources/systems"))
    calls = [fetched(form, source) for form, source in sources.items()]
    assert_all_in_digests(folder, [*calls, *map(simulated, SYSTEMS)])


def test_a_training_of_every_model_and_alignment_and_what_follows_it(folder):
    trainings = [(model, "centre_of_mass") for model in MODELS]
    trainings += LEARNED  # other frames are those of the aligned trajectory
    followed = [(model, "centre_of_mass") for model in FOLLOWED] + LEARNED
    calls = [aligned(frames) for frames in ALIGNMENTS]
    calls += [step("train.py", *each) for each in trainings]
    calls += [step(script, *each) for each in followed for script in ("evaluate.py", "audit.py")]
    assert_all_in_digests(folder, calls)


@pytest.mark.parametrize("name", ["units/jax.py", "jax.py", "jax_epoch.py"])
def test_the_code_of_a_training_decides_its_checkpoints(name, monkeypatch):
    """The mark of a checkpoint has the digest of the rule, in which these files are."""
    changed = registry.LIBRARY / "training" / name
    before = code.command_digest("train.py", "integrator", "none")
    whole = code.syntax_digest
    monkeypatch.setattr(
        code, "syntax_digest", lambda path: "other" if path == changed else whole(path)
    )
    assert code.command_digest.__wrapped__("train.py", "integrator", "none") != before


def test_comments_docstrings_and_layout_are_no_change(tmp_path):
    (tmp_path / "a.py").write_text(
        '"""One."""\n\nX = 1\n\n\ndef f():\n    """Two."""\n    return X\n'
    )
    (tmp_path / "b.py").write_text(
        '# c\nX = (1)\ndef f():\n    """Another."""\n    # why\n    return X\n'
    )
    (tmp_path / "c.py").write_text("X = 1\ndef f():\n    return X + 0\n")
    a, b, c = (code.syntax_digest(tmp_path / f"{name}.py") for name in "abc")
    assert a == b != c
