"""Files that are written in one step, and known again when they are read.

Beside each file NAME stands its record `.NAME.sha256`, which `sha256sum --check` reads too: digest,
size, and the command that makes the file again. A file without a record (one of another's making,
or one that came back from a remote storage, where only outputs travel) is read as it is.
"""

import csv
import errno
import glob
import hashlib
import json
import os
import shlex
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from equitraj.base.addresses import without_secrets

AGAIN = "EQUITRAJ_AGAIN"  # the workflow puts here how it was called, for the records of what its jobs write
FORCE = " --force "  # Snakemake's option to make a file that exists
MENDS = {
    errno.EROFS: "make its folder writable",
    errno.EACCES: "make its folder writable",
} | dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room")


class DamagedFile(OSError):
    """A file is not as it was written; the message names it and the command that makes it again."""


class NotWritten(OSError):
    """A full disk or a read-only folder; the message names the file that should have been written."""


@dataclass(frozen=True)
class Record:
    """What is known of a file since it was written. Attributes: sha256, bytes, and a command (""
    for unknown)."""

    sha256: str
    size: int
    command: str = ""

    def difference(self, path: Path) -> str:
        """What of `path` is not as recorded, "" where nothing is."""
        found = path.stat()
        if found.st_size != self.size:
            return (
                f"{found.st_size} bytes, {self.size} when it was written"
                if found.st_size
                else "empty"
            )
        same = _sha256_once(path, found.st_size, found.st_ctime_ns, found.st_ino) == self.sha256
        return "" if same else "other content than was written"


def file_sha256(path: str | Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _sha256_once(path: Path, *_: int) -> str:
    """The digest of a file that is read again and again, as long as size, time of change and inode
    stay the same."""
    return file_sha256(path)


def record_path(path: Path) -> Path:
    """Where the record of a file stands."""
    return path.with_name(f".{path.name}.sha256")


def read_record(path: Path) -> Record | None:
    """The record of a file, None where there is none that can be read."""
    try:
        first, size, *rest = record_path(path).read_text(encoding="utf-8").splitlines()
        return Record(first.split()[0], int(size.split()[1]), "".join(line[2:] for line in rest))
    except (OSError, ValueError, IndexError):
        return None


def checked(path: str | Path) -> Path:
    """`path`, for those who read it.

    Raises:
        DamagedFile: it has a record and is not as it was written.
    """
    path = Path(path)
    record = read_record(path)
    if record and (difference := record.difference(path)):
        raise damaged(path, f"{difference}; damaged, or edited by hand", record)
    return path


def damaged(path: Path, what: str, record: Record | None = None) -> DamagedFile:
    """The error that says what is wrong with a file and how to make it again."""
    command = (record or read_record(path) or Record("", 0)).command
    command = (
        command
        or f"snakemake --cores all{FORCE}{shlex.quote(str(path))} (with the --configfile of its study)"
    )
    return DamagedFile(f"{path}: {what}. Make it again, then run the study again: {command}")


@contextmanager
def atomic(path: str | Path, recorded: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` on success, remove it on any
    error.

    Beside a `recorded` file its record is written. What killed writers of `path` left on this
    machine is removed.

    Raises:
        NotWritten: the disk is full, or the folder cannot be written to; `path` is as it was
        before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook, sys.unraisablehook = _excepthook, _unraisablehook
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        record = (
            _record_of(temporary, path) if recorded and ".snakemake" not in path.parts else None
        )
        record_path(path).unlink(
            missing_ok=True
        )  # a kill between here and the end leaves a file without a record
        temporary.replace(path)
        if record:
            with atomic(record_path(path), recorded=False) as beside:
                beside.write_text(record, encoding="utf-8")
    except Exception as error:
        if isinstance(error, NotWritten) or not (number := _reason(error, path)):
            raise
        message = (
            f"{path}: not written, {os.strerror(number)}; {MENDS[number]}, then run the study again"
        )
        traceback.clear_frames(error.__traceback__)  # HDF5's objects go while nobody listens
        raise NotWritten(message) from None
    finally:
        sys.excepthook, sys.unraisablehook = hooks
        _discard(temporary)


def _record_of(temporary: Path, path: Path) -> str:
    again = without_secrets(os.environ.get(AGAIN, ""))
    command = f"# {again}{FORCE}{shlex.quote(str(path))}\n" if again else ""
    return f"{file_sha256(temporary)}  {path.name}\n# {temporary.stat().st_size} bytes\n{command}"


def _unraisablehook(arguments: "sys.UnraisableHookArgs") -> None:
    """Print what could not be raised, unless it is the full disk, of which HDF5 tells once for each
    of its objects."""
    if not _reason(arguments.exc_value):
        sys.__unraisablehook__(arguments)


def _excepthook(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    if not _reason(error):
        sys.__excepthook__(kind, error, trace)


def _reason(error: BaseException | None, path: Path | None = None) -> int | None:
    """The number of a full disk or a read-only folder; libraries give it in words, whatever class
    their error has."""
    named = getattr(error, "filename", None)
    if path and named and Path(named).parent != path.parent and Path(named) not in path.parents:
        return None  # of another file, one that was read
    return next(
        (n for n in MENDS if getattr(error, "errno", None) == n or os.strerror(n) in str(error)),
        None,
    )


def check_writable(folders: Iterable[Path]) -> None:
    """Raise NotWritten that names the first folder, or the nearest above it that exists, which
    cannot be written to."""
    for folder in folders:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not os.access(there, os.W_OK):
            raise NotWritten(
                f"{there}: cannot be written to; make it writable, or run the study in another folder"
            )


def _discard(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:  # a read-only folder, in which it was never made
        pass


def leftovers(folder: Path, name: str = "*") -> list[Path]:
    """What killed writers of files called `name` left in `folder`, those of other machines and
    living ones included."""
    return [
        path for path in sorted(folder.glob(f".{name}.*.part")) if path.suffixes[-2][1:].isdigit()
    ]


def is_abandoned(temporary: Path) -> bool | None:
    """Whether a temporary file was left by a process of this machine that has ended; None for
    another machine."""
    *rest, number, _ = temporary.name.split(".")
    if not ".".join(rest).endswith(f".{socket.gethostname()}"):
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return int(number) == os.getpid()


def _remove_leftovers(path: Path) -> None:
    name = f"{path.name}.{socket.gethostname()}"
    for left in path.parent.glob(f".{glob.escape(name)}.*.part"):
        if left.name.removeprefix(f".{name}.").removesuffix(".part").isdigit() and is_abandoned(
            left
        ):
            _discard(left)


def write_digests(path: Path, files: Iterable[Path]) -> None:
    """Write the digests of files below the folder of `path`, as `sha256sum --check` reads them
    there."""
    lines = []
    for file in files:
        record = read_record(file)
        digest = record.sha256 if record else file_sha256(file)
        lines.append(f"{digest}  {file.relative_to(path.parent)}\n")
    write_text(path, "".join(lines))


def remove(path: Path) -> None:
    """Delete a file and its record, where they are."""
    for each in (path, record_path(path)):
        each.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in one step."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys; a NaN is refused, because JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: str | Path, columns: Iterable[str], rows: list[dict]) -> None:
    """Write rows as CSV in one step."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: str | Path) -> dict:
    """Read a JSON file.

    Raises:
        DamagedFile: it is not as it was written, or no JSON object.
    """
    try:
        value = json.loads(checked(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise damaged(Path(path), f"no JSON ({error})") from error
    if not isinstance(value, dict):
        raise damaged(Path(path), f"a JSON {type(value).__name__}, expected an object")
    return value
