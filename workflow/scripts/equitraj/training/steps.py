"""Which runs of a method a step of the workflow has still to make, by the mark that it leaves in
each run folder."""

from collections.abc import Iterable
from pathlib import Path

from equitraj.base import marks
from equitraj.base.files import checked, write_digests
from equitraj.training.record import FILES

RULES = {
    "trained": "train",
    "evaluated": "evaluate",
    "audited": "audit",
}  # a step to the name of its rules


def mark_path(folder: Path, step: str) -> Path:
    """Where a step leaves its mark."""
    return folder / f".{step}.mark"


def missing(step: str, wanted: dict[Path, str], forced: Iterable[str] = ()) -> list[Path]:
    """The run folders, of those with the marks that they should have, that a step has to make.

    `forced` are those that it makes whatever is there; see `marks.is_forced`.
    """
    found = []
    for folder, mark in wanted.items():
        files = [folder / name for name in FILES[step]]
        is_made = marks.is_made(mark_path(folder, step), mark, files)
        if not is_made or marks.is_forced(forced, RULES[step], files):
            found.append(folder)
    return found


def begin(step: str, folders: Iterable[Path]) -> None:
    """Take the marks away from runs that are about to be made."""
    for folder in folders:
        mark_path(folder, step).unlink(missing_ok=True)


def finish(step: str, wanted: dict[Path, str], folders: Iterable[Path]) -> None:
    """Leave its mark in each run folder that was made."""
    for folder in folders:
        mark_path(folder, step).write_text(wanted[folder], encoding="utf-8")


def write_record(path: Path, folders: Iterable[Path]) -> None:
    """Write the digests of what the step that `path` is named after (`trained.sha256`) wrote into
    run folders."""
    write_digests(path, [folder / name for folder in folders for name in FILES[path.stem]])


def trained_digests(folder: Path) -> list[str]:
    """The sha256 of each file that the training of a run wrote.

    Raises:
        DamagedFile: one of them is not as it was written.
    """
    return [marks.digest(checked(folder / name)) for name in FILES["trained"]]
