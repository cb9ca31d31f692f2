"""What is wrong with the files of a study: each against its record, each run against its folder,
and what was left."""

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

UNRECORDED = {
    ".log",
    ".tsv",
    ".part",
}  # what Snakemake and the shell write, and downloads that go on where they stopped
COMPILED = "compiled"  # the folder of JAX's programs, which it checks itself
SHOWN = 10  # files of one problem


@dataclass(frozen=True)
class Problem:
    """A file and what is wrong with it, in words that several files share; `mend` is the command
    that mends it."""

    path: Path
    what: str
    detail: str = ""
    mend: str = ""


def verify(folders: Iterable[Path]) -> tuple[int, list[Problem]]:
    """The number of files that have a record, and all problems found below `folders`."""
    number, problems = 0, []
    for folder in folders:
        for path in sorted(
            path for path in folder.rglob("*") if path.is_file() and COMPILED not in path.parts
        ):
            found = list(
                _checkpoint(path) if path.parent.name == "checkpoints" else _problems(path)
            )
            number += record_path(path).is_file()
            problems += found
        for place in sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())}):
            problems += _left(place)
    return number, problems


def _problems(path: Path) -> Iterator[Problem]:
    if path.name.startswith("."):
        yield from _missing(path)
        return
    record = read_record(path)
    if record is None:
        if path.suffix not in UNRECORDED:
            yield Problem(
                path, "no record", "nobody can tell whether they are as they were written"
            )
    elif difference := record.difference(path):
        yield Problem(path, "damaged or edited", difference, record.command)
        return
    if path.name == "run.json":
        yield from _record(path, record)


def _missing(path: Path) -> Iterator[Problem]:
    """A record whose file is gone."""
    recorded = path.with_name(path.name.removeprefix(".").removesuffix(".sha256"))
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
    """The commands that mend the problems, one for all files that were made by the same call."""
    files: dict[str, list[str]] = {}
    for problem in problems:
        if problem.mend:
            option = FORCE if FORCE in problem.mend else " "
            call, _, names = problem.mend.partition(option)
            files.setdefault(call + option, []).append(names)
    return [f"{call}{' '.join(sorted(set(names)))}" for call, names in files.items()]


def text(number: int, problems: list[Problem]) -> str:
    """The report in lines: each kind of problem with its files, and the commands that mend them."""
    if not problems:
        return f"{number} files are as they were written."
    lines = []
    for what in dict.fromkeys(problem.what for problem in problems):
        some = [problem for problem in problems if problem.what == what]
        lines.append(f"{what}: {len(some)}")
        lines += [f"  {p.path}{f': {p.detail}' if p.detail else ''}" for p in some[:SHOWN]]
        lines += [f"  and {len(some) - SHOWN} more"] if len(some) > SHOWN else []
    if mends := commands(problems):
        lines += [
            "to mend, in the folder of the study:",
            *(f"  {command}" for command in mends),
            "then run it again",
        ]
    return "\n".join(lines)
