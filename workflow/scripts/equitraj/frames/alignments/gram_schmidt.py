"""Axes from chosen points by Gram-Schmidt orthogonalisation.

With three points, the first is the origin, x points to the second, and the third lies in the
half-plane of positive y. With two points, the origin is the centre of mass, and the two vectors
point from there to the two points. In both cases z = x cross y. The backbone frames of proteins are
built in this way (Jumper et al., Nature 596, 583 (2021), supplement, algorithm 21).

Where the vectors are parallel, y and z are undetermined; where the first is zero, x and z are.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from equitraj.base.allowed import Indices
from equitraj.frames import Base, Frames
from equitraj.frames.axes import gram_schmidt, resolution


@dataclass(frozen=True)
class Alignment(Base):
    """Options: points, two or three indices of points."""

    points: Annotated[tuple, Indices(2, 3)] = (0, 1, 2)

    rotation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = False

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Axes from the newest positions of the chosen points.

        Raises:
            ValueError: a chosen point does not exist.
        """
        n_points = newest.shape[1]
        if max(self.points) >= n_points:
            raise ValueError(
                f"alignment gram_schmidt: points: {self.points}, but the data have {n_points} "
                f"points; choose indices from 0 to {n_points - 1}"
            )
        chosen = newest[:, list(self.points)]
        origin = chosen[:, 0] if len(self.points) == 3 else newest.mean(1)
        first = chosen[:, -2] - origin
        second = chosen[:, -1] - origin
        shortest = resolution(newest)
        rotation = gram_schmidt(first, second, shortest)
        return Frames.single(rotation, origin)
