"""The mean becomes the origin and the principal axes the axes, with the signs that the eigensolver
happens to return.

The chapter's alignment (dmol-book, Input Data & Equivariances, section 5.6; Foote and Raman, PNAS
97, 978 (2000)), which the chapter says removes rotations. The axes are the eigenvectors of the
second moments in order of decreasing eigenvalue; the third is the cross product of the first two,
so that no reflection enters. Nothing fixes the signs of the first two: the claim for rotations is
the chapter's, and the audit tests it. Axes of equal spread are undetermined, which the chapter does
not consider; on points that have such axes even a translation can flip the sign of another.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames, axes


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    rotation: ClassVar[str] = "exact"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Principal axes of the newest points at their mean."""
        offset, origin = axes.centred(newest)
        _, vectors = np.linalg.eigh(axes.finite(offset.swapaxes(1, 2) @ offset))
        first, second = vectors[..., 2], vectors[..., 1]
        determined = axes.principal_axes(newest).any(-1, keepdims=True)
        return Frames.single(
            determined * np.stack([first, second, np.cross(first, second)], 1), origin
        )
