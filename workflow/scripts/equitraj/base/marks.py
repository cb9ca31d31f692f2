"""Marks tell a command which of its results are already made, and from what.

One job of the workflow makes many results with one start of a program: all runs of a method, all
figures. When one result changes or is lost, the others remain. Each result therefore gets a mark,
which is written last: the fingerprint of everything it was made from. A result with the right mark
and undamaged files is not made again.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from equitraj.base.files import file_sha256, read_record

EVERYTHING = "*"  # in a list of forced names: all of them


def mark_of(*values: object) -> str:
    """Return the fingerprint of values that JSON can hold."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(path: Path) -> str:
    """Return the sha256 checksum of a file, from its record if it has one."""
    record = read_record(path)
    return record.sha256 if record else file_sha256(path)


def is_whole(path: Path) -> bool:
    """Whether a file exists and agrees with its record."""
    record = read_record(path)
    if record is None or not path.is_file():
        return False
    return not record.difference(path)


def is_made(path: Path, mark: str, files: Iterable[Path]) -> bool:
    """Whether the file `path` holds this mark and all `files` agree with their records."""
    if not path.is_file():
        return False
    is_marked = path.read_text(encoding="utf-8") == mark
    return is_marked and all(map(is_whole, files))


def is_forced(forced: Iterable[str], rule: str, files: Iterable[Path]) -> bool:
    """Whether `forced` names a rule, one of its variants, or one of the files.

    `forced` holds names of rules, paths of files, or `EVERYTHING`.
    """
    paths = {path.absolute() for path in files}
    for name in forced:
        is_rule = name in (EVERYTHING, rule) or name.startswith(f"{rule}_")
        if is_rule or Path(name).absolute() in paths:
            return True
    return False
