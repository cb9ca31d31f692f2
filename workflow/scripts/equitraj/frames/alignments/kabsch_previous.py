"""The rotation that brings the newest points nearest to those of the frame before (`scipy` calls it
`align_vectors`).

It removes the turn since the previous frame and not the orientation: a rotated history gives the
same coordinates, rotated. Hence no claim for rotations. A history of one frame has no previous
frame: the axes are those of the world. Kabsch, Acta Cryst. A 32, 922 (1976); for degenerate points
see `axes.kabsch`.
"""

from dataclasses import dataclass

import numpy as np

from equitraj.frames import Base, Frames, axes


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """The Kabsch rotation of the newest points onto the previous ones, at the newest mean."""
        newest = position[:, -1]
        if position.shape[1] == 1:
            return Frames.world_axes(newest.mean(1))
        return Frames.single(axes.kabsch(newest, position[:, -2]), newest.mean(1))
