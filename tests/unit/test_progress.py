"""How far a study is, from the log that Snakemake really writes, cut where it stood at a time."""

import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from called import called
from equitraj.study import progress
from study import environment

SNAKEFILE = """
rule all:
    input: expand("made/{n}", n=range(3)), "bad", "quiet"

rule train_a:
    output: "made/{n}"
    message: "Training {wildcards.n}"
    shell: "touch {output}"

rule fail:
    output: "bad"
    message: "Failing"
    shell: "false"

rule quiet:
    output: "quiet"
    shell: "touch {output}"
"""
START = datetime(2026, 11, 24, 12, 0, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a run of five jobs has ended, one of them twice with an error."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "Snakefile").write_text(SNAKEFILE)
    call = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--retries", "1"]
    assert subprocess.run(call, cwd=folder, env=environment(), capture_output=True).returncode == 1
    return folder


@pytest.fixture(scope="module")
def lines(folder) -> list[str]:
    return progress.log_of(folder).read_text().splitlines()


def test_a_run_that_has_ended_counts_what_it_made_and_names_what_failed(folder, monkeypatch):
    monkeypatch.setattr(time, "sleep", pytest.fail)  # it says it once and does not wait
    done = called("progress.py", folder, "--watch", 60)
    assert done.returncode == 0, done.stderr
    first, *others, last = done.stdout.splitlines()
    assert len(list(folder.glob("made/*"))) + (folder / "quiet").exists() == 4
    assert (
        first == "6 jobs: 4 done, 0 running, 1 left, 1 failed (fail)"
        and last == "the run has ended"
    )
    assert [line.split() for line in others] == [["fail", "0", "of", "1"], ["all", "0", "of", "1"]]


def test_every_job_is_in_one_state_at_any_time(lines):
    seen = set()
    for cut in range(lines.index("Select jobs to execute..."), len(lines)):
        found = progress.parse(lines[:cut])
        assert len(found.running) <= 1 and found.left >= 0  # one core, one job at a time
        assert found.done + found.left + len(found.running) + len(found.failed) == 6
        seen.add((found.done, len(found.running), len(found.failed)))
    assert {(0, 1, 0), (4, 0, 1)} <= seen and not progress.parse(lines[: len(lines) // 2]).ended
    words = {
        words
        for cut in range(len(lines))
        for _, words in progress.parse(lines[:cut]).running.values()
    }
    assert words == {"Training 0", "Training 1", "Training 2", "Failing", "quiet"}


def _log(*events: tuple[int, str]) -> list[str]:
    """A log of four trainings and one figure with these events, at so many seconds from START."""
    head = ["Job stats:", "job   count", "----- -----", "train_a  4", "figure_b  1", "total  5"]
    return head + [
        line
        for s, what in events
        for line in (f"[{START + timedelta(seconds=s):%a %b %d %H:%M:%S %Y}]", what)
    ]


@pytest.mark.parametrize(
    ("events", "earlier", "now", "end"),
    [
        # one of 10 s is done, the second runs since 4 s: 6 + 10 + 10 s of trainings and a figure of
        # the mean, 10 s
        (
            [(0, "Job 1: a"), (10, "Finished jobid: 1 (Rule: train_a)"), (10, "Job 2: a")],
            {},
            14,
            14 + 36,
        ),
        # two at a time: half of what is left, 2 x 6 + 2 x 10 s, and a figure that took 4 s before
        (
            [(0, "Job 1: a"), (0, "Job 2: a"), (10, "Finished jobid: 1 (Rule: train_a)")]
            + [(10, "Finished jobid: 2 (Rule: train_a)"), (10, "Job 3: a"), (10, "Job 4: a")],
            {"figures": [4.0]},
            14,
            14 + (2 * 6 + 4) / 2,
        ),
        # nothing is done: an earlier run tells, 5 + 3 x 6 s and 2 s
        ([(0, "Job 1: a")], {"train": [5.0, 7.0], "figures": [2.0]}, 1, 1 + 5 + 18 + 2),
    ],
)
def test_the_expected_end_is_that_of_the_work_left(events, earlier, now, end):
    found = progress.parse(_log(*events))
    assert found.expected_end(earlier, START + timedelta(seconds=now)) == START + timedelta(
        seconds=end
    )


def test_nothing_is_expected_before_anything_is_known():
    assert "expected end: not known" in progress.told(
        progress.parse(_log((0, "Job 1: a"))), {}, START
    )


def test_benchmarks_are_gathered_by_verb(tmp_path):
    for name, seconds in (
        ("train/chain/mlp/nall", 3.5),
        ("train/chain/egnn/nall", 4.5),
        ("collect", 1.0),
    ):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:03\n")
    assert progress.benchmarks(tmp_path) == {"collect": [1.0], "train": [4.5, 3.5]}


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(
        ValueError, match="no log of a run; expected the folder in which snakemake runs"
    ):
        progress.log_of(tmp_path)
