"""Runs that a step of the workflow has still to make, known by its mark in each run folder."""

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from equitraj.base import marks
from equitraj.base.files import checked, write_digests
from equitraj.training.record import FILES

# the name of the rule of each step
RULES = {
    "trained": "train",
    "evaluated": "evaluate",
    "audited": "audit",
}


def mark_path(folder: Path, step: str) -> Path:
    """Return the path of a step's mark."""
    name = f".{step}.mark"
    return folder / name


def to_make(step: str, args: Namespace, wanted: dict[Path, str]) -> list[Path]:
    """Return the run folders that a call with the arguments `args` has to make; see `missing`."""
    if not args.code:
        return list(wanted)
    return missing(step, wanted, args.forced)


def missing(step: str, wanted: dict[Path, str], forced: Iterable[str] = ()) -> list[Path]:
    """Return the run folders that a step has still to make, out of `wanted`, which has their marks.

    The step makes what is `forced` even if it is there; see `marks.is_forced`.
    """
    to_make = []
    for folder, mark in wanted.items():
        files = [folder / name for name in FILES[step]]
        is_made = marks.is_made(mark_path(folder, step), mark, files)
        if not is_made or marks.is_forced(forced, RULES[step], files):
            to_make.append(folder)
    return to_make


def begin(step: str, folders: Iterable[Path]) -> None:
    """Remove the marks of runs that are about to be made."""
    for folder in folders:
        mark = mark_path(folder, step)
        mark.unlink(missing_ok=True)


def finish(step: str, wanted: dict[Path, str], folders: Iterable[Path]) -> None:
    """Write the mark of each run folder that was made."""
    for folder in folders:
        mark = mark_path(folder, step)
        mark.write_text(wanted[folder], encoding="utf-8")


def write_record(path: Path, folders: Iterable[Path]) -> None:
    """Write the digests of all files of a step in run folders; `trained.sha256` names the step."""
    paths = []
    for folder in folders:
        paths += [folder / name for name in FILES[path.stem]]
    write_digests(path, paths)


def trained_digests(folder: Path) -> list[str]:
    """Return the sha256 of each file that the training of a run wrote.

    Raises:
        DamagedFile: a file is damaged.
    """
    digests = []
    for name in FILES["trained"]:
        path = checked(folder / name)
        digests.append(marks.digest(path))
    return digests
