"""Point 0 becomes the origin and the smallest rotation turns the vector from point 1 to 0 onto x.

In a plane this is the alignment of a textbook chapter (dmol-book, Input Data & Equivariances,
section 5.6). In three dimensions one vector does not determine the rotation about itself: only
rotations within the plane of planar data are removed, and the alignment makes no claim for
rotations in space. Where points 0 and 1 coincide, the axes of the world are kept.
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
        origin = newest[:, 0]
        neighbour = newest[:, 1]
        vector = origin - neighbour
        rotation = turn_onto_x(vector)
        return Frames.single(rotation, origin)
