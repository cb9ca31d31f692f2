"""Write files in one step, and check them when they are read.

Each file NAME has a record `.NAME.sha256` in the same folder, which `sha256sum --check` can read:
checksum, size, and the command that makes the file again. A file without a record is read without a
check: another program wrote it, or it came back from a remote storage, which keeps outputs only.
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

AGAIN = "EQUITRAJ_AGAIN"  # the workflow stores its own command here; records of files repeat it
FORCE = " --force "  # Snakemake's option to make a file that exists
MENDS = {  # what to do after an error of the operating system
    errno.EROFS: "make its folder writable",
    errno.EACCES: "make its folder writable",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "make room",
}


class DamagedFile(OSError):
    """A file is not as it was written; the message names it and the command that makes it again."""


class NotWritten(OSError):
    """The disk is full or the folder is read-only; the message names the file to be written."""


@dataclass(frozen=True)
class Record:
    """Checksum and size (bytes) of a file when it was written, and its command ("" if unknown)."""

    sha256: str
    size: int
    command: str = ""

    def difference(self, path: Path) -> str:
        """Describe how the file differs from its record; "" if it does not."""
        state = path.stat()
        if not state.st_size and self.size:
            return "empty"
        if state.st_size != self.size:
            return f"{state.st_size} bytes, {self.size} when it was written"
        checksum = _sha256_once(path, state.st_size, state.st_ctime_ns, state.st_ino)
        same = checksum == self.sha256
        return "" if same else "other content than was written"


def file_sha256(path: str | Path) -> str:
    """Return the sha256 checksum of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256")
    return checksum.hexdigest()


@cache
def _sha256_once(path: Path, *_: int) -> str:
    """Compute a checksum once while size, time of change and inode of the file stay the same."""
    return file_sha256(path)


def record_path(path: Path) -> Path:
    """Return the path of a file's record."""
    name = f".{path.name}.sha256"
    return path.with_name(name)


def read_record(path: Path) -> Record | None:
    """Read the record of a file; None if there is none, or none that can be read."""
    try:
        text = record_path(path).read_text(encoding="utf-8")
        first, second, *rest = text.splitlines()
        checksum = first.split()[0]
        size = int(second.split()[1])
    except (OSError, ValueError, IndexError):
        return None
    command = "".join(line[2:] for line in rest)
    return Record(checksum, size, command)


def checked(path: str | Path) -> Path:
    """Check a file against its record and return its path.

    Raises:
        DamagedFile: the file differs from its record.
    """
    path = Path(path)
    record = read_record(path)
    difference = record.difference(path) if record else ""
    if difference:
        raise damaged(path, f"{difference}; damaged, or edited by hand", record)
    return path


def damaged(path: Path, what: str, record: Record | None = None) -> DamagedFile:
    """Return the error that says what is wrong with a file and how to make it again."""
    record = record or read_record(path)
    command = record.command if record else ""
    if not command:
        call = f"snakemake --cores all{FORCE}{shlex.quote(str(path))}"
        command = f"{call} (with the --configfile of its study)"
    return DamagedFile(f"{path}: {what}. Make it again, then run the study again: {command}")


@contextmanager
def atomic(path: str | Path, recorded: bool = True) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` on success, remove it on any error.

    If `recorded`, write the record of the file too. Temporary files that killed writers of `path`
    left on this machine are removed.

    Raises:
        NotWritten: the disk is full, or the folder is read-only; `path` is unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook, sys.unraisablehook = _excepthook, _unraisablehook
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        is_recorded = recorded and ".snakemake" not in path.parts
        record = _record_of(temporary, path) if is_recorded else None
        # A kill between here and the end leaves a file without a record.
        record_path(path).unlink(missing_ok=True)
        temporary.replace(path)
        if record:
            with atomic(record_path(path), recorded=False) as beside:
                beside.write_text(record, encoding="utf-8")
    except Exception as error:
        number = _reason(error, path)
        if isinstance(error, NotWritten) or not number:
            raise
        reason = os.strerror(number)
        message = f"{path}: not written, {reason}; {MENDS[number]}, then run the study again"
        traceback.clear_frames(error.__traceback__)  # frees HDF5's objects while errors are hidden
        raise NotWritten(message) from None
    finally:
        sys.excepthook, sys.unraisablehook = hooks
        _discard(temporary)


def _record_of(temporary: Path, path: Path) -> str:
    again = without_secrets(os.environ.get(AGAIN, ""))
    command = f"# {again}{FORCE}{shlex.quote(str(path))}\n" if again else ""
    checksum = file_sha256(temporary)
    size = temporary.stat().st_size
    return f"{checksum}  {path.name}\n# {size} bytes\n{command}"


def _unraisablehook(arguments: "sys.UnraisableHookArgs") -> None:
    """Print an error that could not be raised; HDF5 repeats a full disk for each of its objects."""
    if not _reason(arguments.exc_value):
        sys.__unraisablehook__(arguments)


def _excepthook(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    if not _reason(error):
        sys.__excepthook__(kind, error, trace)


def _reason(error: BaseException | None, path: Path | None = None) -> int | None:
    """Return the error number of a full disk or a read-only folder, else None.

    Libraries raise errors of several classes for these, with the operating system's words.
    """
    named = getattr(error, "filename", None)
    if path and named:
        place = Path(named)
        if place.parent != path.parent and place not in path.parents:
            return None  # the error is about another file, which was read
    for number in MENDS:
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return number
    return None


def check_writable(folders: Iterable[Path]) -> None:
    """Check that folders, or the nearest existing folders above them, can be written to.

    Raises:
        NotWritten: a folder is read-only; the message names it.
    """
    for folder in folders:
        places = (folder, *folder.absolute().parents)
        nearest = next(place for place in places if place.exists())
        if not os.access(nearest, os.W_OK):
            mend = "make it writable, or run the study in another folder"
            raise NotWritten(f"{nearest}: cannot be written to; {mend}")


def _discard(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:  # the folder is read-only, so the file was never made
        pass


def leftovers(folder: Path, name: str = "*") -> list[Path]:
    """Return the temporary files of all writers of files called `name`, living ones included."""
    candidates = sorted(folder.glob(f".{name}.*.part"))
    return [path for path in candidates if path.suffixes[-2][1:].isdigit()]


def is_abandoned(temporary: Path) -> bool | None:
    """Whether the process that wrote a temporary file has ended; None for another machine's."""
    *rest, number, _ = temporary.name.split(".")
    if not ".".join(rest).endswith(f".{socket.gethostname()}"):
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # the process belongs to another user
        return False
    return int(number) == os.getpid()


def _remove_leftovers(path: Path) -> None:
    name = f"{path.name}.{socket.gethostname()}"
    for left in path.parent.glob(f".{glob.escape(name)}.*.part"):
        number = left.name.removeprefix(f".{name}.").removesuffix(".part")
        if number.isdigit() and is_abandoned(left):
            _discard(left)


def write_digests(path: Path, files: Iterable[Path]) -> None:
    """Write the checksums of files below the folder of `path`, for `sha256sum --check`."""
    lines = []
    for file in files:
        record = read_record(file)
        checksum = record.sha256 if record else file_sha256(file)
        lines.append(f"{checksum}  {file.relative_to(path.parent)}\n")
    write_text(path, "".join(lines))


def remove(path: Path) -> None:
    """Delete a file and its record, if they exist."""
    for each in (path, record_path(path)):
        each.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in one step."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys; NaN is refused, because JSON has none."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_text(path, text + "\n")


def write_table(path: str | Path, columns: Iterable[str], rows: list[dict]) -> None:
    """Write rows as CSV in one step."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: str | Path) -> dict:
    """Read a JSON file.

    Raises:
        DamagedFile: the file differs from its record, or holds no JSON object.
    """
    try:
        value = json.loads(checked(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise damaged(Path(path), f"no JSON ({error})") from error
    if not isinstance(value, dict):
        raise damaged(Path(path), f"a JSON {type(value).__name__}, expected an object")
    return value
