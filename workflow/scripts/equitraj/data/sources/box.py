"""Points followed from frame to frame across the faces of a periodic box, in its fractional
coordinates.

A point that moved by more than half a box vector between two frames has crossed a face, and gets
that vector back. With the shifts counted in whole box vectors, a wrapped trajectory in a box that
changes keeps its lattice (Kulke and Vermaas, J. Chem. Theory Comput. 18, 6161 (2022)), as `NoJump`
of MDAnalysis does it, here in float64.
"""

from collections.abc import Iterator

import numpy as np

from equitraj.data.checks import check_box

MEND = "set `unwrap: true` in the source to follow the points across the box, or `unwrap: false` to take them as they are"


class Follower:
    """Follows points across the faces of a box, frame by frame.

    Args:
        name: of the file, for messages.
        unwrap: True gives positions without jumps; None refuses a jump; False takes positions as
        they are.
    """

    def __init__(self, name: str, unwrap: bool | None):
        self.name, self.unwrap = name, unwrap
        self.fractional: np.ndarray | None = None
        self.shift: np.ndarray | None = None

    def __call__(
        self,
        position: np.ndarray,
        box: np.ndarray | None,
        frame: int,
        whole: np.ndarray | None = None,
    ) -> np.ndarray:
        """The continuous positions (N, 3) of the next frame.

        `box` has the box vectors as rows (3, 3), a row of zeros where there is no box along it, or
        is None. `whole` has the positions (N, 3) of the first frame with no molecule cut by a face.

        Raises:
            ValueError: a jump, where `unwrap` is None.
        """
        if box is None or not box.any() or self.unwrap is False:
            return position
        box, periodic = filled(box)
        fractional = position @ np.linalg.inv(box)
        if self.fractional is None:
            self.shift = np.zeros_like(position)
            if self.unwrap and whole is not None:
                self.shift = np.round((whole - position) @ np.linalg.inv(box)) * periodic
        else:
            crossed = np.round(fractional - self.fractional) * periodic
            if crossed.any() and self.unwrap is None:
                raise ValueError(
                    f"{self.name}: point {np.argwhere(crossed)[0, 0]} jumps by more than half the periodic box between "
                    f"frames {frame - 1} and {frame}; {MEND}"
                )
            self.shift = self.shift - crossed
        self.fractional = fractional
        return position + self.shift @ box


def followed_box(boxes: list | np.ndarray, source: dict) -> np.ndarray | None:
    """The boxes (T, 3, 3) of a trajectory whose points were followed; None where there is none, or
    `unwrap: false`."""
    boxes = np.asarray(boxes)
    return boxes if boxes.any() and source.get("unwrap") is not False else None


def follow(
    position: np.ndarray, episode: np.ndarray, name: str, source: dict
) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions (T, N, 3) followed through the `box` of a source, episode by episode, and the box
    (T, 3, 3).

    Raises:
        ValueError: a box without volume, planar positions, or a jump that the source does not say
        to follow.
    """
    box = np.array(source["box"], np.float64)
    box = np.diag(box) if box.ndim == 1 else box
    if position.shape[-1] != 3:
        raise ValueError(
            f"{name}: a periodic box needs points in 3-D, not in {position.shape[-1]}-D; leave `box:` out"
        )
    check_box(name, box)
    followed = np.empty_like(position)
    for number in np.unique(episode):
        follower = Follower(name, source.get("unwrap"))
        for frame in np.flatnonzero(episode == number):
            followed[frame] = follower(position[frame], box, frame)
    return followed, followed_box(np.broadcast_to(box, (len(position), 3, 3)), source)


def filled(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box vectors with unit vectors where there is no box, and which of them (3,) are periodic."""
    periodic = box.any(axis=1)
    if periodic.all():
        return box, periodic
    free = np.linalg.svd(box)[2][periodic.sum() :]  # orthonormal, across all box vectors
    filled = box.copy()
    filled[~periodic] = free
    return filled, periodic


def strided(frames: Iterator, source: dict) -> Iterator[tuple[int, object, bool]]:
    """The frames from `start` to `stop` of a source, each with its number and whether `stride`
    keeps it."""
    start, stop, stride = frame_range(source)
    for number, frame in enumerate(frames):
        if stop is not None and number >= stop:
            return
        if number >= start:
            yield number, frame, (number - start) % stride == 0


def frame_range(source: dict) -> tuple[int, int | None, int]:
    """`start`, `stop` and `stride` of a source."""
    return source.get("start", 0), source.get("stop"), source.get("stride", 1)
