"""Jumps: points that leave a periodic box on one side and enter it on the other, and other sudden
moves."""

from dataclasses import dataclass, replace

import numpy as np

from equitraj.data.trajectory import Trajectory

AXES = "xyz"
SMALL = (
    1 / 6
)  # of the range of the coordinates: what most displacements stay below where jumps stand out
ACROSS = 0.8  # of that range: what every jump is longer than, if points leave on one side and enter on the other
FEWEST = 3  # jumps of one size that are no coincidence
SUDDEN = 30.0  # times the median displacement


@dataclass(frozen=True)
class Jumps:
    """Attributes: box, length of the periodic box per axis along which points were wrapped;
    wrapped, number of such jumps; sudden, number of other displacements beyond `SUDDEN` medians;
    first, frame and point of the first."""

    box: dict[str, float]
    wrapped: int
    sudden: int
    first: tuple[int, int] | None


def measure(trajectory: Trajectory) -> Jumps:
    """Look for jumps between the frames of each episode."""
    displacement = np.diff(trajectory.position, axis=0)
    inside = np.diff(trajectory.episode) == 0
    displacement[~inside] = 0.0
    box, wrapped = {}, 0
    for axis in range(displacement.shape[-1]):
        along = displacement[..., axis]
        jumps = np.abs(along) > np.ptp(trajectory.position[..., axis]) / 2
        if length := _period(along, jumps, float(np.ptp(trajectory.position[..., axis]))):
            box[AXES[axis]] = length
            wrapped += int(jumps.sum())
            displacement[..., axis] = along - length * np.round(along / length)
    size = np.linalg.norm(displacement, axis=-1)
    sudden = (
        np.argwhere(size > SUDDEN * np.median(size[inside]))
        if inside.any()
        else np.empty((0, 2), int)
    )
    first = (int(sudden[0, 0]) + 1, int(sudden[0, 1])) if len(sudden) else None
    return Jumps(box, wrapped, len(sudden), first)


def _period(along: np.ndarray, jumps: np.ndarray, extent: float) -> float | None:
    """The box length along an axis, if the displacements `along` it that are marked as jumps are
    one period."""
    if jumps.sum() < FEWEST or np.median(np.abs(along)) > SMALL * extent:
        return None
    size = np.abs(along[jumps])
    if size.min() < ACROSS * extent:
        return None
    # a point that crosses moves on meanwhile, which shortens its jump; and all points lie within
    # the box
    return max(float(size.max()), extent)


def unwrapped(trajectory: Trajectory, box: dict[str, float]) -> Trajectory:
    """The trajectory with its points followed across the faces of a box with these lengths per
    axis."""
    position = trajectory.position.copy()
    for episode in np.unique(trajectory.episode) if box else ():
        here = trajectory.episode == episode
        for axis, length in box.items():
            column = AXES.index(axis)
            position[here, :, column] = np.unwrap(position[here, :, column], period=length, axis=0)
    return replace(trajectory, position=position)


def described(jumps: Jumps) -> list[str]:
    """The jumps in words."""
    lines = []
    if jumps.box:
        lengths = ", ".join(f"{length:.4g} along {axis}" for axis, length in jumps.box.items())
        lines.append(f"{jumps.wrapped} jumps of one size: looks wrapped in a box of {lengths}")
        lines.append(
            "-> unwrap each episode before you use it (NumPy, for x: np.unwrap(position[..., 0], period=LENGTH, "
            "axis=0)); what is said of motion was measured on unwrapped positions"
        )
    if jumps.first:
        frame, point = jumps.first
        lines.append(
            f"{jumps.sudden} displacements beyond {SUDDEN:.0f} medians, the first into frame {frame} by point {point}: "
            "look at them (points that changed names, gaps, starts of new trials?)"
        )
    return lines or ["no jumps"]
