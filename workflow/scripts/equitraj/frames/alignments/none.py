"""No alignment: the model sees world coordinates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    translation: ClassVar[str] = "no"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """World axes and origin."""
        shape = (len(newest), 3)
        origin = np.zeros(shape)
        return Frames.world_axes(origin)
