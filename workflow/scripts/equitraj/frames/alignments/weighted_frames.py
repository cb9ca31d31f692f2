"""Frames of pairs of points, weighted so that no small change of the input makes a jump.

Dym, Lawrence and Siegel, Equivariant Frames and the Impossibility of Continuous Canonicalization,
ICML 2024 (arXiv:2402.16077): no single frame is continuous on all point clouds, a weighted set is.
Each ordered pair (i, j) of points, seen from the mean, gives the Gram-Schmidt axes of x_i and x_j
with weight |x_i cross x_j|, which is zero where the pair determines no axes. The default pairs are
(i, i + 1) around the cycle of point names: N frames in place of N (N - 1).

Where all weights are zero (points on a line), each pair gives the one axis it determines, with
equal weights: the prediction stays on the line. There, and only there, the prediction can jump.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, axes

MIRROR = np.array([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Alignment(Base):
    """Options: all_pairs, all ordered pairs in place of neighbours in the order of names, so that
    the names do not matter; reflections, to add the mirror image of each frame."""

    all_pairs: bool = False
    reflections: bool = False

    rotation: ClassVar[str] = "exact"

    @property
    def reflection(self) -> str:
        """Exact where the mirror images are among the frames."""
        return "exact" if self.reflections else "no"

    @property
    def permutation(self) -> bool:
        """Whether all points are treated alike."""
        return self.all_pairs

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The weighted frames of the newest points at their mean."""
        offset, origin = axes.centred(newest)
        first, second = self._pairs(offset.shape[1])
        shortest = axes.resolution(newest)[:, None]
        rotation = axes.gram_schmidt(offset[:, first], offset[:, second], shortest)
        weight = _weights(rotation, offset[:, first], offset[:, second])
        if self.reflections:
            rotation = np.concatenate([rotation, MIRROR[:, None] * rotation], 1)
            weight = np.concatenate([weight, weight], 1) / 2
        return Frames(rotation, origin, weight)

    def _pairs(self, n_points: int) -> tuple[np.ndarray, np.ndarray]:
        if self.all_pairs and n_points > 1:
            return np.nonzero(~np.eye(n_points, dtype=bool))
        return np.arange(n_points), np.roll(np.arange(n_points), -1)


def _weights(rotation: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weights (B, F) that sum to 1, for axes (B, F, 3, 3) of the vectors (B, F, 3)."""
    complete = rotation[:, :, 2].any(-1)
    area = np.linalg.norm(np.cross(first, second), axis=-1) * complete
    weight = np.where(area.any(1, keepdims=True), area, 1.0)
    return weight / weight.sum(1, keepdims=True)
