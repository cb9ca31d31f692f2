"""The mean becomes the origin and the principal axes the axes, with the eigensolver's signs.

The alignment of a textbook chapter (dmol-book, Input Data & Equivariances, section 5.6; Foote and
Raman, PNAS 97, 978 (2000)), which states that it removes rotations. The axes are the eigenvectors
of the second moments in order of decreasing eigenvalue. The third is the cross product of the first
two, so that no reflection occurs. The signs of the first two are arbitrary: the claim for rotations
is the chapter's, and the audit tests it. Axes of equal spread are undetermined, a case that the
chapter does not consider; on points with such axes even a translation can flip the sign of another.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.linalg import eigh

from equitraj.frames import Base, Frames
from equitraj.frames.axes import centred, finite, principal_axes


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    rotation: ClassVar[str] = "exact"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Principal axes of the newest points at their mean."""
        offset, origin = centred(newest)
        _, vectors = eigh(finite(offset.mT @ offset))
        determined = principal_axes(newest).any(-1, keepdims=True)
        first = vectors[..., 2]
        second = vectors[..., 1]
        third = np.cross(first, second)
        rotation = determined * np.stack([first, second, third], 1)
        return Frames.single(rotation, origin)
