"""The rotation that brings the points nearest to one frame of the training split, point by point.

Kabsch, Acta Cryst. A 32, 922 (1976) and 34, 827 (1978); for degenerate points see `axes.kabsch`.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from equitraj.base.allowed import Range
from equitraj.frames.alignments._kabsch import ToReference


@dataclass(frozen=True)
class Alignment(ToReference):
    """Options: frame, the index of the reference in the training split."""

    frame: Annotated[int, Range(0)] = 0

    def fit(self, position: np.ndarray) -> np.ndarray:
        """The reference (N, 3): frame `frame` of training positions (T, N, 3) about its mean.

        Raises:
            ValueError: there is no such frame.
        """
        n_frames = len(position)
        if self.frame >= n_frames:
            raise ValueError(
                f"alignment kabsch_reference: frame: {self.frame}, but the training split has "
                f"{n_frames} frames; choose one from 0 to {n_frames - 1}"
            )
        reference = position[self.frame]
        return reference - reference.mean(0)
