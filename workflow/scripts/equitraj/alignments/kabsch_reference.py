"""The rotation that brings the points nearest to one frame of the training split, point by point.

Kabsch, Acta Cryst. A 32, 922 (1976) and 34, 827 (1978); for degenerate points see `axes.kabsch`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj import axes
from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """Options: frame, the index of the reference in the training split."""

    frame: int = 0

    rotation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = False

    def fit(self, position: np.ndarray) -> np.ndarray:
        """The reference (N, 3): frame `frame` of training positions (T, N, 3) about its mean.

        Raises:
            ValueError: there is no such frame.
        """
        if not 0 <= self.frame < len(position):
            raise ValueError(
                f"alignment kabsch_reference: frame: {self.frame}, but the training split has {len(position)} frames; "
                f"choose one from 0 to {len(position) - 1}"
            )
        return position[self.frame] - position[self.frame].mean(0)

    def frames(
        self, position: np.ndarray, reference: np.ndarray | None = None, rng: np.random.Generator | None = None
    ) -> Frames:
        """The Kabsch rotation of the newest points onto the reference, at their mean."""
        if reference is None:
            raise ValueError("alignment kabsch_reference: no reference; fit it on the training split first")
        newest = position[:, -1]
        return Frames.single(axes.kabsch(newest, reference[None]), newest.mean(1))
