"""What the rules of the workflow ask of a study: the runs of a job, its files that have changed,
what jobs read."""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from equitraj.base import command, files
from equitraj.data.sources import entry as source_entry
from equitraj.study import plan as plans
from equitraj.study import routes
from equitraj.study.fits import resolved_alignment
from equitraj.training import record

NOTHING = "(?!)"  # a wildcard pattern that nothing matches
FIGURE_FILE = re.compile(r"(?:.*/)?figures/(\w+)\.(?:svg|png|json)")


def as_json(value: object) -> str:
    """JSON with sorted keys, so that the order of keys is no change."""
    return json.dumps(value, sort_keys=True)


def digest(value: object) -> str:
    """The sha256 of a value as JSON."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()


def pattern(names: Iterable[str]) -> str:
    """A wildcard pattern that matches these names only."""
    return "|".join(sorted(names)) or NOTHING


def own_files(source: dict) -> list[str]:
    """The files that a source of kind `file` is read from."""
    topology = source.get("topology")
    return [*source_entry.paths(source), *([topology] if topology else [])]


def is_pattern(path: str) -> bool:
    """Whether Snakemake would take a file's name for a pattern."""
    return any(character in path for character in "{}<>")


def state_of(path: str) -> list[int]:
    """The size of a file and the time of its last change."""
    found = Path(path).stat()
    return [found.st_size, found.st_mtime_ns]


def runs(sizes: Sequence[object], seeds: Sequence[int], by_size: bool) -> list[str]:
    """The folders of the runs that one job makes, below that of its batch: all sizes, or the seeds
    of one size."""
    if by_size:
        return [f"seed{seed}" for seed in seeds]
    return [f"n{size}/seed{seed}" for size in sizes for seed in seeds]


def step_files(folder: str, step: str, made: Iterable[str]) -> list[str]:
    """What a step writes into the folders of these runs, below that of their batch."""
    return [f"{folder}/{run}/{name}" for run in made for name in record.FILES[step]]


def is_changed(path: Path, since: float) -> bool:
    """Whether a file is gone, or is newer than `since` and not as its record says."""
    if not path.exists():
        return True
    written = files.read_record(path) if path.stat().st_mtime > since else None
    return bool(written and written.difference(path))


def changed_files(written: Path, made: Iterable[str]) -> list[str]:
    """Those of the files that a step made which are gone, or no longer as they were written.

    `written` is the record of the step; without it the step has not been done, and nothing has
    changed.
    """
    if not written.exists():
        return []
    since = written.stat().st_mtime
    return [path for path in made if is_changed(Path(path), since)]


def settings(config: dict) -> dict[str, object]:
    """What jobs read of the configuration, by the name of the file in which they read it.

    On a command line a large study would not fit. Each part is a file of its own: a change reruns
    what reads it.
    """
    study = config["study"]
    aligned = sorted({alignment_of(config, method) for method in study["methods"]})
    published = config.get("published", {})
    return {
        "config": {key: value for key, value in config.items() if key != "mirror"},
        "plan": plans.of(config),
        "routes": routes.of(config),
        "published": {task: rows for task, rows in published.items() if task in study["tasks"]},
        "tasks": {name: config["tasks"][name] | {"name": name} for name in study["tasks"]},
        "alignments": {name: resolved_alignment(name, config["alignments"]) for name in aligned},
    }


def alignment_of(config: dict, method: str) -> str:
    """Alignment of a method."""
    return config["methods"][method].get("alignment", "none")


def named_figures(words: Iterable[str]) -> list[str]:
    """The figures whose files a command line names."""
    return sorted({match[1] for word in words if (match := FIGURE_FILE.fullmatch(word))})


def folder_of_python(place: Path) -> Path:
    """A folder whose `python` is the interpreter that runs this: its own, or one made in `place`."""
    interpreter = Path(sys.executable)
    beside = interpreter.with_name("python")
    if beside.exists() and beside.samefile(interpreter):
        return interpreter.parent
    program = (place / "bin/python").absolute()
    with files.atomic(program, recorded=False) as temporary:
        temporary.write_text(
            f'#!/bin/sh\nexec {shlex.quote(str(interpreter))} "$@"\n', encoding="utf-8"
        )
        temporary.chmod(0o755)
    return program.parent


class Memory:
    """The memory of jobs: doubled by each attempt that follows one which was killed for want of it.

    A job that ran out of time, or failed, is tried again with the same memory.
    """

    def __init__(self) -> None:
        self.killed: dict[Path, set[int]] = {}

    def megabytes(self, log: Path, base: int, attempt: int) -> int:
        """Memory in MB for an attempt, counted from 1, of the job that writes this log."""
        attempts = self.killed.setdefault(log, set())
        if attempt > 1 and command.was_killed(log):
            attempts.add(attempt)
        return base * 2 ** len([number for number in attempts if number <= attempt])
