"""Confidence intervals on the logarithm, over seeds and blocks of samples; Holm's correction.

A block holds consecutive test samples, because errors of neighbours in time are correlated. The
same blocks and seeds are drawn for all methods that are compared, so that what they share cancels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as student

MIN_SEEDS = 3  # fewer do not show how much seeds differ
DRAWS = 400
SMALLEST_P = 1e-15
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """A quantity on the logarithm.

    Attributes: log, its value; by_seeds and by_blocks, its standard errors, NaN where there are too
    few seeds; freedom, the degrees of freedom of the two.
    """

    log: float
    by_seeds: float = np.nan
    by_blocks: float = np.nan
    freedom: tuple[int, int] = (1, 1)

    @property
    def value(self) -> float:
        """The quantity itself."""
        value = np.exp(self.log)
        return float(value)

    def half(self, level: float = 0.95) -> float:
        """Return half the width of the interval of the logarithm.

        The halves of both sources of chance are added in squares. It is exact where one of them
        dominates, and on the safe side of Satterthwaite's approximation, which covers too little
        where the seeds dominate and are few (Graybill and Wang, JASA 75 (1980) 869).
        """
        quantile = student.ppf((1 + level) / 2, self.freedom)
        halves = quantile * (self.by_seeds, self.by_blocks)
        return float(np.hypot(*halves))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval, which is never negative; NaN without one."""
        half = self.half(level)
        low = np.exp(self.log - half)
        high = np.exp(self.log + half)
        return float(low), float(high)

    @property
    def p(self) -> float:
        """Two-sided p value of the quantity 1: the level at which the interval reaches 1.

        It is NaN without an interval.
        """
        if np.isnan(self.by_seeds) or self.by_seeds + self.by_blocks == 0:
            return float(self.log == 0) if self.by_seeds == 0 else np.nan

        def outside(log_p: float) -> float:
            level = 1 - np.exp(log_p)
            return abs(self.log) - self.half(level)

        tail = np.log(SMALLEST_P)
        if outside(0.0) <= 0:  # no difference except rounding
            return 1.0
        if outside(tail) > 0:
            return SMALLEST_P
        root = brentq(outside, tail, 0.0)
        return float(np.exp(root))


def log_mean(errors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the mean over blocks, then the mean of its logarithm over seeds.

    Errors (..., S, B) and weights (..., B) give (...).
    """
    with np.errstate(divide="ignore"):
        share = weight / weight.sum(-1, keepdims=True)
        weighted = errors * share[..., None, :]
        by_seed = np.log(weighted.sum(-1))
        return by_seed.mean(-1)


def estimated(
    errors: np.ndarray, samples: np.ndarray, statistic: Statistic, draws: int = DRAWS
) -> Estimate:
    """Estimate a statistic of log errors, with standard errors from resampled seeds and blocks.

    Seeds and blocks are crossed (each seed is tested on each block), so that their variances add.
    What both share is counted twice, which errs on the safe side (Owen, Ann. Appl. Stat. 1 (2007)
    386, section 4). A bootstrap of n values underestimates a variance by (n - 1) / n, which is
    corrected.

    Args:
        errors: (C, S, B), mean square errors of C cells (methods times training sizes), S seeds and
        B blocks.
        samples: (B,), test samples in each block.
        statistic: of log errors (..., C), a value (...).
    """
    _, n_seeds, n_blocks = errors.shape
    rng = np.random.default_rng(0)
    value = float(statistic(log_mean(errors, samples)))
    if n_seeds < MIN_SEEDS:
        return Estimate(value)
    with np.errstate(divide="ignore"):
        by_seed = np.log(errors @ (samples / samples.sum()))  # (C, S)
    counts = _counts(n_seeds, draws, rng) / n_seeds
    over_seeds = statistic(counts @ by_seed.T)
    weight = _counts(n_blocks, draws, rng) * samples
    share = weight / weight.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_error = np.log(np.einsum("csb,rb->rcs", errors, share))
        over_blocks = statistic(log_error.mean(-1))
    by_seeds = _deviation(over_seeds, n_seeds)
    by_blocks = _deviation(over_blocks, n_blocks)
    freedom = (n_seeds - 1, max(n_blocks - 1, 1))
    return Estimate(value, by_seeds, by_blocks, freedom)


def _counts(n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw how often each of n values occurs in a resample: (draws, n)."""
    even = np.full(n, 1 / n)
    return rng.multinomial(n, even, draws)


def _deviation(values: np.ndarray, n: int) -> float:
    """Return the standard error from resamples of n values.

    It is NaN if the statistic does not exist in one of them.
    """
    exists = np.isfinite(values)
    if not exists.all():
        return np.nan
    freedom = max(n - 1, 1)
    correction = np.sqrt(n / freedom)
    deviation = np.std(values) * correction
    return float(deviation)


def ratio(route: np.ndarray, against: np.ndarray, samples: np.ndarray) -> Estimate:
    """Estimate the ratio of the error of `against` (S, B) to the error of `route` (S, B).

    Both have the same seeds and blocks.
    """
    errors = np.stack([route, against])
    return estimated(errors, samples, _difference)


def _difference(log: np.ndarray) -> np.ndarray:
    first = log[..., 0]
    second = log[..., 1]
    return second - first


def _only(log: np.ndarray) -> np.ndarray:
    return log[..., 0]


def mean(errors: np.ndarray, samples: np.ndarray) -> Estimate:
    """Estimate the mean of errors (S, B) over seeds and samples, on the logarithm."""
    estimate = estimated(errors[None], samples, _only)
    total = (errors @ samples).mean()
    log = np.log(total / samples.sum())
    return replace(estimate, log=float(log))


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values for multiple comparisons (Holm, Scand. J. Statist. 6 (1979) 65).

    NaN stays and is not counted.
    """
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    factors = np.arange(len(order), 0, -1)
    largest = np.maximum.accumulate(p[order] * factors)
    corrected[order] = np.minimum(1, largest)
    return corrected
