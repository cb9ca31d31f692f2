"""The rotation that brings the points nearest to the mean shape of the training split.

The mean shape is the result of generalised Procrustes analysis without scaling (Gower,
Psychometrika 40, 33 (1975)): all training frames are rotated onto the mean and averaged again,
until the mean converges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.linalg import norm, svd

from equitraj.data.tasks import spread
from equitraj.frames.alignments._kabsch import ToReference
from equitraj.frames.axes import centred, kabsch

ITERATIONS = 100
MOST = 20_000  # upper bound on the training frames that are averaged
CONVERGED = 1e-9  # change of the mean shape, relative to its size


@dataclass(frozen=True)
class Alignment(ToReference):
    """None."""

    def fit(self, position: np.ndarray) -> np.ndarray:
        """The mean shape (N, 3) of training positions (T, N, 3), oriented as the initial frame.

        The initial frame is the one that spreads furthest along its second axis: points on a line
        would determine no rotation. Of more than 20,000 frames, 20,000 are used, evenly spread.
        """
        if len(position) > MOST:
            position = position[spread(len(position), MOST)]
        offset, _ = centred(position)
        widths = svd(offset, compute_uv=False)
        second = widths[:, min(1, widths.shape[1] - 1)]
        mean = offset[second.argmax()]
        for _ in range(ITERATIONS):
            before = mean
            rotation = kabsch(offset, before[None])
            mean = (offset @ rotation.mT).mean(0)
            if norm(mean - before) <= CONVERGED * norm(before):
                break
        return mean
