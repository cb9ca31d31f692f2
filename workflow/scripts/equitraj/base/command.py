"""What surrounds every command: which Python runs it, and one line in place of a traceback for a user's mistake."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]


def run(main: Callable[[], None]) -> None:
    """Call `main` after a first line for the log: the environment and the version of the Python that runs.

    A file that cannot be used and a ValueError of this project's own end the command with one line. A ValueError that
    another library raises is a defect, and keeps its traceback.
    """
    print(f"# {sys.prefix} python {sys.version.split()[0]}", file=sys.stderr, flush=True)
    try:
        main()
    except (ValueError, OSError) as error:
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        if isinstance(error, ValueError) and not raised_in.is_relative_to(SCRIPTS):
            raise
        raise SystemExit(f"error: {error}") from error
