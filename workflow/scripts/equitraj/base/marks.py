"""Marks, by which a command knows what it has made already, and what it made it from.

A job of the workflow makes many things that take one start of a program: all runs of a method, all
figures. Where one of them changes or is lost, the others are there. So each gets a mark, last of
all: the fingerprint of all that it was made from. What has the right mark, and files that are as
they were written, is not made again.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from equitraj.base.files import file_sha256, read_record

EVERYTHING = "*"  # among what is forced


def mark_of(*values: object) -> str:
    """The fingerprint of values that JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def digest(path: Path) -> str:
    """The sha256 of a file: what its record says, where it has one."""
    record = read_record(path)
    return record.sha256 if record else file_sha256(path)


def is_whole(path: Path) -> bool:
    """Whether a file is there and as its record says."""
    record = read_record(path)
    return record is not None and path.is_file() and not record.difference(path)


def is_made(path: Path, mark: str, files: Iterable[Path]) -> bool:
    """Whether the file `path` has this mark, and `files` are as they were written."""
    is_marked = path.is_file() and path.read_text(encoding="utf-8") == mark
    return is_marked and all(map(is_whole, files))


def is_forced(forced: Iterable[str], rule: str, files: Iterable[Path]) -> bool:
    """Whether `forced` (names of rules, files, `EVERYTHING`) has a rule, one of its variants, or
    one of the files."""
    paths = {path.absolute() for path in files}
    return any(
        name in (EVERYTHING, rule) or name.startswith(f"{rule}_") or Path(name).absolute() in paths
        for name in forced
    )
