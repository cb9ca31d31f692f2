"""Point 0 becomes the origin and the vector from point 1 to point 0 the x axis, by the smallest
rotation.

The chapter's alignment (dmol-book, Input Data & Equivariances, section 5.6) is this one in a plane.
In three dimensions one vector leaves the turn about itself open, so that only rotations within the
plane of planar data are removed: no claim for rotations in space. Where points 0 and 1 coincide the
axes are those of the world.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, turn_onto_x


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    permutation: ClassVar[bool] = False
    points_needed: ClassVar[int] = 2

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Axes along the newest vector from point 1 to point 0."""
        return Frames.single(turn_onto_x(newest[:, 0] - newest[:, 1]), newest[:, 0])
