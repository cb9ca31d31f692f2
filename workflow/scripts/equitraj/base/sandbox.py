"""A child process that reads its standard input, writes its standard output, and can do nothing
else.

The kernel keeps it from the network (a namespace of its own, where users may make one) and limits
its memory, time, files and processes; an audit hook of Python (PEP 578) refuses what the kernel
does not: to open a file, to start a process, to load code. None of this is what makes data of
strangers safe to read: it is for the mistake in what does.
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
NAMESPACES = ("--map-root-user", "--net", "--ipc")  # of its own: users, network, shared memory
ALLOWED = {"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL"}  # of the environment
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
LONGEST = 4000  # characters of a message


@dataclass(frozen=True)
class Limits:
    """What a child may use: MiB of memory and of output, seconds of a processor."""

    memory_mib: int = 2048
    output_mib: int = 16384
    seconds: int = 60


def run(
    module: str, arguments: list[str], source: BinaryIO, output: BinaryIO, limits: Limits
) -> None:
    """Run a module of this package with `source` as its input and `output` as its output.

    It must call `close` with its limits, which come first of its arguments, before it reads.

    Raises:
        ValueError: it ended with an error, with what it printed, or was ended at a limit.
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
    """Set the limits of this process, and refuse for good all that is not reading its input and
    writing its output."""
    for what, value in (
        (resource.RLIMIT_AS, limits.memory_mib * MIB),
        (resource.RLIMIT_FSIZE, limits.output_mib * MIB),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_NPROC, 0),  # the kernel lets root pass: the hook does not
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(what)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(what, (value, value))
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple) -> None:
    if event.startswith(REFUSED):
        raise PermissionError(f"refused: {event}")


@cache
def _namespaces() -> list[str]:
    """The words before a command that give it namespaces of its own; none, with a line that says
    so, where none are."""
    unshare = shutil.which("unshare")
    if (
        unshare
        and not subprocess.run([unshare, *NAMESPACES, "true"], capture_output=True).returncode
    ):
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
    said = done.stderr.decode("utf-8", "replace").strip()[-LONGEST:]
    return said or f"its reader ended with status {done.returncode}"
