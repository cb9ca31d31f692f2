"""All principal axes: the mean over the sign flips that an eigensolver leaves open.

Puny et al., Frame Averaging for Invariant and Equivariant Network Design, ICLR 2022, section 3.1: 4
flips make proper rotations, all 8 include reflections. Both signs of each axis are in the set, so
that no rule for signs is needed. Axes of equal spread are undetermined, and rows of zeros in every
frame. Points in a plane have the cross product of the first two axes as their third.
"""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, axes

FLIPS = np.array(list(product([1.0, -1.0], repeat=3)))  # (8, 3)


@dataclass(frozen=True)
class Alignment(Base):
    """Options: reflections, 8 frames that include reflections in place of 4 proper rotations."""

    reflections: bool = False

    rotation: ClassVar[str] = "exact"

    @property
    def reflection(self) -> str:
        """As for rotations where reflections are among the frames."""
        return self.rotation if self.reflections else "no"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The principal axes of the newest points at their mean, with all signs and equal weights."""
        flips = FLIPS if self.reflections else FLIPS[FLIPS.prod(1) > 0]
        rotation = flips[:, :, None] * axes.principal_axes(newest)[:, None]
        return Frames(rotation, newest.mean(1), np.full(rotation.shape[:2], 1 / len(flips)))
