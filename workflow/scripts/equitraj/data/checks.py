"""Checks of a trajectory: shapes agree, values are finite, bonds and boxes are valid."""

import re
from typing import TYPE_CHECKING

import numpy as np

from equitraj.data.parts import parts_of

if TYPE_CHECKING:
    from equitraj.data.trajectory import Trajectory


def check(trajectory: "Trajectory", name: str) -> None:
    """Raise ValueError that names `name` unless all shapes agree and every value is finite."""
    position = trajectory.position
    if position.ndim != 3 or position.shape[-1] not in (2, 3) or not position.size:
        raise ValueError(
            f"{name}: positions of shape {position.shape}; expected (frames, points, 2 or 3)"
        )
    frames, points, dimension = position.shape
    episode = trajectory.episode
    if len(episode) != frames or (np.diff(episode) < 0).any():
        raise ValueError(
            f"{name}: the episode index must have one non-decreasing entry "
            f"for each of {frames} frames"
        )
    fixed = {"point": points}
    changing = {"frame": frames, "point": points}
    vectors = {"frame": frames, "point": points, "axis": dimension}
    _check_array(name, "positions", position, vectors)
    _check_array(name, "times", trajectory.time, {"frame": frames})
    _check_array(name, "box", trajectory.box, {"frame": frames, "vector": 3, "axis": 3})
    check_box(name, trajectory.box)
    _check_array(name, "velocities", trajectory.velocity, vectors)
    _check_array(name, "species", trajectory.species, fixed, changing, kinds="iu")
    _check_array(name, "mass", trajectory.mass, fixed, changing)
    for what, value in trajectory.features.items():
        _check_feature_name(name, what)
        width = {"feature": _expected_width(what, value)}
        _check_array(name, what, value, fixed | width, changing | width)
    if trajectory.bonds is not None:
        _check_bonds(name, np.asarray(trajectory.bonds), points)


def _check_feature_name(name: str, feature: str) -> None:
    if not re.fullmatch("[A-Za-z0-9_]+", feature):
        raise ValueError(
            f"{name}: a feature is called {feature!r}; expected letters, digits and underscores"
        )


def _expected_width(feature: str, value: np.ndarray) -> int:
    """The number of columns that a feature must have."""
    if feature == "charge" or not np.ndim(value):
        return 1
    n_columns = np.shape(value)[-1]
    return max(n_columns, 1)


def _check_array(
    name: str, what: str, value: np.ndarray | None, *allowed: dict[str, int], kinds: str = "fiu"
) -> None:
    """Check the type, shape and finiteness of an array.

    `allowed` has one or more shapes, each as the names and lengths of its axes.
    """
    if value is None:
        return
    value = np.asarray(value)
    axes = next((axes for axes in allowed if value.shape == tuple(axes.values())), None)
    if axes is None or value.dtype.kind not in kinds:
        numbers = "integers" if kinds == "iu" else "numbers"
        shapes = " or ".join(map(_shape_in_words, allowed))
        raise ValueError(
            f"{name}: {what} of shape {value.shape}, type {value.dtype}; "
            f"expected {numbers}, {shapes}"
        )
    if not all(np.isfinite(value[part]).all() for part in parts_of(value)):
        bad = np.argwhere(~np.isfinite(value))
        first = tuple(bad[0].tolist())
        place = ", ".join(f"{axis} {i}" for axis, i in zip(axes, first, strict=True))
        raise ValueError(
            f"{name}: {len(bad)} {what} are not finite, the first at {place} ({value[first]}); "
            "repair or cut these frames and run again"
        )


def _shape_in_words(axes: dict[str, int]) -> str:
    lengths = (f"{length} {axis}s" for axis, length in axes.items())
    words = ", ".join(lengths)
    return f"({words})"


def check_box(name: str, box: np.ndarray | None) -> None:
    """Raise ValueError unless the nonzero vectors of a box (..., 3, 3) are linearly independent."""
    if box is None:
        return
    n_vectors = np.any(box, axis=-1).sum(-1)
    dependent = np.linalg.matrix_rank(box) < n_vectors
    if dependent.any():
        vectors = np.asarray(box)[dependent][0].tolist()
        raise ValueError(
            f"{name}: box vectors {vectors}; expected linearly independent rows, "
            "and zeros where nothing is periodic"
        )


def _check_bonds(name: str, bonds: np.ndarray, points: int) -> None:
    if bonds.ndim != 2 or bonds.shape[1] != 2 or bonds.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: bonds of shape {bonds.shape}, type {bonds.dtype}; "
            "expected integers (bonds, 2)"
        )
    outside = (bonds < 0) | (bonds >= points)
    loops = bonds[:, 0] == bonds[:, 1]
    wrong = bonds[outside.any(1) | loops]
    if len(wrong):
        raise ValueError(
            f"{name}: bond {wrong[0].tolist()}; "
            f"expected pairs of different points, counted from 0 to {points - 1}"
        )
