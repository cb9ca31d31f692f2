"""Run code in a child process that can only read its input and write its output.

The kernel limits memory, time, files and processes of the child, and keeps it from the network if
users may create namespaces. An audit hook of Python (PEP 578) refuses the rest: opening files,
starting processes, loading code. The sandbox is a second barrier: the readers of foreign data must
be safe without it.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

SCRIPTS = Path(__file__).parents[2]
NAMESPACES = ("--map-root-user", "--net", "--ipc")  # private users, network, shared memory
ALLOWED = {"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL"}  # variables of the environment
REFUSED = (
    "open",
    "import",
    "compile",
    "exec",
    "os.",
    "socket.",
    "subprocess.",
    "shutil.",
    "ctypes.",
    "tempfile.",
    "code.",
)
MIB = 1 << 20
LONGEST = 4000  # upper bound on the characters of a message


@dataclass(frozen=True)
class Limits:
    """Upper bounds for a child: memory and output in MiB, processor time in seconds."""

    memory_mib: int = 2048
    output_mib: int = 16384
    seconds: int = 60


def run(
    module: str, arguments: list[str], source: BinaryIO, output: BinaryIO, limits: Limits
) -> None:
    """Run a module of this package with `source` as its input and `output` as its output.

    The module must call `close` with its limits, its first arguments, before it reads.

    Raises:
        ValueError: the module failed (with its output), or reached a limit.
    """
    given = [str(value) for value in asdict(limits).values()]
    command = [*_namespaces(), sys.executable, "-P", "-s", "-m", module, *given, *arguments]
    variables = {key: value for key, value in os.environ.items() if key in ALLOWED}
    variables |= {
        "PYTHONPATH": str(SCRIPTS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            command,
            env=variables,
            cwd="/",
            stdin=source,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=10 * limits.seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"not read within {error.timeout} s") from error
    if done.returncode:
        raise ValueError(_reason(done, limits))


def close(limits: Limits) -> None:
    """Set the limits of this process; refuse all but reading its input and writing its output."""
    wanted = {
        resource.RLIMIT_AS: limits.memory_mib * MIB,
        resource.RLIMIT_FSIZE: limits.output_mib * MIB,
        resource.RLIMIT_CPU: limits.seconds,
        resource.RLIMIT_NPROC: 0,  # the kernel exempts root, the audit hook does not
        resource.RLIMIT_CORE: 0,
    }
    for what, value in wanted.items():
        _, most = resource.getrlimit(what)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)
        resource.setrlimit(what, (value, value))
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple) -> None:
    if event.startswith(REFUSED):
        raise PermissionError(f"refused: {event}")


@cache
def _namespaces() -> list[str]:
    """Return the words that run a command in private namespaces; [] if these are not allowed."""
    unshare = shutil.which("unshare")
    if unshare:
        trial = subprocess.run([unshare, *NAMESPACES, "true"], capture_output=True)
        if trial.returncode == 0:
            return [unshare, *NAMESPACES, "--"]
    print(
        "no network namespace to be had here: the reader is kept from the network by Python alone",
        file=sys.stderr,
    )
    return []


def _reason(done: subprocess.CompletedProcess, limits: Limits) -> str:
    ended = -done.returncode if done.returncode < 0 else done.returncode - 128
    if ended in (signal.SIGXCPU, signal.SIGKILL):
        return f"it takes more than {limits.seconds} s of a processor"
    if ended == signal.SIGXFSZ:
        return f"it makes more than {limits.output_mib} MiB"
    if ended > 0:
        return f"its reader was ended by signal {ended}"
    printed = done.stderr.decode("utf-8", "replace").strip()
    return printed[-LONGEST:] or f"its reader ended with status {done.returncode}"
