"""Devices: found where they are listed, and never lent to two processes at once."""

import os
import selectors
import subprocess
import sys
from pathlib import Path

import pytest

from equitraj.base import devices
from study import REPOSITORY

BORROWER = """
import os
from equitraj.base import devices
with devices.borrowed("auto") as place:
    print(place.visible, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    input()
"""
PATIENCE = 600  # seconds that no test waits for but one that fails


@pytest.fixture(autouse=True)
def forget():
    devices._nvidia_smi.cache_clear()
    yield
    devices._nvidia_smi.cache_clear()


def driver(folder, text: str, code: int = 0) -> str:
    """A PATH on which `nvidia-smi` prints `text`."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    program.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    "visible, expected",
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("GPU-5a,GPU-7b", ["GPU-5a", "GPU-7b"]),
    ],
)
def test_the_devices_of_the_driver_unless_the_environment_names_some(
    tmp_path, monkeypatch, visible, expected
):
    monkeypatch.setenv(
        "PATH", driver(tmp_path, "0, NVIDIA H200\n1, NVIDIA H200"), prepend=os.pathsep
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.found() == expected


def test_asking_for_cuda_where_there_is_none_says_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PATH", driver(tmp_path, "No devices were found", code=6), prepend=os.pathsep
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(
        ValueError, match="device: cuda .* not set; nvidia-smi: No devices were found.*auto or cpu"
    ):
        devices.check("cuda")
    devices.check("auto")
    devices.check("cpu")


def test_a_driver_that_says_something_else_lists_no_device(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PATH", driver(tmp_path, "Unable to determine the device handle"), prepend=os.pathsep
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.found() == [] and "Unable to determine" in devices.described()


def test_a_device_is_borrowed_under_any_name(borrow):
    borrow(CUDA_VISIBLE_DEVICES="MIG-7/1/0,")
    assert borrow.next()[1] == "MIG-7/1/0"


def test_a_job_without_a_device_hides_all_from_its_frameworks(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("JAX_PLATFORMS", "")
    with devices.borrowed("cpu") as place:
        assert place == devices.Place("cpu", None) and os.environ["CUDA_VISIBLE_DEVICES"] == ""


class Borrowers:
    """Processes that borrow a device each, say which, and hold it until they are told to give it
    back."""

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {
            "PYTHONPATH": str(REPOSITORY / "workflow/scripts"),
            "TMPDIR": str(folder),
        }
        self.processes, self.waiting = [], selectors.DefaultSelector()

    def __call__(self, **variables: str) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [sys.executable, "-c", BORROWER], env=self.environment | variables, **pipes
        )
        self.processes.append(process)
        self.waiting.register(process.stdout, selectors.EVENT_READ, process)
        return process

    def next(self) -> tuple[subprocess.Popen, str]:
        """The next one that has got a device, and which: the one that is made visible to its
        frameworks."""
        ready = self.waiting.select(PATIENCE)
        assert ready, "no process gets a device"
        process = ready[0][0].data
        self.waiting.unregister(process.stdout)
        device, visible = process.stdout.readline().split()
        assert device == visible
        return process, device

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def borrow(tmp_path):
    borrowers = Borrowers(tmp_path)
    yield borrowers
    borrowers.end()


def test_processes_that_borrow_at_once_never_hold_the_same_device(borrow):
    for _ in range(5):
        borrow(CUDA_VISIBLE_DEVICES="0,1")
    held = dict(borrow.next()[::-1] for _ in range(2))
    assert held.keys() == {"0", "1"}
    for device in ("1", "0", "0"):
        held.pop(device).communicate("\n")  # it gives its device back, and ends
        process, found = borrow.next()
        assert found == device
        held[device] = process


def test_two_allocations_of_a_cluster_do_not_wait_for_each_other(borrow):
    env = {"CUDA_VISIBLE_DEVICES": "0"}  # each allocation numbers its own devices from 0
    for allocation in ("1", "2"):
        borrow(SLURM_JOB_ID=allocation, **env)
    assert [borrow.next()[1] for _ in range(2)] == ["0", "0"]  # and both hold it


def test_a_killed_borrower_gives_its_device_back(borrow):
    killed = borrow(CUDA_VISIBLE_DEVICES="0")
    borrow.next()
    second = borrow(CUDA_VISIBLE_DEVICES="0")
    killed.kill()
    assert borrow.next() == (second, "0")
