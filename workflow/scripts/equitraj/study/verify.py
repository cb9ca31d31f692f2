"""Find damaged, missing and left-over files of a study, and the commands that mend them."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from equitraj.base.files import (
    FORCE,
    DamagedFile,
    Record,
    is_abandoned,
    leftovers,
    read_record,
    record_path,
)
from equitraj.training import record as runs

# What Snakemake and the shell write, and downloads that can be resumed, have no records.
UNRECORDED = {".log", ".tsv", ".part"}
COMPILED = "compiled"  # the folder of JAX's programs, which it checks itself
SHOWN = 10  # upper bound on the files that are listed for one problem


@dataclass(frozen=True)
class Problem:
    """A file, the kind of its problem, and the command that mends it."""

    path: Path
    what: str
    detail: str = ""
    mend: str = ""


def verify(folders: Iterable[Path]) -> tuple[int, list[Problem]]:
    """Return the number of files with a record, and all problems below `folders`."""
    number = 0
    problems: list[Problem] = []
    for folder in folders:
        below = sorted(folder.rglob("*"))
        for path in below:
            if not path.is_file() or COMPILED in path.parts:
                continue
            is_checkpoint = path.parent.name == "checkpoints"
            problems += _checkpoint(path) if is_checkpoint else _problems(path)
            number += record_path(path).is_file()
        for place in [folder, *below]:
            if place.is_dir():
                problems += _left(place)
    return number, problems


def _problems(path: Path) -> Iterator[Problem]:
    if path.name.startswith("."):
        yield from _missing(path)
        return
    record = read_record(path)
    difference = record.difference(path) if record else ""
    if record and difference:
        yield Problem(path, "damaged or edited", difference, record.command)
        return
    if record is None and path.suffix not in UNRECORDED:
        yield Problem(path, "no record", "nobody can tell whether they are as they were written")
    if path.name == "run.json":
        yield from _record(path, record)


def _missing(path: Path) -> Iterator[Problem]:
    """Report a record whose file is gone."""
    name = path.name.removeprefix(".").removesuffix(".sha256")
    recorded = path.with_name(name)
    if path.suffix == ".sha256" and not recorded.exists():
        record = read_record(recorded) or Record("", 0)
        yield Problem(recorded, "missing", "", record.command)


def _record(path: Path, record: Record | None) -> Iterator[Problem]:
    try:
        runs.read_record(path.parent)
    except (ValueError, DamagedFile) as error:
        detail = str(error).removeprefix(f"{path}: ")
        yield Problem(path, "not the record of its run", detail, record.command if record else "")


def _checkpoint(path: Path) -> Iterator[Problem]:
    if not path.name.startswith("."):
        yield Problem(
            path, "checkpoint of an unfinished training", "the study run again goes on from it"
        )


def _left(folder: Path) -> Iterator[Problem]:
    for path in leftovers(folder):
        if is_abandoned(path) is False:
            yield Problem(path, "being written", "call this while no study runs")
        else:
            yield Problem(path, "left by a killed job", "", f"rm {shlex.quote(str(path))}")


def commands(problems: list[Problem]) -> list[str]:
    """Return the commands that mend the problems, one for all files of the same call."""
    files: dict[str, list[str]] = {}
    for problem in problems:
        if problem.mend:
            option = FORCE if FORCE in problem.mend else " "
            call, _, names = problem.mend.partition(option)
            files.setdefault(call + option, []).append(names)
    lines = []
    for call, paths in files.items():
        listed = " ".join(sorted(set(paths)))
        lines.append(f"{call}{listed}")
    return lines


def text(number: int, problems: list[Problem]) -> str:
    """Return the report: each kind of problem with its files, and the commands that mend them."""
    if not problems:
        return f"{number} files are as they were written."
    lines = []
    for what in dict.fromkeys(problem.what for problem in problems):
        some = [problem for problem in problems if problem.what == what]
        lines.append(f"{what}: {len(some)}")
        for problem in some[:SHOWN]:
            detail = f": {problem.detail}" if problem.detail else ""
            lines.append(f"  {problem.path}{detail}")
        if len(some) > SHOWN:
            lines.append(f"  and {len(some) - SHOWN} more")
    mends = commands(problems)
    if mends:
        lines.append("to mend, in the folder of the study:")
        lines += [f"  {command}" for command in mends]
        lines.append("then run it again")
    return "\n".join(lines)
