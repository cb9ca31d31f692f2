"""All principal axes: the mean over the sign flips that an eigensolver leaves open.

Puny et al., Frame Averaging for Invariant and Equivariant Network Design, ICLR 2022, section 3.1: 4
flips are proper rotations, and all 8 include reflections. Both signs of each axis are in the set,
so that no rule for signs is needed. Axes of equal spread are undetermined: their rows are zero in
every reference frame. For points in a plane the third axis is the cross product of the first two.
"""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames
from equitraj.frames.axes import principal_axes

FLIPS = np.array(list(product([1.0, -1.0], repeat=3)))  # (8, 3)


@dataclass(frozen=True)
class Alignment(Base):
    """Options: reflections, 8 frames that include reflections in place of 4 proper rotations."""

    reflections: bool = False

    rotation: ClassVar[str] = "exact"

    @property
    def reflection(self) -> str:
        """The same level as for rotations if the frames include reflections."""
        if self.reflections:
            return self.rotation
        return "no"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The principal axes of the newest points at their mean, with all signs, equal weights."""
        flips = FLIPS
        if not self.reflections:
            flips = FLIPS[FLIPS.prod(1) > 0]
        principal = principal_axes(newest)
        rotation = flips[:, :, None] * principal[:, None]
        weight = np.full(rotation.shape[:2], 1 / len(flips))
        return Frames(rotation, newest.mean(1), weight)
