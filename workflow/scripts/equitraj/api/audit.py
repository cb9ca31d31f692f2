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
    """Measure the symmetry of a function that maps positions (B, K, N, 3), newest last, to
    positions (B, N, 3).

    `positions` (T, N, 2 or 3) is a trajectory: samples of `history` frames K are spread over it,
    and the frame `lag` after the newest is what the function predicts. `claims` are those of
    rotation, rotation_z (about the third axis only), reflection, translation and permutation that
    the function should have exactly. `precision` is that in which it computes.

    Printing the result gives the matrix; `.table` is a DataFrame with the columns of
    results/tables/audit.csv, `.figure()` the matrix of the report, `.broken` the claims that do not
    hold, `.notes` what else was seen. A function that changes its input is audited on copies, and a
    note says so; of a slow one a warning says how long it takes.

    Raises:
        ValueError: an unknown claim; too few frames; a function that answers the same input
            differently, returns another shape, something that is no number or not finite; or one
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
