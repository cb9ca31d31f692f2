"""What every trajectory must be: shapes that agree, numbers that are finite, bonds and boxes that
can be."""

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
    if len(trajectory.episode) != frames or (np.diff(trajectory.episode) < 0).any():
        raise ValueError(
            f"{name}: the episode index must have one non-decreasing entry for each of {frames} frames"
        )
    vectors, fixed = {"frame": frames, "point": points, "axis": dimension}, {"point": points}
    changing = {"frame": frames, "point": points}
    _check_array(name, "positions", position, vectors)
    _check_array(name, "times", trajectory.time, {"frame": frames})
    _check_array(name, "box", trajectory.box, {"frame": frames, "vector": 3, "axis": 3})
    check_box(name, trajectory.box)
    _check_array(name, "velocities", trajectory.velocity, vectors)
    _check_array(name, "species", trajectory.species, fixed, changing, kinds="iu")
    _check_array(name, "mass", trajectory.mass, fixed, changing)
    for what, value in trajectory.features.items():
        if not re.fullmatch("[A-Za-z0-9_]+", what):
            raise ValueError(
                f"{name}: a feature is called {what!r}; expected letters, digits and underscores"
            )
        width = {
            "feature": 1 if what == "charge" or not np.ndim(value) else max(np.shape(value)[-1], 1)
        }
        _check_array(name, what, value, fixed | width, changing | width)
    if trajectory.bonds is not None:
        _check_bonds(name, np.asarray(trajectory.bonds), points)


def _check_array(
    name: str, what: str, value: np.ndarray | None, *allowed: dict[str, int], kinds: str = "fiu"
) -> None:
    """Check type, shape and finiteness; `allowed` has the axes, with their sizes, that `value` may
    have."""
    if value is None:
        return
    value = np.asarray(value)
    axes = next((axes for axes in allowed if value.shape == tuple(axes.values())), None)
    if axes is None or value.dtype.kind not in kinds:
        shapes = " or ".join(
            "(" + ", ".join(f"{n} {axis}s" for axis, n in axes.items()) + ")" for axes in allowed
        )
        numbers = "integers" if kinds == "iu" else "numbers"
        raise ValueError(
            f"{name}: {what} of shape {value.shape}, type {value.dtype}; expected {numbers}, {shapes}"
        )
    if not all(np.isfinite(value[part]).all() for part in parts_of(value)):
        bad = np.argwhere(~np.isfinite(value))
        first = tuple(bad[0].tolist())
        place = ", ".join(f"{axis} {i}" for axis, i in zip(axes, first, strict=True))
        raise ValueError(
            f"{name}: {len(bad)} {what} are not finite, the first at {place} ({value[first]}); "
            "repair or cut these frames and run again"
        )


def check_box(name: str, box: np.ndarray | None) -> None:
    """Raise ValueError unless the vectors of a box (..., 3, 3) that are not zero span as many
    directions."""
    if (
        box is not None
        and (flat := np.linalg.matrix_rank(box) < np.any(box, axis=-1).sum(-1)).any()
    ):
        raise ValueError(
            f"{name}: box vectors {np.asarray(box)[flat][0].tolist()}; expected rows of which none lies in the plane "
            "of the others, zeros where nothing is periodic"
        )


def _check_bonds(name: str, bonds: np.ndarray, points: int) -> None:
    if bonds.ndim != 2 or bonds.shape[1] != 2 or bonds.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: bonds of shape {bonds.shape}, type {bonds.dtype}; expected integers (bonds, 2)"
        )
    wrong = bonds[((bonds < 0) | (bonds >= points)).any(1) | (bonds[:, 0] == bonds[:, 1])]
    if len(wrong):
        raise ValueError(
            f"{name}: bond {wrong[0].tolist()}; expected pairs of different points, counted from 0 to {points - 1}"
        )
