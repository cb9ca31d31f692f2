"""What rules ask of a study: runs of a job, changed files, memory, settings; marks of what is made."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from equitraj.base import command, marks
from equitraj.base.files import write_text
from equitraj.study import jobs
from equitraj.training import steps
from equitraj.training.record import FILES
from study import REPOSITORY

SCRIPTS = REPOSITORY / "workflow/scripts"


@pytest.mark.parametrize(
    ("by_size", "runs"),
    [(True, ["seed0", "seed2"]), (False, ["nall/seed0", "nall/seed2", "n5/seed0", "n5/seed2"])],
)
def test_a_job_makes_all_sizes_or_one(by_size, runs):
    assert jobs.runs(["all", 5], [0, 2], by_size) == runs
    assert jobs.step_files("a", "audited", runs[:1]) == [
        f"a/{runs[0]}/{name}" for name in FILES["audited"]
    ]


def test_changed_files_are_those_gone_and_those_not_as_written(tmp_path):
    kept, gone, damaged, touched = (
        tmp_path / name for name in ("kept", "gone", "damaged", "touched")
    )
    for path in (kept, damaged, touched):
        write_text(path, path.name)
    record = tmp_path / "trained.sha256"
    files = [str(path) for path in (kept, gone, damaged, touched)]
    assert jobs.changed_files(record, files) == []  # nothing has been made yet
    record.write_text("")
    os.utime(record, (time.time() - 100,) * 2)
    damaged.write_text("another")
    os.utime(touched)
    assert jobs.changed_files(record, files) == [str(gone), str(damaged)]


def made(folder: Path, mark: str) -> dict[Path, str]:
    """A run folder in which everything was trained, with its mark."""
    for name in FILES["trained"]:
        write_text(folder / name, name)
    steps.finish("trained", {folder: mark}, [folder])
    return {folder: mark}


def test_a_run_is_made_again_where_its_mark_or_its_files_are_others(tmp_path):
    wanted = made(tmp_path / "seed0", "a") | made(tmp_path / "seed1", "a")
    first, second = wanted
    assert steps.missing("trained", wanted) == []
    assert steps.missing("trained", wanted | {second: "b"}) == [second]
    assert steps.missing("trained", wanted | {tmp_path / "seed2": "a"}) == [tmp_path / "seed2"]
    (first / "history.csv").write_text("edited")
    assert steps.missing("trained", wanted) == [first]
    (second / "run.json").unlink()
    assert steps.missing("trained", wanted) == [first, second]


def test_a_run_that_was_begun_and_not_finished_is_made_again(tmp_path):
    wanted = made(tmp_path / "seed0", "a")
    steps.begin("trained", wanted)
    assert steps.missing("trained", wanted) == list(wanted)


@pytest.mark.parametrize(
    ("forced", "found"),
    [
        ([], []),
        (["evaluate", "seed0/metrics.json"], []),
        (["train_jax"], ["seed0", "seed1"]),
        (["train"], ["seed0", "seed1"]),
        ([marks.EVERYTHING], ["seed0", "seed1"]),
        (["seed1/run.json"], ["seed1"]),
    ],
)
def test_what_is_forced_is_made_again(tmp_path, monkeypatch, forced, found):
    monkeypatch.chdir(tmp_path)
    wanted = made(Path("seed0"), "a") | made(Path("seed1"), "a")
    assert [folder.name for folder in steps.missing("trained", wanted, forced)] == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            ["--cores", "2", "results/figures/rollout.svg", "x/figures/accuracy.json"],
            ["accuracy", "rollout"],
        ),
        (
            [
                "figures",
                "results/figures/film.gif",
                "results/tables/figures.csv",
                "figures/a/b.svg",
            ],
            [],
        ),
    ],
)
def test_figures_named_on_the_command_line(words, found):
    assert jobs.named_figures(words) == found


LOGS = {  # a log to whether memory is what its command lacked
    "# python\n# ended: done\n": False,
    "# python\n# ended: error\nerror: wrong\n": False,
    "# python\n# ended: out of memory\nTraceback\n": True,
    "# python\nm epoch 3/10\n": True,
    "": True,
}


@pytest.mark.parametrize("text", LOGS)
def test_a_log_tells_a_kill_from_other_ends(tmp_path, text):
    (tmp_path / "log").write_text(text)
    assert command.was_killed(tmp_path / "log") == LOGS[text]


def test_memory_grows_with_kills_alone(tmp_path):
    log, memory = tmp_path / "log", jobs.Memory()
    assert memory.megabytes(log, 100, 1) == 100
    log.write_text("# python\n")  # killed
    assert memory.megabytes(log, 100, 2) == memory.megabytes(log, 100, 2) == 200
    log.write_text("# python\n# ended: error\n")  # out of time
    assert memory.megabytes(log, 100, 3) == 200
    log.write_text("# python\n")
    assert memory.megabytes(log, 100, 4) == 400
    assert memory.megabytes(tmp_path / "another", 100, 1) == 100


ENDINGS = {  # what a command does to how it ends, and its exit status
    "pass": ("done", 0),
    "raise ValueError('x')": ("error", 1),
    "raise MemoryError": ("out of memory", 1),
    "import signal; print('begun', flush=True); signal.pause()": ("error", 128 + signal.SIGTERM),
}


@pytest.mark.parametrize("code", ENDINGS)
def test_a_job_says_how_it_ended(code):
    program = f"from equitraj.base import command\ndef main():\n    {code}\ncommand.run(main)"
    variables = os.environ | {"EQUITRAJ_AGAIN": "snakemake", "PYTHONPATH": str(SCRIPTS)}
    call = [sys.executable, "-c", program]
    process = subprocess.Popen(
        call, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if "begun" in code:
        process.stdout.readline()
        process.terminate()
    _, errors = process.communicate()
    ending, status = ENDINGS[code]
    assert f"# ended: {ending}\n" in errors and process.returncode == status, errors


def test_settings_are_small_parts_of_the_configuration():
    config = {
        "mirror": "elsewhere",
        "tasks": {"t": {"source": "s", "history": 1}, "u": {"source": "s"}},
        "methods": {"m": {"model": "persistence"}, "n": {"model": "mlp", "alignment": "mine"}},
        "alignments": {"mine": {"frames": "point0"}},
        "published": {"t": [{"name": "A"}], "u": [{"name": "B"}]},
        "study": {"tasks": ["t"], "methods": ["m"], "seeds": [1, 0], "train_sizes": ["all"]},
    }
    found = jobs.settings(config)
    assert "mirror" not in found["config"] and found["plan"]["seeds"] == [0, 1]
    assert found["published"] == {"t": [{"name": "A"}]}
    assert found["tasks"] == {"t": {"source": "s", "history": 1, "name": "t"}}
    assert found["alignments"] == {"none": {"frames": "none", "options": {}}}


def test_python_of_a_folder_without_one_is_the_interpreter_that_runs_this(tmp_path, monkeypatch):
    assert jobs.folder_of_python(tmp_path) == Path(sys.executable).parent and not list(
        tmp_path.iterdir()
    )
    alone = tmp_path / "alone" / "python3.x"
    alone.parent.mkdir()
    alone.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    alone.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(alone))
    program = jobs.folder_of_python(tmp_path / "place") / "python"
    done = subprocess.run([program, "-c", "print('a b')"], capture_output=True, text=True)
    assert done.stdout == "a b\n" and program.is_relative_to(tmp_path / "place")
