"""Frames of pairs of points, weighted so that no small change of the input makes a jump.

Dym, Lawrence and Siegel, Equivariant Frames and the Impossibility of Continuous Canonicalization,
ICML 2024 (arXiv:2402.16077): no single frame is continuous on all point clouds, but a weighted set
is. Each ordered pair (i, j) of points, relative to the mean, gives the Gram-Schmidt axes of x_i and
x_j with weight |x_i cross x_j|, which is zero where the pair determines no axes. The default pairs
are (i, i + 1) around the cycle of point names: N frames instead of N (N - 1).

Where all weights are zero (points on a line), each pair gives the one axis that it determines, with
equal weights: the prediction stays on the line. There, and only there, the prediction can jump.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.linalg import norm

from equitraj.frames import Base, Frames
from equitraj.frames.axes import centred, gram_schmidt, resolution

MIRROR = np.array([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Alignment(Base):
    """Options of the set of frames.

    all_pairs: all ordered pairs in place of neighbours in the order of names, so that the names do
    not matter; reflections: also the mirror image of each frame.
    """

    all_pairs: bool = False
    reflections: bool = False

    rotation: ClassVar[str] = "exact"

    @property
    def reflection(self) -> str:
        """Exact if the mirror images are among the frames."""
        return "exact" if self.reflections else "no"

    @property
    def permutation(self) -> bool:
        """Whether all points are treated alike."""
        return self.all_pairs

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The weighted frames of the newest points at their mean."""
        offset, origin = centred(newest)
        i, j = self._pairs(offset.shape[1])
        first = offset[:, i]
        second = offset[:, j]
        shortest = resolution(newest)[:, None]
        rotation = gram_schmidt(first, second, shortest)
        weight = _weights(rotation, first, second)
        if self.reflections:
            mirrored = MIRROR[:, None] * rotation
            rotation = np.concatenate([rotation, mirrored], 1)
            weight = np.concatenate([weight, weight], 1) / 2
        return Frames(rotation, origin, weight)

    def _pairs(self, n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices (F,) of the first and of the second point of each pair."""
        if self.all_pairs and n_points > 1:
            first, second = np.nonzero(~np.eye(n_points, dtype=bool))
            return first, second
        index = np.arange(n_points)
        return index, np.roll(index, -1)


def _weights(rotation: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weights (B, F) that sum to 1, for axes (B, F, 3, 3) of the vectors (B, F, 3)."""
    is_complete = rotation[:, :, 2].any(-1)
    area = norm(np.cross(first, second), axis=-1) * is_complete
    has_area = area.any(1, keepdims=True)
    weight = np.where(has_area, area, 1.0)
    return weight / weight.sum(1, keepdims=True)
