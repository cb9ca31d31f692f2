"""The mean of the points becomes the origin; the axes stay.

dmol-book, Input Data & Equivariances, section 5.6.
"""

from dataclasses import dataclass

import numpy as np

from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes at the mean of the newest points."""
        origin = newest.mean(1)
        return Frames.world_axes(origin)
