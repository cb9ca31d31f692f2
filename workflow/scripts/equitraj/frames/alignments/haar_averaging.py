"""The mean over random rotations, new ones for each sample: a Monte Carlo estimate of the mean over
the rotation group.

The mean over the whole group is equivariant whatever the model (Yarotsky, Constructive
Approximation 55, 407 (2022)); that over a few rotations drawn from the Haar measure is so in
expectation. The model is trained with the axes of the world: the average belongs to prediction.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.allowed import Range
from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """Options: rotations, how many are averaged in a prediction."""

    rotations: Annotated[int, Range(1, 10_000)] = 8

    rotation: ClassVar[str] = "in expectation"

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """Haar-random rotations about the newest mean, with equal weights."""
        rng = np.random.default_rng(0) if rng is None else rng
        shape = (len(position), self.rotations)
        rotation = Rotation.random(int(np.prod(shape)), rng=rng).as_matrix().reshape(*shape, 3, 3)
        return Frames(rotation, position[:, -1].mean(1), np.full(shape, 1 / self.rotations))

    def training_frames(self, position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes at the newest mean."""
        return Frames.world_axes(position[:, -1].mean(1))
