"""Jumps: points that cross the faces of a periodic box, and other sudden displacements."""

from dataclasses import dataclass, replace

import numpy as np

from equitraj.data.trajectory import Trajectory

AXES = "xyz"
# Upper bound of the median displacement relative to the range of the coordinates. Above it, jumps
# do not stand out.
SMALL = 1 / 6
# Lower bound of the length of every jump relative to that range, if points leave the box on one
# side and enter it on the other.
ACROSS = 0.8
FEWEST = 3  # the smallest number of jumps of one size that is no coincidence
SUDDEN = 30.0  # threshold of a sudden displacement, in median displacements


@dataclass(frozen=True)
class Jumps:
    """Jumps in a trajectory.

    Attributes:
        box: length of the periodic box along each axis along which points were wrapped.
        wrapped: number of jumps across the box.
        sudden: number of other displacements beyond `SUDDEN` medians.
        first: frame and point of the first of these.
    """

    box: dict[str, float]
    wrapped: int
    sudden: int
    first: tuple[int, int] | None


def measure(trajectory: Trajectory) -> Jumps:
    """Find the jumps between the frames of each episode."""
    position = trajectory.position
    displacement = np.diff(position, axis=0)
    inside = trajectory.same_episode
    displacement[~inside] = 0.0
    box = {}
    wrapped = 0
    for column in range(displacement.shape[-1]):
        along = displacement[..., column]
        extent = float(np.ptp(position[..., column]))
        jumps = np.abs(along) > extent / 2
        length = _period(along, jumps, extent)
        if length:
            box[AXES[column]] = length
            wrapped += int(jumps.sum())
            displacement[..., column] = along - length * np.round(along / length)
    sudden = _sudden(displacement, inside)
    first = None
    if len(sudden):
        frame, point = sudden[0].tolist()
        first = (frame + 1, point)
    return Jumps(box, wrapped, len(sudden), first)


def _sudden(displacement: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Frame and point (S, 2) of the displacements beyond `SUDDEN` medians."""
    if not inside.any():
        return np.empty((0, 2), int)
    size = np.linalg.norm(displacement, axis=-1)
    threshold = SUDDEN * np.median(size[inside])
    return np.argwhere(size > threshold)


def _period(along: np.ndarray, jumps: np.ndarray, extent: float) -> float | None:
    """The box length along an axis, if the displacements `along` it that are `jumps` are a period.

    None otherwise.
    """
    if jumps.sum() < FEWEST or np.median(np.abs(along)) > SMALL * extent:
        return None
    size = np.abs(along[jumps])
    if size.min() < ACROSS * extent:
        return None
    # A point that crosses also moves, which shortens its jump. All points lie within the box.
    return max(float(size.max()), extent)


def unwrapped(trajectory: Trajectory, box: dict[str, float]) -> Trajectory:
    """The trajectory with its points followed across the faces of a box.

    `box` has the length along each axis.
    """
    if not box:
        return trajectory
    position = trajectory.position.copy()
    for episode in np.unique(trajectory.episode):
        here = trajectory.episode == episode
        for axis, length in box.items():
            along = (here, slice(None), AXES.index(axis))
            position[along] = np.unwrap(position[along], period=length, axis=0)
    return replace(trajectory, position=position)


def described(jumps: Jumps) -> list[str]:
    """The jumps in words."""
    lines = []
    if jumps.box:
        lengths = ", ".join(f"{length:.4g} along {axis}" for axis, length in jumps.box.items())
        lines.append(f"{jumps.wrapped} jumps of one size: looks wrapped in a box of {lengths}")
        lines.append(
            "-> unwrap each episode before you use it (NumPy, for x: "
            "np.unwrap(position[..., 0], period=LENGTH, axis=0)); "
            "the motion below was measured on unwrapped positions"
        )
    if jumps.first:
        frame, point = jumps.first
        lines.append(
            f"{jumps.sudden} displacements beyond {SUDDEN:.0f} medians, "
            f"the first into frame {frame} by point {point}: "
            "look at them (points that changed names, gaps, starts of new trials?)"
        )
    return lines or ["no jumps"]
