"""Later positions of the points of training samples, the targets of short rollouts in training."""

import numpy as np

from equitraj.data.parts import Stored

# keys of the arrays of `futures` among a network's inputs; the network does not see them
FUTURE = "future"
LATER = "later"


def futures(
    position: np.ndarray | Stored, newest: np.ndarray, lag: int, steps: int
) -> dict[str, np.ndarray]:
    """Later positions of the points in samples whose newest frames are `newest` (S,).

    Returns `future` (S, steps + 1, N, 3), the displacements from the newest frame after 1, 2 ...
    times `lag` frames, and `later` (S,), how many of them after the first lead to targets of other
    samples. No other frames are used: the last of these displacements is repeated.
    """
    following = newest + lag * np.arange(1, steps + 1)[:, None]
    is_target = np.isin(following, newest)
    later = np.cumprod(is_target, axis=0).sum(0)
    ahead = np.minimum(np.arange(steps + 1), later[:, None])
    index = newest[:, None] + lag * (1 + ahead)
    frames, place = np.unique(index, return_inverse=True)
    place = place.reshape(index.shape)
    end = position[frames][place]
    start = position[newest]
    return {FUTURE: end - start[:, None], LATER: later}
