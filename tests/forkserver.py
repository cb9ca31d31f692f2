"""Runs Snakemake again and again in processes forked from one that has imported it, which is a
third of a dry run.

Reads a call in each line of its input, as JSON (arguments, folder, environment, and the file that
gets the output), and prints its exit status.
"""

import json
import os
import sys
from pathlib import Path

import jsonschema  # noqa: F401  what the workflow imports when it is parsed
import numpy  # noqa: F401
import yaml  # noqa: F401
from snakemake import cli


def run(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    """Run Snakemake as if it had been called in the folder; it ends this process."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(Path(cli.__file__).with_name("__main__.py")), *arguments]
    cli.main(arguments)


def main() -> None:
    for line in sys.stdin:
        if not (process := os.fork()):
            run(**json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
