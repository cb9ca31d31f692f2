"""Point 0 becomes the origin; the axes stay.

dmol-book, Input Data & Equivariances, section 5.6.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    permutation: ClassVar[bool] = False

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes at the newest position of point 0."""
        origin = newest[:, 0]
        return Frames.world_axes(origin)
