"""The symmetry audit of any function of plain arrays."""

from collections.abc import Iterable

import numpy as np

from equitraj.symmetry import function as functions
from equitraj.symmetry.function import Function, FunctionAudit


def audit(
    function: Function,
    positions: np.ndarray,
    claims: Iterable[str] = (),
    *,
    history: int = 1,
    lag: int = 1,
    samples: int = 64,
    elements: int = 64,
    precision: str = "float64",
    time_limit: float | None = None,
) -> FunctionAudit:
    """Measure the symmetry of a function from positions (B, K, N, 3) to positions (B, N, 3).

    The K frames of the input are in the order of time. `positions` (T, N, 2 or 3) is a trajectory:
    samples of `history` frames K are spread over it, and the function predicts the frame `lag`
    after the newest. `claims` are the symmetries that the function should have exactly, from
    rotation, rotation_z (about the third axis only), reflection, translation and permutation.
    `precision` is the precision of the computation.

    Printing the result gives the matrix; `.table` is a DataFrame with the columns of
    results/tables/audit.csv, `.figure()` the matrix of the report, `.broken` the claims that do not
    hold, `.notes` further observations. A function that changes its input is audited on copies, and
    a note reports it. A warning reports how long a slow function takes.

    Raises:
        ValueError: an unknown claim; too few frames; a function with different results for the same
            input, another shape, values that are not numbers or not finite; or a function that is
            too slow for `time_limit` (seconds).

    >>> import numpy, equitraj
    >>> walk = numpy.random.default_rng(0).normal(size=(100, 5, 3)).cumsum(0)
    >>> windy = lambda x: 2 * x[:, -1] - x[:, -2] + numpy.array([0.3, 0, 0])
    >>> equitraj.audit(windy, walk, ["rotation", "translation"], history=2, elements=8).broken
    ['rotation', 'rotation_z']
    """
    one_episode = np.zeros(len(positions), int)
    sample = functions.samples(positions, one_episode, history, lag, samples, "positions")
    return functions.audit(
        function,
        sample,
        claims,
        lag=lag,
        elements=elements,
        precision=precision,
        time_limit=time_limit,
    )
