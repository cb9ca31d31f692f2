"""No alignment: the model sees world coordinates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, identity


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    translation: ClassVar[str] = "no"

    def frames(
        self, position: np.ndarray, reference: np.ndarray | None = None, rng: np.random.Generator | None = None
    ) -> Frames:
        """World axes and origin."""
        return Frames.single(identity(position), np.zeros((len(position), 3)))
