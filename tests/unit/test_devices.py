"""Devices: found where they are listed, and never lent to two processes at once."""

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest

from equitraj.base import devices
from study import REPOSITORY

BORROWER = """
import json, os, time
from equitraj.base import devices
with devices.borrowed("auto") as place:
    start = time.time()
    time.sleep(0.4)
    print(json.dumps([place.visible, os.environ["CUDA_VISIBLE_DEVICES"], start, time.time()]))
"""


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
def test_the_devices_of_the_driver_unless_the_environment_names_some(tmp_path, monkeypatch, visible, expected):
    monkeypatch.setenv("PATH", driver(tmp_path, "0, NVIDIA H200\n1, NVIDIA H200"), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.found() == expected


def test_asking_for_cuda_where_there_is_none_says_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", driver(tmp_path, "No devices were found", code=6), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ValueError, match="device: cuda .* not set; nvidia-smi: No devices were found.*auto or cpu"):
        devices.check("cuda")
    devices.check("auto")
    devices.check("cpu")


def test_a_driver_that_says_something_else_lists_no_device(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", driver(tmp_path, "Unable to determine the device handle"), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.found() == [] and "Unable to determine" in devices.described()


def test_a_device_is_borrowed_under_any_name(tmp_path):
    assert said(start_borrower(tmp_path, CUDA_VISIBLE_DEVICES="MIG-7/1/0,"))[:2] == ["MIG-7/1/0"] * 2


def test_a_job_without_a_device_hides_all_from_its_frameworks(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("JAX_PLATFORMS", "")
    with devices.borrowed("cpu") as place:
        assert place == devices.Place("cpu", None) and os.environ["CUDA_VISIBLE_DEVICES"] == ""


def start_borrower(tmp_path, seconds: float = 0.4, **variables) -> subprocess.Popen:
    """A process that holds a device for a while and prints which, and from when to when."""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY / "workflow/scripts"), "TMPDIR": str(tmp_path)} | variables
    code = BORROWER.replace("0.4", str(seconds))
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)


def wait_until_held(tmp_path, name: str) -> None:
    """Wait until some process holds the lock of this name."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in tmp_path.glob(f"equitraj-devices-*/{name}"):
            with path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
        time.sleep(0.05)
    raise AssertionError(f"no process holds {name}")


def said(process: subprocess.Popen) -> list:
    return json.loads(process.communicate()[0])


def test_processes_that_borrow_at_once_never_hold_the_same_device(tmp_path):
    lent = [said(p) for p in [start_borrower(tmp_path, CUDA_VISIBLE_DEVICES="0,1") for _ in range(5)]]
    assert {visible for visible, *_ in lent} == {"0", "1"}
    assert all(visible == seen for visible, seen, *_ in lent)
    for device in ("0", "1"):
        spans = sorted(span for visible, _, *span in lent if visible == device)
        assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


def test_two_allocations_of_a_cluster_do_not_wait_for_each_other(tmp_path):
    env = {"CUDA_VISIBLE_DEVICES": "0"}  # each allocation numbers its own devices from 0
    first = start_borrower(tmp_path, 3, SLURM_JOB_ID="1", **env)
    wait_until_held(tmp_path, "1-0")
    second = said(start_borrower(tmp_path, SLURM_JOB_ID="2", **env))
    assert second[2] < said(first)[3]


def test_a_killed_borrower_gives_its_device_back(tmp_path):
    killed = start_borrower(tmp_path, 600, CUDA_VISIBLE_DEVICES="0")
    wait_until_held(tmp_path, "machine-0")
    killed.kill()
    killed.wait()
    assert said(start_borrower(tmp_path, CUDA_VISIBLE_DEVICES="0"))[0] == "0"
