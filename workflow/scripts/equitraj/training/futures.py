"""Where the points of training samples go later, for training on short rollouts."""

import numpy as np

from equitraj.data.parts import Stored

FUTURE, LATER = (
    "future",
    "later",
)  # the arrays of `futures` among a network's inputs, which it does not see


def futures(
    position: np.ndarray | Stored, newest: np.ndarray, lag: int, steps: int
) -> dict[str, np.ndarray]:
    """Where the points of samples with newest frames `newest` (S,) go.

    Returns `future` (S, steps + 1, N, 3), displacements from their newest frame after 1, 2 ...
    times `lag` frames, and `later` (S,), how many of the later ones are targets of other samples,
    so that nothing else is seen.
    """
    follows = np.cumprod([np.isin(newest + k * lag, newest) for k in range(1, steps + 1)], axis=0)
    later = follows.sum(0)
    index = newest[:, None] + lag * (1 + np.minimum(np.arange(steps + 1), later[:, None]))
    every, place = np.unique(index, return_inverse=True)
    whole, start = position[every][place.reshape(index.shape)], position[newest]
    return {FUTURE: whole - start[:, None], LATER: later}
