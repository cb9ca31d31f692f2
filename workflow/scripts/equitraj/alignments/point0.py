"""Point 0 becomes the origin; the axes stay (dmol-book, Input Data & Equivariances, section 5.6)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, identity


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    permutation: ClassVar[bool] = False

    def frames(
        self, position: np.ndarray, reference: np.ndarray | None = None, rng: np.random.Generator | None = None
    ) -> Frames:
        """World axes at the newest place of point 0."""
        return Frames.single(identity(position), position[:, -1, 0])
