"""Helpers of the workflow's rules: the runs and files of a job, its settings, its memory."""

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

NOTHING = "(?!)"  # a wildcard pattern that matches nothing
FIGURE_FILE = re.compile(r"(?:.*/)?figures/(\w+)\.(?:svg|png|json)")


def as_json(value: object) -> str:
    """Return JSON with sorted keys, so that another order of keys is no change."""
    return json.dumps(value, sort_keys=True)


def digest(value: object) -> str:
    """Return the sha256 of a value as JSON."""
    text = as_json(value)
    return hashlib.sha256(text.encode()).hexdigest()


def pattern(names: Iterable[str]) -> str:
    """Return a wildcard pattern that matches these names only."""
    alternatives = sorted(names)
    return "|".join(alternatives) or NOTHING


def own_files(source: dict) -> list[str]:
    """Return the files that a source of kind `file` is read from."""
    paths = list(source_entry.paths(source))
    topology = source.get("topology")
    if topology:
        paths.append(topology)
    return paths


def is_pattern(path: str) -> bool:
    """Whether Snakemake would take a file's name for a pattern."""
    special = set("{}<>")
    return not special.isdisjoint(path)


def state_of(path: str) -> list[int]:
    """Return the size of a file and the time of its last change."""
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]


def runs(sizes: Sequence[object], seeds: Sequence[int], by_size: bool) -> list[str]:
    """Return the folders of a job's runs below its batch: all sizes, or the seeds of one size."""
    if by_size:
        return [f"seed{seed}" for seed in seeds]
    return [f"n{size}/seed{seed}" for size in sizes for seed in seeds]


def step_files(folder: str, step: str, made: Iterable[str]) -> list[str]:
    """Return the files that a step writes for runs, whose folders lie in `folder`."""
    names = record.FILES[step]
    return [f"{folder}/{run}/{name}" for run in made for name in names]


def is_changed(path: Path, since: float) -> bool:
    """Whether a file is gone, or is newer than `since` and differs from its record."""
    if not path.exists():
        return True
    if path.stat().st_mtime <= since:
        return False
    written = files.read_record(path)
    return written is not None and bool(written.difference(path))


def changed_files(written: Path, made: Iterable[str]) -> list[str]:
    """Return the files of a step that are gone or have changed.

    `written` is the record of the step. Without it the step was not run, so nothing has changed.
    """
    if not written.exists():
        return []
    since = written.stat().st_mtime
    return [path for path in made if is_changed(Path(path), since)]


def settings(config: dict) -> dict[str, object]:
    """Return the parts of the configuration that jobs read from files, by the name of the file.

    A command line is too short for a large study. A change of one part reruns only its readers.
    """
    study = config["study"]
    tasks = {name: config["tasks"][name] | {"name": name} for name in study["tasks"]}
    published = config.get("published", {})
    alignments = {}
    for name in sorted({alignment_of(config, method) for method in study["methods"]}):
        alignments[name] = resolved_alignment(name, config["alignments"])
    return {
        "config": {key: value for key, value in config.items() if key != "mirror"},
        "plan": plans.of(config),
        "routes": routes.of(config),
        "published": {task: rows for task, rows in published.items() if task in tasks},
        "tasks": tasks,
        "alignments": alignments,
    }


def alignment_of(config: dict, method: str) -> str:
    """Return the name of a method's alignment."""
    entry = config["methods"][method]
    return entry.get("alignment", "none")


def named_figures(words: Iterable[str]) -> list[str]:
    """Return the figures whose files a command line names."""
    matches = [FIGURE_FILE.fullmatch(word) for word in words]
    return sorted({match[1] for match in matches if match})


def folder_of_python(place: Path) -> Path:
    """Return a folder whose `python` is the interpreter that runs this; make one if necessary."""
    interpreter = Path(sys.executable)
    beside = interpreter.with_name("python")
    if beside.exists() and beside.samefile(interpreter):
        return interpreter.parent
    program = (place / "bin/python").absolute()
    with files.atomic(program, recorded=False) as temporary:
        path = shlex.quote(str(interpreter))
        temporary.write_text(f'#!/bin/sh\nexec {path} "$@"\n', encoding="utf-8")
        temporary.chmod(0o755)
    return program.parent


class Memory:
    """The memory of jobs. It doubles with each attempt that follows a kill for lack of memory.

    A job that ran out of time, or failed, is tried again with the same memory.
    """

    def __init__(self) -> None:
        self.killed: dict[Path, set[int]] = {}  # attempts that follow a kill, by log

    def megabytes(self, log: Path, base: int, attempt: int) -> int:
        """Return the memory in MB for an attempt, counted from 1, of the job that writes `log`."""
        after_kill = self.killed.setdefault(log, set())
        if attempt > 1 and command.was_killed(log):
            after_kill.add(attempt)
        doublings = sum(number <= attempt for number in after_kill)
        return base * 2**doublings
