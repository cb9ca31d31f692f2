"""The rotation that brings the newest points nearest to the points of the previous frame.

It removes the rotation since the previous frame, but not the orientation: a rotated history gives
the same coordinates, rotated. The alignment therefore makes no claim for rotations. A history of
one frame has no previous frame: the axes of the world are kept. Kabsch, Acta Cryst. A 32, 922
(1976); `align_vectors` in SciPy. For degenerate points see `axes.kabsch`.
"""

from dataclasses import dataclass

import numpy as np

from equitraj.frames import Base, Frames
from equitraj.frames.axes import kabsch


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
        origin = newest.mean(1)
        n_frames = position.shape[1]
        if n_frames == 1:
            return Frames.world_axes(origin)
        previous = position[:, -2]
        rotation = kabsch(newest, previous)
        return Frames.single(rotation, origin)
