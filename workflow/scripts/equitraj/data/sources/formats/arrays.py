"""NumPy arrays in `.npy` or `.npz` files."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.sources.limits import check_unpacked
from equitraj.data.sources.named import from_arrays, mapping
from equitraj.data.trajectory import Trajectory

SUFFIXES = (".npy", ".npz")
KEYS = ("array", "arrays", "box", "unwrap", "omit_species", "time_step", "length_unit", "time_unit")
OBJECTS = (
    "holds Python objects, which are never unpickled; save trials of equal length as one array, "
    "np.savez(file, position=np.stack(trials)), and trials of different lengths as one file each, "
    "listed under `path:`"
)


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The trajectory of the arrays that `array` or `arrays` of the source name.

    A file with only one array needs neither.

    Raises:
        ValueError: the file is damaged or holds Python objects, a key does not exist, or a shape
            does not fit.
    """
    arrays = load(path, mapping(source), name, source)
    return from_arrays(arrays, name, source)


def load(
    path: Path, wanted: dict[str, str | None], name: str, source: dict
) -> dict[str, np.ndarray]:
    """The arrays of a file by name; `wanted` has the key of each name."""
    try:
        if is_zipfile(path):
            _check_size(path, name, source)
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            _check_only_position(name, wanted)
            return {"position": content}
        with content as archive:
            keys = {what: _pick_key(name, what, key, archive.files) for what, key in wanted.items()}
            return {what: archive[key] for what, key in keys.items()}
    except (BadZipFile, EOFError, MemoryError) as error:
        raise ValueError(f"{name}: not a readable .npz file ({error}); save it again") from error
    except _NoSuchKey:
        raise
    except ValueError as error:
        reason = f"not a NumPy array of numbers ({error}); save it with np.save or np.savez"
        if str(error).startswith("Object arrays"):
            reason = OBJECTS
        raise ValueError(f"{name}: {reason}") from error


class _NoSuchKey(ValueError):
    """The file has no array of this name."""


def _check_size(path: Path, name: str, source: dict) -> None:
    """Refuse an archive that would unpack to too many bytes."""
    with ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    stored = path.stat().st_size
    check_unpacked(name, unpacked, stored, source)


def _check_only_position(name: str, wanted: dict[str, str | None]) -> None:
    if set(wanted) != {"position"}:
        raise _NoSuchKey(
            f"{name}: a .npy file is one array, the positions; save several with np.savez as .npz"
        )


def _pick_key(name: str, what: str, key: str | None, keys: list[str]) -> str:
    """The key itself, or the only key of the file if `key` is None."""
    if key is None and len(keys) == 1:
        return keys[0]
    if key is None or key not in keys:
        problem = "several arrays" if key is None else f"no array {key!r} for {what}"
        raise _NoSuchKey(
            f"{name}: {problem}; correct `array:` or `arrays:` of the source; "
            f"{nearest(str(key), keys)}"
        )
    return key
