"""What the alignments to a fitted reference share.

Kabsch, Acta Cryst. A 32, 922 (1976) and 34, 827 (1978); for degenerate points see `axes.kabsch`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, axes


@dataclass(frozen=True)
class ToReference(Base):
    """Subclasses say in `fit` what the reference (N, 3) is."""

    rotation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = False

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The Kabsch rotation of the newest points onto the reference, at their mean.

        Raises:
            ValueError: there is no reference.
        """
        if reference is None:
            name = type(self).__module__.split(".")[-1]
            raise ValueError(f"alignment {name}: no reference; fit it on the training split first")
        return Frames.single(axes.kabsch(newest, reference[None]), newest.mean(1))
