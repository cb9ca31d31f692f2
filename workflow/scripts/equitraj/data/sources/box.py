"""Points followed from frame to frame across the faces of a periodic box.

The points are followed in fractional coordinates of the box. A point that moves by more than half a
box vector between two frames has crossed a face and gets that vector back. Shifts are counted in
whole box vectors, so a wrapped trajectory in a box that changes keeps its lattice (Kulke and
Vermaas, J. Chem. Theory Comput. 18, 6161 (2022)). `NoJump` of MDAnalysis uses the same algorithm;
this module computes it in float64.
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from equitraj.data.checks import check_box

Frame = TypeVar("Frame")
MEND = (
    "set `unwrap: true` in the source to follow the points across the box, "
    "or `unwrap: false` to keep the positions unchanged"
)


class Follower:
    """Follow points across the faces of a box, frame by frame.

    Args:
        name: of the file, for messages.
        unwrap: True removes jumps from the positions, None raises an error at a jump, False keeps
            the positions unchanged.
    """

    def __init__(self, name: str, unwrap: bool | None):
        self.name = name
        self.unwrap = unwrap
        self.shift = np.zeros(3)
        self.fractional: np.ndarray | None = None  # coordinates of the previous frame

    def __call__(
        self,
        position: np.ndarray,
        box: np.ndarray | None,
        frame: int,
        whole: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the continuous positions (N, 3) of the next frame.

        Args:
            position: (N, 3).
            box: box vectors as rows (3, 3), zeros along a direction without a box; None for no box.
            frame: number of the frame, for messages.
            whole: positions (N, 3) of the first frame in which no molecule is cut by a face.

        Raises:
            ValueError: a point jumps and `unwrap` is None.
        """
        if box is None or not box.any() or self.unwrap is False:
            return position
        box, is_periodic = filled(box)
        to_fractional = np.linalg.inv(box)
        fractional = position @ to_fractional
        if self.fractional is not None:
            crossed = np.round(fractional - self.fractional) * is_periodic
            self._check_jumps(crossed, frame)
            self.shift = self.shift - crossed
        elif self.unwrap and whole is not None:
            self.shift = np.round((whole - position) @ to_fractional) * is_periodic
        self.fractional = fractional
        return position + self.shift @ box

    def _check_jumps(self, crossed: np.ndarray, frame: int) -> None:
        if self.unwrap is None and crossed.any():
            point = np.argwhere(crossed)[0, 0]
            raise ValueError(
                f"{self.name}: point {point} jumps by more than half the periodic box "
                f"between frames {frame - 1} and {frame}; {MEND}"
            )


def followed_box(boxes: list | np.ndarray, source: dict) -> np.ndarray | None:
    """The boxes (T, 3, 3) of followed points; None without a box or with `unwrap: false`."""
    boxes = np.asarray(boxes)
    is_unused = source.get("unwrap") is False
    return None if is_unused or not boxes.any() else boxes


def follow(
    position: np.ndarray, episode: np.ndarray, name: str, source: dict
) -> tuple[np.ndarray, np.ndarray | None]:
    """Follow positions (T, N, 3) through the `box` of a source, episode by episode.

    Returns:
        The continuous positions (T, N, 3) and the box (T, 3, 3).

    Raises:
        ValueError: a box without volume, planar positions, or a jump if the source has no `unwrap`.
    """
    n_frames, _, dimension = position.shape
    box = np.array(source["box"], np.float64)
    if box.ndim == 1:
        box = np.diag(box)
    if dimension != 3:
        raise ValueError(
            f"{name}: a periodic box needs points in 3-D, not in {dimension}-D; leave `box:` out"
        )
    check_box(name, box)
    unwrap = source.get("unwrap")
    followed = np.empty_like(position)
    for number in np.unique(episode):
        follower = Follower(name, unwrap)
        for frame in np.flatnonzero(episode == number).tolist():
            followed[frame] = follower(position[frame], box, frame)
    boxes = np.broadcast_to(box, (n_frames, 3, 3))
    return followed, followed_box(boxes, source)


def filled(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace box vectors of zeros by unit vectors.

    Returns:
        Three box vectors as rows (3, 3), and which of them (3,) are periodic.
    """
    is_periodic = np.any(box, axis=1)
    if is_periodic.all():
        return box, is_periodic
    _, _, directions = np.linalg.svd(box)
    n_periodic = is_periodic.sum()
    filled = box.copy()
    # the last directions are orthonormal and perpendicular to all box vectors
    filled[~is_periodic] = directions[n_periodic:]
    return filled, is_periodic


def strided(frames: Iterator[Frame], source: dict) -> Iterator[tuple[int, Frame, bool]]:
    """Yield the frames from `start` to `stop` of a source.

    Each frame comes with its number, and with whether `stride` keeps it.
    """
    start, stop, stride = frame_range(source)
    for number, frame in enumerate(frames):
        if stop is not None and number >= stop:
            return
        since_start = number - start
        if since_start >= 0:
            is_kept = since_start % stride == 0
            yield number, frame, is_kept


def frame_range(source: dict) -> tuple[int, int | None, int]:
    """`start`, `stop` and `stride` of a source."""
    start = source.get("start", 0)
    stop = source.get("stop")
    stride = source.get("stride", 1)
    return start, stop, stride
