"""What surrounds every command: which Python runs it, how it ended, and one line for a user's
mistake."""

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
ENDED = "# ended: "  # in the log of a job; one that lacks it is that of a command that was killed
MEMORY = "out of memory"


def run(main: Callable[[], None]) -> None:
    """Call `main` after a first line for the log, the Python that runs; in a workflow, a last line
    says how it ended.

    A file that cannot be used and a ValueError of this project's own end the command with one line.
    A ValueError that another library raises is a defect, and keeps its traceback.
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
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
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
    """End in order, as where the time is over, so that the log tells it from a kill."""
    raise SystemExit(128 + number)


def was_killed(log: Path) -> bool:
    """Whether the command that wrote a log was killed without a word, as for want of memory, or
    says that it lacked it.

    True where there is no log: what should have started the command was killed before.
    """
    if not log.is_file():
        return True
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    endings = [line.removeprefix(ENDED) for line in lines if line.startswith(ENDED)]
    return not endings or endings[-1] == MEMORY
