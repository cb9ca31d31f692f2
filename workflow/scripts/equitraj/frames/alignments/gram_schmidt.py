"""Axes from chosen points by Gram-Schmidt orthogonalisation.

Three points: the first is the origin, x points to the second, the third lies in the half-plane of
positive y. Two points: the origin is the centre of mass, and the vectors are those from it to the
two points. z = x cross y. This is how a protein's backbone frames are built (Jumper et al., Nature
596, 583 (2021), supplement, algorithm 21).

Where the vectors are parallel, y and z are undetermined; where the first is zero, x and z are.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from equitraj.base.allowed import Indices
from equitraj.frames import Base, Frames, axes


@dataclass(frozen=True)
class Alignment(Base):
    """Options: points, two or three indices of points."""

    points: Annotated[tuple, Indices(2, 3)] = (0, 1, 2)

    rotation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = False

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Axes from the newest places of the chosen points.

        Raises:
            ValueError: a chosen point does not exist.
        """
        if max(self.points) >= newest.shape[1]:
            raise ValueError(
                f"alignment gram_schmidt: points: {self.points}, but the data have {newest.shape[1]} points; choose "
                f"indices from 0 to {newest.shape[1] - 1}"
            )
        chosen = newest[:, list(self.points)]
        origin = chosen[:, 0] if len(self.points) == 3 else newest.mean(1)
        first, second = chosen[:, -2] - origin, chosen[:, -1] - origin
        return Frames.single(axes.gram_schmidt(first, second, axes.resolution(newest)), origin)
