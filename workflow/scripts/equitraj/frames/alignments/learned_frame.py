"""Axes that a network finds: two vectors, equivariant under rotations, and their Gram-Schmidt axes.

Kaba et al., Equivariance with Learned Canonicalization Functions, ICML 2023. The vector network is
a part of the trained network and sees the points relative to their mean. The part outside it,
`frames` here, only moves the origin to the mean.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from equitraj.base.allowed import Range
from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """Options: width, of the vector network's hidden layer."""

    width: Annotated[int, Range(1, 16_384)] = 16

    rotation: ClassVar[str] = "exact"
    learned: ClassVar[bool] = True

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes at the newest mean."""
        origin = newest.mean(1)
        return Frames.world_axes(origin)
