"""Learning curves: the distance of two curves along the axis of sizes, and power laws."""

from dataclasses import dataclass

import numpy as np

from equitraj.routes.bootstrap import Estimate, estimated


@dataclass(frozen=True)
class Factor:
    """A data factor.

    Attributes: estimate; bound, "" or, where the curves have no error in common, "more than" or
    "less than": the estimate is then a bound and has no interval.
    """

    estimate: Estimate
    bound: str


def sizes_at(level: np.ndarray, log_error: np.ndarray, log_size: np.ndarray) -> np.ndarray:
    """Return log sizes (R, L) at which falling curves (R, C) reach levels (R, L).

    Between two sizes they are interpolated linearly. It is the smallest size above the first error,
    and the largest size below the last error.
    """
    n_curves, n_sizes = log_error.shape
    reached = log_error[:, None, :] <= level[..., None]  # (R, L, C)
    is_reached = reached.any(-1)
    after = np.where(is_reached, reached.argmax(-1), n_sizes - 1)
    before = np.maximum(after - 1, 0)
    row = np.arange(n_curves)[:, None]
    high = log_error[row, before]
    drop = high - log_error[row, after]
    falls = drop > 0
    divisor = np.where(falls, drop, 1)
    fraction = np.where(falls, (high - level) / divisor, 1.0)
    start = log_size[before]
    step = log_size[after] - start
    return start + np.clip(fraction, 0, 1) * step


def distance(log_error: np.ndarray, log_size: np.ndarray, levels: int = 32) -> np.ndarray:
    """Return the log data factor of curves (R, 2, C), the route first.

    It is the mean over errors that both curves reach. Where they have no error in common it is plus
    or minus the logarithm of the whole range of sizes: a bound.
    """
    # without noise, more samples are not worse than fewer
    falling = np.minimum.accumulate(log_error, axis=-1)
    route = falling[:, 0]
    against = falling[:, 1]
    top = np.minimum(route[:, 0], against[:, 0])
    bottom = np.maximum(route[:, -1], against[:, -1])
    height = top - bottom
    spacing = np.linspace(0, 1, levels)
    level = bottom[:, None] + height[:, None] * spacing
    route_size = sizes_at(level, route, log_size)
    against_size = sizes_at(level, against, log_size)
    apart = against_size - route_size
    whole = log_size[-1] - log_size[0]
    bound = np.where(route[:, 0] < against[:, -1], whole, -whole)
    return np.where(bottom < top, apart.mean(-1), bound)


def data_factor(
    route: np.ndarray, against: np.ndarray, sizes: np.ndarray, samples: np.ndarray
) -> Factor:
    """Estimate the ratio of training samples without and with a route for the same error.

    Args:
        route, against: (C, S, B), errors at C training sizes, rising, of the same seeds and blocks.
        sizes: (C,), training samples.
        samples: (B,), test samples of the blocks.
    """
    log_size = np.log(sizes)

    def statistic(log_error: np.ndarray) -> np.ndarray:
        curves = log_error.reshape(-1, 2, len(sizes))
        factor = distance(curves, log_size)
        return factor.reshape(log_error.shape[:-1])

    errors = np.concatenate([route, against])
    estimate = estimated(errors, samples, statistic)
    whole = log_size[-1] - log_size[0]
    if abs(estimate.log) < whole:
        return Factor(estimate, "")
    bound = "more than" if estimate.log > 0 else "less than"
    return Factor(Estimate(estimate.log), bound)


def power_law(errors: np.ndarray, sizes: np.ndarray, samples: np.ndarray) -> tuple[Estimate, float]:
    """Fit the exponent b of error ~ size^-b to errors (C, S, B) by least squares on logarithms.

    Returns:
        The estimate, whose `log` is the exponent, and the largest factor by which the law misses
        one of the errors.
    """
    log_size = np.log(sizes)
    centred = log_size - log_size.mean()
    slope = -centred / (centred**2).sum()
    estimate = estimated(errors, samples, lambda log: log @ slope)
    share = samples / samples.sum()
    with np.errstate(divide="ignore"):
        log = np.log(errors @ share).mean(-1)
    missed = log - log.mean() + estimate.log * centred
    largest = np.abs(missed).max()
    return estimate, float(np.exp(largest))
