"""Principal axes whose signs the third moments decide.

Each axis points to the side where the sum of the cubes of the coordinates along it is positive
(Bro, Acar and Kolda, J. Chemometrics 22, 135 (2008) decide by such a moment of the data). The third
axis is the cross product of the first two, so that no reflection enters. Where the cubes along one
axis cancel (points that mirror each other, or a plane) the other two give it as their cross
product; where they cancel along two, only the third of them is determined. Axes of equal spread are
undetermined. The frame jumps where a third moment changes its sign, and where two spreads cross.
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
        """Signed principal axes of the newest points at their mean."""
        offset, origin = axes.centred(newest)
        return Frames.single(
            signed(axes.principal_axes(newest), offset, axes.resolution(newest)), origin
        )


def signed(axis: np.ndarray, offset: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Right-handed axes (B, 3, 3) with the signs of the third moments of offsets (B, N, 3)."""
    along = offset @ axis.swapaxes(1, 2)
    second, third = (along**2).sum(1), (along**3).sum(1)
    # third / second is a length: where it is no longer than `shortest`, rounding would choose the
    # sign
    sign = np.where(np.abs(third) > shortest[:, None] * second, np.sign(third), 0.0)
    known = sign[..., None] * axis
    crossed = np.cross(
        np.roll(known, -1, axis=1), np.roll(known, -2, axis=1)
    )  # y x z, z x x, x x y
    replaced = sign == 0
    replaced[:, 2] |= (sign[:, :2] != 0).all(1)
    return np.where(replaced[..., None], crossed, known)
