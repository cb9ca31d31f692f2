"""NumPy arrays of positions, in `.npy` or `.npz` files, as trajectories."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory, check


def load_array(path: str | Path, key: str | None = None, name: str | None = None) -> np.ndarray:
    """The array of a `.npy` file, or the one named `key` of an `.npz` file (without `key`: the only one it has).

    `name` stands in the messages in place of `path`.

    Raises:
        ValueError: the file is damaged or holds Python objects, or there is no such key.
    """
    name = name or str(path)
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content as archive:
            picked = _pick_key(name, key, archive.files)
            return archive[picked]
    except (BadZipFile, EOFError) as error:
        raise ValueError(f"{name}: not a readable .npz file ({error}); save it again") from error
    except _NoSuchKey:
        raise
    except ValueError as error:
        raise ValueError(f"{name}: not a NumPy array of numbers ({error}); save it with np.save or np.savez") from error


class _NoSuchKey(ValueError):
    """The archive has no array of this name."""


def _pick_key(name: str, key: str | None, keys: list[str]) -> str:
    if key is None and len(keys) == 1:
        return keys[0]
    if key not in keys:
        found = "several arrays" if key is None else f"no array {key!r}"
        raise _NoSuchKey(f"{name}: {found}; correct `array:` of the source; {nearest(str(key), keys)}")
    return key


def from_array(position: np.ndarray, name: str, source: dict) -> Trajectory:
    """Positions (T, N, 2 or 3) as a trajectory of one episode.

    `source` may give `time_step` (time between frames, default 1), `length_unit` and `time_unit` (default `reduced`).
    `name` stands in the messages.

    Raises:
        ValueError: no numbers, a wrong shape, or positions that are not finite.
    """
    position = np.asarray(position)
    if position.dtype.kind not in "fiu":
        raise ValueError(f"{name}: values of type {position.dtype}; expected real numbers, (frames, points, 2 or 3)")
    trajectory = Trajectory(
        position=position.astype(np.float64),
        episode=np.zeros(len(position) if position.ndim else 0, dtype=np.int64),
        time=np.arange(len(position) if position.ndim else 0) * float(source.get("time_step", 1.0)),
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )
    check(trajectory, name)
    return trajectory
