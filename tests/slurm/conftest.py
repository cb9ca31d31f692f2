"""One cluster for all tests of a session."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cluster
import pytest

from study import SMALL, checkout, command, environment

PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5")
QUEUE = {
    "number": "%A",
    "state": "%T",
    "partition": "%P",
    "memory": "%m",
    "time": "%l",
    "comment": "%k",
    "folder": "%Z",
}


def heed_interrupts() -> None:
    """What a shell starts in the background ignores interrupts, and so do its children: make this
    one heed them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Cluster:
    """The test cluster: what its queue holds, and how snakemake is started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.variables = folder, cluster.environment(folder)

    def queue(self, folder: Path, states: str = "all") -> list[dict[str, str]]:
        """The jobs that were submitted from a folder, oldest first."""
        call = [
            "squeue",
            "--noheader",
            "--states",
            states,
            "--sort",
            "i",
            "--format",
            "\t".join(QUEUE.values()),
        ]
        text = subprocess.run(
            call, env=os.environ | self.variables, capture_output=True, text=True, check=True
        ).stdout
        jobs = [dict(zip(QUEUE, line.split("\t"), strict=True)) for line in text.splitlines()]
        return [job for job in jobs if job["folder"] == str(folder)]

    def start(
        self, folder: Path, *arguments: str, program: tuple[str, ...] = (), also: Path = SMALL
    ) -> subprocess.Popen:
        """Start snakemake, or a program that takes its arguments, in a folder; its output goes to
        `run.log` there."""
        call = command(*arguments, *PROFILE, also=also)
        call = [call[0], *(program or call[1:3]), *call[3:]]
        with (folder / "run.log").open("a") as log:
            variables = environment(**self.variables)
            return subprocess.Popen(
                call, cwd=folder, env=variables, stdout=log, stderr=log, preexec_fn=heed_interrupts
            )

    def run(self, folder: Path, *arguments: str, **options) -> tuple[int, str]:
        """The same, to its end: exit status and what it printed."""
        log = folder / "run.log"
        before = log.stat().st_size if log.exists() else 0
        status = self.start(folder, *arguments, **options).wait()
        return status, log.read_bytes()[before:].decode()


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    if reason := cluster.obstacle():
        pytest.skip(reason)
    folder = Path(
        tempfile.mkdtemp(prefix="slurm-")
    )  # short: the path of a socket may have 107 characters
    cluster.start(folder)
    yield Cluster(folder)
    cluster.stop(folder)
    assert not cluster.running(folder)
    shutil.rmtree(folder)


@pytest.fixture(
    scope="session"
)  # as wide as `tiny`: a test that asks for both must not wait for that one first
def on_cluster(slurm, tmp_path_factory) -> Path:
    """A checkout in which the small study ran on the cluster."""
    folder = checkout(tmp_path_factory.mktemp("on_cluster"))
    status, text = slurm.run(folder)
    assert status == 0, text[-6000:]
    return folder
