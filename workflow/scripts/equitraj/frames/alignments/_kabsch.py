"""The base class of the alignments to a fitted reference.

Kabsch, Acta Cryst. A 32, 922 (1976) and 34, 827 (1978); for degenerate points see `axes.kabsch`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames
from equitraj.frames.axes import kabsch


@dataclass(frozen=True)
class ToReference(Base):
    """An alignment to a reference (N, 3), which the `fit` of a subclass returns."""

    rotation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = False

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The Kabsch rotation of the newest points onto the reference, at their mean.

        Raises:
            ValueError: there is no reference.
        """
        if reference is None:
            name = self.__module__.rpartition(".")[2]
            raise ValueError(f"alignment {name}: no reference; fit it on the training split first")
        rotation = kabsch(newest, reference[None])
        origin = newest.mean(1)
        return Frames.single(rotation, origin)
