"""Run a command: log which Python runs it and how it ended, and report mistakes in one line."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from equitraj.base.addresses import without_secrets
from equitraj.base.files import AGAIN

SCRIPTS = Path(__file__).parents[2]
ENDED = "# ended: "  # in the log of a job; a log without it means that the command was killed
MEMORY = "out of memory"


def run(main: Callable[[], None]) -> None:
    """Call `main`. The log begins with the Python version; in a workflow it ends with the outcome.

    A ValueError of this project and a file that cannot be used end the command with one line. A
    ValueError of another library is a defect, and keeps its traceback.
    """
    say(f"# {sys.prefix} python {sys.version.split()[0]}")
    signal.signal(signal.SIGTERM, _terminated)
    ending = "error"
    try:
        main()
        ending = "done"
    except MemoryError:
        ending = MEMORY
        raise
    except (ValueError, OSError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raised_in = Path(last.filename)
        if isinstance(error, ValueError) and not raised_in.is_relative_to(SCRIPTS):
            raise
        raise SystemExit(without_secrets(f"error: {error}")) from error
    finally:
        if AGAIN in os.environ:
            say(f"{ENDED}{ending}")


def say(line: str) -> None:
    """Print a line for the log."""
    print(line, file=sys.stderr, flush=True)


def _terminated(number: int, frame: FrameType | None) -> None:
    """End in order when the scheduler's time is over, so that it does not look like a kill."""
    raise SystemExit(128 + number)


def was_killed(log: Path) -> bool:
    """Whether the command that wrote a log was killed, or reported that memory ran out.

    Also True if there is no log, because then the job was killed before the command started.
    """
    if not log.is_file():
        return True
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    endings = [line.removeprefix(ENDED) for line in lines if line.startswith(ENDED)]
    return not endings or endings[-1] == MEMORY
