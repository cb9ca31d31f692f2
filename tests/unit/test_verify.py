"""A whole study against its records; a tampered run.json; what killed jobs left behind."""

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from called import called
from equitraj.base import files
from equitraj.data import trajectory
from equitraj.study import verify
from equitraj.training import record
from equitraj.training import run as training
from equitraj.training.checkpoint import Checkpoint
from equitraj.training.method import Method

AGAIN = "snakemake --cores all --configfile studies/mine.yaml"
SPLIT = {"by": "time", "train": 60, "validation": 20, "test": 30}
TASK = {"name": "t", "source": "s", "history": 3, "lag": 1, "split": SPLIT}


@pytest.fixture()
def run(chain, tmp_path, monkeypatch) -> Path:
    """The folder of a run in results, made where the study is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(files.AGAIN, AGAIN)
    lifted, aligned = Path("results/data/s/lifted.h5"), Path("results/aligned/t/none.h5")
    frames = {"rotation": np.broadcast_to(np.eye(3), (120, 1, 3, 3)), "origin": np.zeros((120, 3))}
    trajectory.write(lifted, chain)
    trajectory.write(aligned, chain, **frames, weight=np.ones((120, 1)))
    method = Method(name="m", model="autoregression")
    training.run(TASK, method, "all", [0], lifted, aligned, Path("results/runs/t/m/nall"))
    return Path("results/runs/t/m/nall/seed0")


def checked() -> tuple[int, str]:
    done = called("verify.py", "results")
    return done.returncode, done.stdout


def test_every_kind_of_problem_is_listed_with_the_commands_that_mend_them(run):
    assert checked() == (0, "5 files are as they were written.\n")
    history, weights, lifted = (
        run / "history.csv",
        run / "model.safetensors",
        Path("results/data/s/lifted.h5"),
    )
    history.write_bytes(history.read_bytes() + b"1,2,3\n")  # an edit by hand
    weights.unlink()
    files.record_path(lifted).unlink()
    left = run / f".metrics.json.{socket.gethostname()}.{ended()}.part"
    left.write_text("{")
    Checkpoint(run.parent / "checkpoints/seed1.safetensors", "mark", 0).save({"a": np.zeros(2)}, {})
    (Path("results/logs")).mkdir()
    Path("results/logs/a.log").write_text("not of interest")
    status, text = checked()
    lines = [line.strip() for line in text.splitlines()]
    size = history.stat().st_size
    assert status == 1
    assert f"{history}: {size} bytes, {size - 6} when it was written" in lines
    assert lines[lines.index("missing: 1") + 1] == str(weights)
    assert lines[lines.index("no record: 1") + 1].startswith(f"{lifted}: ")
    assert lines[lines.index("left by a killed job: 1") + 1] == str(left) and f"rm {left}" in lines
    assert any(line.startswith(f"{run.parent}/checkpoints/seed1.safetensors: ") for line in lines)
    assert f"{AGAIN} --force {history} {weights}" in lines


def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_writer_left_is_removed_by_the_next_writer_of_the_same_file_only(tmp_path):
    here, gone = socket.gethostname(), ended()
    dead = tmp_path / f".a.csv.{here}.{gone}.part"
    keep = [
        f".a.csv.{here}.{os.getppid()}.part",
        f".a.csv.elsewhere.{gone}.part",
        f".b.csv.{here}.{gone}.part",
    ]
    keep.append("a.csv.part")  # of a download, which goes on with it
    for path in (dead, *(tmp_path / name for name in keep)):
        path.write_text("half")
    files.write_text(tmp_path / "a.csv", "whole")
    assert not dead.exists() and all((tmp_path / name).exists() for name in keep)
    assert [files.is_abandoned(tmp_path / name) for name in keep[:3]] == [False, None, True]


def test_a_kill_between_file_and_record_leaves_a_file_without_a_record(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    files.write_text(path, "first")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, "second")
    monkeypatch.undo()
    assert files.checked(path).read_text() == "first" and files.read_record(path) is None
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


TAMPERED = {
    "seed": ("0", "seed: '0'; expected int"),
    "claims": (["rotation"], "claims: ['rotation']; expected dict"),
    "status": (None, "status: missing; expected str"),
    "has_initial": (1, "has_initial: 1; expected bool"),
    "n_parameters": (True, "n_parameters: True; expected int"),
    "flops": ("many", "flops: 'many'; expected int or NoneType"),
    "train_size": ("100", "train_size: '100'; expected 'all', as its folder says"),
    "task.name": ("other", "task.name: 'other'; expected 't', as its folder says"),
    "task.source": (
        "../../etc",
        "task.source: '../../etc'; expected a name of letters, digits and underscores",
    ),
    "task.history": (3.5, "task.history: 3.5; expected int"),
    "method.model": (
        "/tmp/evil",
        "method.model: '/tmp/evil'; expected a name of letters, digits and underscores",
    ),
    "method.name": (
        "m\n",
        "method.name: 'm\\n'; expected a name of letters, digits and underscores",
    ),
    "task": ("t", "task.name: missing; expected str"),
}


@pytest.mark.parametrize("key", TAMPERED)
def test_a_tampered_record_is_one_line_that_names_file_and_key(run, key):
    path, (value, message) = run / "run.json", TAMPERED[key]
    content = record.read_record(run)
    *places, last = key.split(".")
    content_at = content[places[0]] if places else content
    content_at[last] = value
    files.write_json(path, content)  # with a record of its own
    done = called("evaluate.py", "--trajectory", "results/data/s/lifted.h5", "--runs", run)
    assert done.returncode == 1 and done.stderr.splitlines()[1:] == [
        "# ended: error",
        f"error: {path}: {message}",
    ]
    assert verify.verify([Path("results")])[1][0].detail == message


def test_a_run_that_no_workflow_put_there_is_of_no_folder(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/run.json").write_text((run / "run.json").read_text())
    assert record.read_record(tmp_path / "mine")["task"]["name"] == "t"


def test_a_record_that_is_no_json_says_how_to_make_it_again(run):
    (run / "run.json").write_text('{"task": ')
    files.record_path(run / "run.json").unlink()
    with pytest.raises(
        files.DamagedFile, match=r"run.json: no JSON .* Make it again, .*snakemake .*--force"
    ):
        record.read_record(run)
    (run / "run.json").write_text(json.dumps([1]))
    with pytest.raises(files.DamagedFile, match="a JSON list, expected an object"):
        record.read_record(run)


def test_a_damaged_checkpoint_is_told_and_left_out(tmp_path, capsys):
    saved = Checkpoint(tmp_path / "checkpoints/seed0.safetensors", "mark", 0)
    saved.save({"a": np.arange(3.0)}, {"step": 1})
    assert saved.load()[1]["step"] == 1
    saved.path.write_bytes(saved.path.read_bytes()[:-3])
    assert saved.load() is None and "starting from zero" in capsys.readouterr().err
    saved.remove()
    assert not saved.path.parent.exists()


def test_a_full_disk_keeps_what_was_there_and_is_no_result_of_a_training(tmp_path):
    path = tmp_path / "a.csv"
    files.write_text(path, "what was there")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            files.NotWritten, match=r"a.csv: not written, File too large; make room"
        ):
            files.write_text(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files.checked(path).read_text() == "what was there"
    assert sorted(each.name for each in tmp_path.iterdir()) == [".a.csv.sha256", "a.csv"]
