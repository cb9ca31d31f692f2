"""The mean over random rotations, drawn anew for each sample.

It is a Monte Carlo estimate of the mean over the rotation group. The mean over the whole group is
equivariant for every model (Yarotsky, Constructive Approximation 55, 407 (2022)); the mean over a
few rotations drawn from the Haar measure is equivariant in expectation. The model is trained in the
axes of the world: the average belongs to prediction.
"""

from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.allowed import Range
from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """Options: rotations, the number of rotations that are averaged in a prediction."""

    rotations: Annotated[int, Range(1, 10_000)] = 8

    rotation: ClassVar[str] = "in expectation"

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """Haar-random rotations about the newest mean, with equal weights."""
        rng = rng or np.random.default_rng(0)
        shape = (len(position), self.rotations)
        drawn = Rotation.random(prod(shape), rng=rng)
        rotation = drawn.as_matrix().reshape(*shape, 3, 3)
        newest = position[:, -1]
        weight = np.full(shape, 1 / self.rotations)
        return Frames(rotation, newest.mean(1), weight)

    def training_frames(self, position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes at the newest mean."""
        newest = position[:, -1]
        origin = newest.mean(1)
        return Frames.world_axes(origin)
