"""What surrounds every command: which Python runs it, and one line in place of a traceback for a user's mistake."""

import sys
from collections.abc import Callable


def run(main: Callable[[], None]) -> None:
    """Call `main` after a first line for the log: the environment and the version of the Python that runs."""
    print(f"# {sys.prefix} python {sys.version.split()[0]}", file=sys.stderr, flush=True)
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
