"""Processes that start in no time: each is a copy of one that has imported what they need, and done
nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ORIGINAL = """
import json, os, sys, traceback
{imports}

def status_of(code, words):
    sys.argv = words
    try:
        exec(compile(code, words[0], "exec"), {{"__name__": "__main__"}})
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

while line := sys.stdin.readline():
    code, words, places = json.loads(line)
    if not (copy := os.fork()):
        for number, place in enumerate(places):
            os.dup2(os.open(place, os.O_CREAT | os.O_TRUNC | os.O_WRONLY if number else os.O_RDONLY), number)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        status = status_of(code, words)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), flush=True)
"""


class Copies:
    """Runs Python code in copies of a process, whose output goes to `folder` where no file is named
    for it."""

    def __init__(self, original: subprocess.Popen, folder: Path) -> None:
        self.original, self.folder = original, folder

    def __call__(
        self,
        code: str,
        words: Sequence[object],
        source: str | Path = os.devnull,
        output: str | Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run code with the words of a command line; its exit status and what it printed."""
        places = [source, output or self.folder / "output", self.folder / "errors"]
        words = [str(word) for word in words]
        print(
            json.dumps([code, words, list(map(str, places))]), file=self.original.stdin, flush=True
        )
        status = int(self.original.stdout.readline())
        said = [
            path.read_text() if path.parent == self.folder else "" for path in map(Path, places[1:])
        ]
        return subprocess.CompletedProcess(words, status, *said)


@contextmanager
def copies(
    imports: str, folder: Path, variables: dict[str, str], prefix: Sequence[str] = ()
) -> Iterator[Copies]:
    """Copies of a process with this environment; what `imports` imports may start no threads:
    copies lack them."""
    call, pipes = (
        [*prefix, sys.executable, "-c", ORIGINAL.format(imports=imports)],
        {"text": True, "cwd": "/"},
    )
    with subprocess.Popen(
        call, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **pipes
    ) as original:
        yield Copies(original, folder)
        original.stdin.close()
