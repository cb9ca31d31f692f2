"""Error against training samples: how far two curves lie apart along the axis of samples, and power
laws."""

from dataclasses import dataclass

import numpy as np

from equitraj.routes.bootstrap import Estimate, estimated


@dataclass(frozen=True)
class Factor:
    """A data factor. Attributes: estimate; bound, "" or, where the curves share no error, "more
    than" or "less than", which then bounds it and has no interval."""

    estimate: Estimate
    bound: str


def falling(log_error: np.ndarray) -> np.ndarray:
    """Curves (..., C) that never rise: more samples are not worse than fewer, but for noise."""
    return np.minimum.accumulate(log_error, axis=-1)


def sizes_at(level: np.ndarray, log_error: np.ndarray, log_size: np.ndarray) -> np.ndarray:
    """Log sizes (R, L) at which falling curves (R, C) reach levels (R, L), linear between the
    sizes.

    Above the first error it is the smallest size, below the last one the largest.
    """
    reached = log_error[:, None, :] <= level[..., None]  # (R, L, C)
    after = np.where(reached.any(-1), reached.argmax(-1), log_error.shape[-1] - 1)
    before = np.maximum(after - 1, 0)
    row = np.arange(len(log_error))[:, None]
    high, low = log_error[row, before], log_error[row, after]
    drop = high - low
    part = np.where(drop > 0, (high - level) / np.where(drop > 0, drop, 1), 1.0)
    return log_size[before] + np.clip(part, 0, 1) * (log_size[after] - log_size[before])


def distance(log_error: np.ndarray, log_size: np.ndarray, levels: int = 32) -> np.ndarray:
    """Log data factor of curves (R, 2, C), the route first: the mean over errors that both reach.

    Where they reach none in common it is the logarithm of the whole range of sizes, or minus that:
    a bound.
    """
    route, against = falling(log_error[:, 0]), falling(log_error[:, 1])
    top = np.minimum(route[:, 0], against[:, 0])
    bottom = np.maximum(route[:, -1], against[:, -1])
    level = bottom[:, None] + (top - bottom)[:, None] * np.linspace(0, 1, levels)
    apart = (sizes_at(level, against, log_size) - sizes_at(level, route, log_size)).mean(-1)
    whole = log_size[-1] - log_size[0]
    return np.where(bottom < top, apart, np.where(route[:, 0] < against[:, -1], whole, -whole))


def data_factor(
    route: np.ndarray, against: np.ndarray, sizes: np.ndarray, samples: np.ndarray
) -> Factor:
    """How many times as many training samples the model without a route needs for the same error.

    Args:
        route, against: (C, S, B), errors at C training sizes, rising, of the same seeds and blocks.
        sizes: (C,), training samples.
        samples: (B,), test samples of the blocks.
    """
    log_size, n = np.log(sizes), len(sizes)

    def statistic(log_error: np.ndarray) -> np.ndarray:
        curves = log_error.reshape(-1, 2, n)
        return distance(curves, log_size).reshape(log_error.shape[:-1])

    found = estimated(np.concatenate([route, against]), samples, statistic)
    whole = log_size[-1] - log_size[0]
    if abs(found.log) < whole:
        return Factor(found, "")
    return Factor(Estimate(found.log), "more than" if found.log > 0 else "less than")


def power_law(errors: np.ndarray, sizes: np.ndarray, samples: np.ndarray) -> tuple[Estimate, float]:
    """The exponent b of error ~ size^-b by least squares on logarithms of (C, S, B), and the
    largest factor by which the law misses one of the errors. The exponent is the `log` of the
    estimate."""
    centred = np.log(sizes) - np.log(sizes).mean()
    slope = -centred / (centred**2).sum()
    found = estimated(errors, samples, lambda log: log @ slope)
    with np.errstate(divide="ignore"):
        log = np.log(errors @ (samples / samples.sum())).mean(-1)
    missed = log - log.mean() + found.log * centred
    return found, float(np.exp(np.abs(missed).max()))
