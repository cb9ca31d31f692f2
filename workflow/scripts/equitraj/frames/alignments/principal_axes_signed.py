"""Principal axes whose signs the third moments decide.

Each axis points to the side where the sum of the cubes of the coordinates along it is positive
(Bro, Acar and Kolda, J. Chemometrics 22, 135 (2008) decide by such a moment of the data). The third
axis is the cross product of the first two, so that no reflection occurs. Where the cubes cancel
along one axis (points that mirror each other, or a plane), this axis is the cross product of the
other two. Where they cancel along two axes, only the third axis is determined. Axes of equal spread
are undetermined. The reference frame jumps where a third moment changes its sign, and where two
spreads cross.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Base, Frames
from equitraj.frames.axes import centred, principal_axes, resolution


@dataclass(frozen=True)
class Alignment(Base):
    """None."""

    rotation: ClassVar[str] = "exact"

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """Signed principal axes of the newest points at their mean."""
        offset, origin = centred(newest)
        principal = principal_axes(newest)
        shortest = resolution(newest)
        rotation = signed(principal, offset, shortest)
        return Frames.single(rotation, origin)


def signed(axis: np.ndarray, offset: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Right-handed axes (B, 3, 3) with the signs of the third moments of offsets (B, N, 3).

    Rounding would choose the sign where the ratio of third to second moment, which is a length, is
    no longer than `shortest` (B,).
    """
    along = offset @ axis.mT
    second = (along**2).sum(1)
    third = (along**3).sum(1)
    is_known = np.abs(third) > shortest[:, None] * second
    sign = np.where(is_known, np.sign(third), 0.0)
    known = sign[..., None] * axis
    following = np.roll(known, -1, axis=1)
    last = np.roll(known, -2, axis=1)
    crossed = np.cross(following, last)  # y x z, z x x, x x y
    replaced = sign == 0
    replaced[:, 2] |= (sign[:, :2] != 0).all(1)
    return np.where(replaced[..., None], crossed, known)
