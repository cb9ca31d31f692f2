"""CUDA devices: which there are, and one of them for one job.

A job that trains a model which profits from a GPU borrows a device for itself alone: it locks a
file named after the device, and the kernel drops the lock when the job ends, however it ends. The
locks live in the machine's temporary folder, so that two studies of one user share the devices of a
machine as well. Under Slurm the scheduler has chosen the devices, and the lock keeps apart the jobs
of one allocation only.
"""

import fcntl
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

CHOICES = ("auto", "cpu", "cuda")
QUERY = ("nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader")
NONE = (
    "-1",
    "NoDevFiles",
)  # what CUDA_VISIBLE_DEVICES holds, if anything, where no device is to be used


@dataclass(frozen=True)
class Place:
    """Where a job computes. Attributes: wanted, "auto", "cpu" or "cuda"; visible, the one device it
    sees, if any."""

    wanted: str = "cpu"
    visible: str | None = None


CPU = Place()


@cache
def _nvidia_smi() -> tuple[dict[str, str], str]:
    """Index to name of the devices that the driver lists, and what to say of it."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, f"nvidia-smi: {getattr(error, 'strerror', None) or 'no answer in 30 s'}"
    if done.returncode:
        return {}, f"nvidia-smi: {' '.join((done.stdout + done.stderr).split())[:200]}"
    listed = dict(re.findall(r"^(\d+), (.+)$", done.stdout, re.MULTILINE))
    return (
        listed,
        f"nvidia-smi says {' / '.join(done.stdout.split(chr(10))).strip(' /')[:200] or 'nothing'}",
    )


def found() -> list[str]:
    """The devices that this process may use: those of CUDA_VISIBLE_DEVICES where it is set, else
    the driver's."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(_nvidia_smi()[0])
    return [
        name.strip() for name in visible.split(",") if name.strip() and name.strip() not in NONE
    ]


def described() -> str:
    """What was looked at in search of a device, and what it said."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"CUDA_VISIBLE_DEVICES is {'not set' if visible is None else repr(visible)}; {_nvidia_smi()[1]}"


def check(wanted: str) -> None:
    """Check that there is a device where one is asked for.

    Raises:
        ValueError: "cuda" is wanted and there is none; the message says what was found.
    """
    if wanted == "cuda" and not found():
        raise ValueError(
            f"device: cuda is asked for, but there is none ({described()}); use device: auto or cpu"
        )


def hide() -> None:
    """Keep every framework of this process on the CPU."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


@contextmanager
def borrowed(wanted: str) -> Iterator[Place]:
    """One device for this process alone, made the only one that it sees, or the CPU.

    `wanted` is "auto" (a device where there is one), "cpu" or "cuda". Waits while all devices are
    taken. Must come before a framework is imported, because frameworks read their environment then.

    Raises:
        ValueError: "cuda" is wanted and there is none.
    """
    check(wanted)
    if wanted == "cpu" or not found():
        hide()
        yield Place(wanted)
        return
    device, lock = _lock_one(found())
    os.environ |= {
        "CUDA_VISIBLE_DEVICES": device,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }  # numbered as nvidia-smi does
    try:
        yield Place(wanted, device)
    finally:
        os.close(lock)


def _lock_one(devices: list[str]) -> tuple[str, int]:
    """The first device whose lock can be had, and the lock, held until it is closed."""
    folder = Path(tempfile.gettempdir()) / f"equitraj-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    allocation = os.environ.get("SLURM_JOB_ID", "machine")
    while True:
        for device in devices:
            lock = os.open(
                folder / quote(f"{allocation}-{device}", safe=""), os.O_CREAT | os.O_RDWR, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return device, lock
            except BlockingIOError:
                os.close(lock)
        time.sleep(0.2)
