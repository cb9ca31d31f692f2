"""NumPy arrays, in `.npy` or `.npz` files."""

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
    "holds Python objects, which are never unpickled; save trials of equal length as one array, np.savez(file, "
    "position=np.stack(trials)), and trials of different lengths as one file each, listed under `path:`"
)


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The arrays that `array` or `arrays` of the source name; `array` may be left out where there
    is only one.

    Raises:
        ValueError: the file is damaged or holds Python objects, there is no such key, or a shape
        does not fit.
    """
    return from_arrays(load(path, mapping(source), name, source), name, source)


def load(
    path: Path, wanted: dict[str, str | None], name: str, source: dict
) -> dict[str, np.ndarray]:
    """The arrays of a file under the names that `wanted` gives to their keys."""
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                check_unpacked(
                    name, sum(m.file_size for m in archive.infolist()), path.stat().st_size, source
                )
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {_only(name, wanted): content}
        with content as archive:
            keys = {what: _pick_key(name, what, key, archive.files) for what, key in wanted.items()}
            return {what: archive[key] for what, key in keys.items()}
    except (BadZipFile, EOFError, MemoryError) as error:
        raise ValueError(f"{name}: not a readable .npz file ({error}); save it again") from error
    except _NoSuchKey:
        raise
    except ValueError as error:
        reason = f"not a NumPy array of numbers ({error}); save it with np.save or np.savez"
        raise ValueError(
            f"{name}: {OBJECTS if str(error).startswith('Object arrays') else reason}"
        ) from error


class _NoSuchKey(ValueError):
    """The file has no array of this name."""


def _only(name: str, wanted: dict[str, str | None]) -> str:
    if set(wanted) != {"position"}:
        raise _NoSuchKey(
            f"{name}: a .npy file is one array, the positions; save several with np.savez as .npz"
        )
    return "position"


def _pick_key(name: str, what: str, key: str | None, keys: list[str]) -> str:
    if key is None and len(keys) == 1:
        return keys[0]
    if key not in keys:
        found = "several arrays" if key is None else f"no array {key!r} for {what}"
        raise _NoSuchKey(
            f"{name}: {found}; correct `array:` or `arrays:` of the source; {nearest(str(key), keys)}"
        )
    return key
