"""Find the CUDA devices of this machine, and lend one of them to one job.

A job that trains on a GPU borrows a device for itself: it locks a file named after the device, and
the kernel releases the lock when the job ends for any reason. The locks are in the machine's
temporary folder, so that two studies of one user can share the devices of a machine. Under Slurm
the scheduler chooses the devices, and the lock separates the jobs of one allocation only.
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
NONE = ("-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES that mean: use no device


@dataclass(frozen=True)
class Place:
    """Where a job computes: `wanted` is "auto", "cpu" or "cuda", `visible` its device if any."""

    wanted: str = "cpu"
    visible: str | None = None


CPU = Place()


@cache
def _nvidia_smi() -> tuple[dict[str, str], str]:
    """Return names of the driver's devices by index, and a sentence about the driver's answer."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return {}, "nvidia-smi: no answer in 30 s"
    except OSError as error:
        return {}, f"nvidia-smi: {error.strerror or error}"
    if done.returncode:
        words = (done.stdout + done.stderr).split()
        return {}, f"nvidia-smi: {' '.join(words)[:200]}"
    listed = dict(re.findall(r"^(\d+), (.+)$", done.stdout, re.MULTILINE))
    answer = " / ".join(done.stdout.split("\n")).strip(" /")
    return listed, f"nvidia-smi says {answer[:200] or 'nothing'}"


def found() -> list[str]:
    """Return the devices that this process may use.

    CUDA_VISIBLE_DEVICES names them; if it is not set, the driver lists them.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        listed, _ = _nvidia_smi()
        return list(listed)
    names = [name.strip() for name in visible.split(",")]
    return [name for name in names if name and name not in NONE]


def described() -> str:
    """Describe where devices were looked for, and what the answers were."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    value = "not set" if visible is None else repr(visible)
    _, answer = _nvidia_smi()
    return f"CUDA_VISIBLE_DEVICES is {value}; {answer}"


def check(wanted: str) -> None:
    """Check that there is a device if one is required.

    Raises:
        ValueError: "cuda" is wanted and there is none; the message says what was found.
    """
    if wanted == "cuda" and not found():
        reason = described()
        raise ValueError(
            f"device: cuda is asked for, but there is none ({reason}); use device: auto or cpu"
        )


def hide() -> None:
    """Keep every framework of this process on the CPU."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


@contextmanager
def borrowed(wanted: str) -> Iterator[Place]:
    """Lend one device to this process and hide the others from it, or use the CPU.

    `wanted` is "auto" (a device if there is one), "cpu" or "cuda". This waits while all devices are
    taken. Call it before a framework is imported, because frameworks read the environment then.

    Raises:
        ValueError: "cuda" is wanted and there is none.
    """
    check(wanted)
    if wanted == "cpu" or not found():
        hide()
        yield Place(wanted)
        return
    device, lock = _lock_one(found())
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # numbers devices as nvidia-smi does
    try:
        yield Place(wanted, device)
    finally:
        os.close(lock)


def _lock_one(devices: list[str]) -> tuple[str, int]:
    """Lock the first free device; return it and the lock, which is held until it is closed."""
    folder = Path(tempfile.gettempdir()) / f"equitraj-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    allocation = os.environ.get("SLURM_JOB_ID", "machine")
    while True:
        for device in devices:
            name = quote(f"{allocation}-{device}", safe="")
            lock = os.open(folder / name, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return device, lock
            except BlockingIOError:
                os.close(lock)
        time.sleep(0.2)
