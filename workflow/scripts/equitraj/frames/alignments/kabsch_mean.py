"""The rotation that brings the points nearest to the mean shape of the training split.

The mean shape is that of generalised Procrustes analysis without scaling (Gower, Psychometrika 40,
33 (1975)): all training frames are turned onto the mean, the mean is taken again, until it stays.
"""

from dataclasses import dataclass

import numpy as np

from equitraj.data.tasks import spread
from equitraj.frames import axes
from equitraj.frames.alignments._kabsch import ToReference

ITERATIONS = 100
MOST = 20_000  # training frames that the mean is taken over, spread evenly where there are more
CONVERGED = 1e-9  # change of the mean shape, relative to its size


@dataclass(frozen=True)
class Alignment(ToReference):
    """None."""

    def fit(self, position: np.ndarray) -> np.ndarray:
        """The mean shape (N, 3) of training positions (T, N, 3), turned as the frame it starts
        from.

        It starts from the frame that spreads furthest along its second axis: points on a line would
        fix no turn. Of more than 20,000 frames as many are taken, spread evenly.
        """
        offset, _ = axes.centred(
            position[spread(len(position), MOST)] if len(position) > MOST else position
        )
        widths = np.linalg.svd(offset, compute_uv=False)
        mean = offset[np.argmax(widths[:, min(1, widths.shape[1] - 1)])]
        for _ in range(ITERATIONS):
            before, mean = mean, (offset @ axes.kabsch(offset, mean[None]).swapaxes(1, 2)).mean(0)
            if np.linalg.norm(mean - before) <= CONVERGED * np.linalg.norm(before):
                break
        return mean
