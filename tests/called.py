"""Commands in this process: what one of their own does, without the seconds in which it imports."""

import io
import os
import runpy
import signal
import subprocess
import sys
import traceback
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from equitraj.base import files
from study import REPOSITORY

SCRIPTS = REPOSITORY / "workflow/scripts"


def called(
    script: str | Path, *arguments: object, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script (of SCRIPTS where no other folder is named) in a folder; its exit status and
    what it printed.

    Where the process searches for modules, its environment and its signals are afterwards what they
    were.
    """
    words = [str(SCRIPTS / script), *map(str, arguments)]
    files._sha256_once.cache_clear()  # another process would read anew
    output, errors = io.StringIO(), io.StringIO()
    given, path, variables, handler = (
        sys.argv,
        sys.path[:],
        dict(os.environ),
        signal.getsignal(signal.SIGTERM),
    )
    try:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        with redirect_stdout(output), redirect_stderr(errors), chdir(folder or Path.cwd()):
            status = _status(words[0])
    finally:
        sys.argv, sys.path[:] = given, path
        os.environ.clear()
        os.environ.update(variables)
        signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(words, status, output.getvalue(), errors.getvalue())


def _status(script: str) -> int:
    """Run a script to its end; the exit status that its process would have."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0
