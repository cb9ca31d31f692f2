"""Intervals over seeds and blocks of consecutive test samples, on the logarithm, and Holm's
correction.

A block holds test samples that follow each other, because neighbours in time err alike; the same
blocks and seeds are drawn for all methods that are compared, so that what they share cancels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as student

MIN_SEEDS = 3  # fewer say nothing about how far another seed may lie off
DRAWS = 400


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
        return float(np.exp(self.log))

    def half(self, level: float = 0.95) -> float:
        """Half the interval of the logarithm: the halves of both sources of chance, added in
        squares.

        Exact where one of them decides, and on the safe side of Satterthwaite's approximation,
        which covers too little where the seeds decide and are few (Graybill and Wang, JASA 75
        (1980) 869).
        """
        quantile = student.ppf((1 + level) / 2, self.freedom)
        return float(np.hypot(*(quantile * (self.by_seeds, self.by_blocks))))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Its interval, which is never negative; NaN without one."""
        half = self.half(level)
        return float(np.exp(self.log - half)), float(np.exp(self.log + half))

    @property
    def p(self) -> float:
        """Two-sided p of the quantity being 1: the level at which the interval reaches it; NaN
        without an interval."""
        if np.isnan(self.by_seeds) or self.by_seeds + self.by_blocks == 0:
            return float(self.log == 0) if self.by_seeds == 0 else np.nan
        tail = np.log(1e-15)
        outside = lambda log_p: abs(self.log) - self.half(1 - np.exp(log_p))  # noqa: E731
        if outside(0.0) <= 0:  # no difference but rounding
            return 1.0
        return 1e-15 if outside(tail) > 0 else float(np.exp(brentq(outside, tail, 0.0)))


def log_mean(errors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean over blocks, then the mean of its logarithm over seeds: (..., S, B) and weights (..., B)
    give (...)."""
    with np.errstate(divide="ignore"):
        return np.log(
            (errors * (weight / weight.sum(-1, keepdims=True))[..., None, :]).sum(-1)
        ).mean(-1)


def estimated(
    errors: np.ndarray,
    samples: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    draws: int = DRAWS,
) -> Estimate:
    """A statistic of log errors, with its standard errors from resampled seeds and resampled
    blocks.

    Seeds and blocks are crossed, each seed is tested on each block, so that their variances add;
    what both share is counted twice, which errs on the safe side (Owen, Ann. Appl. Stat. 1 (2007)
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
    value = statistic(log_mean(errors, samples))
    if n_seeds < MIN_SEEDS:
        return Estimate(float(value))
    with np.errstate(divide="ignore"):
        by_seed = np.log(errors @ (samples / samples.sum()))  # (C, S)
    counts = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), draws) / n_seeds
    over_seeds = statistic(counts @ by_seed.T)
    chosen = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), draws) * samples
    weight = chosen / chosen.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        over_blocks = statistic(np.log(np.einsum("csb,rb->rcs", errors, weight)).mean(-1))
    errors_of = [
        _deviation(values, n) for values, n in ((over_seeds, n_seeds), (over_blocks, n_blocks))
    ]
    return Estimate(float(value), *errors_of, (n_seeds - 1, max(n_blocks - 1, 1)))


def _deviation(values: np.ndarray, n: int) -> float:
    """Standard error from resamples of n values; one in which the statistic does not exist makes it
    unknown."""
    return (
        float(np.std(values) * np.sqrt(n / max(n - 1, 1))) if np.isfinite(values).all() else np.nan
    )


def ratio(route: np.ndarray, against: np.ndarray, samples: np.ndarray) -> Estimate:
    """How many times the error of `against` (S, B) is that of `route` (S, B), of the same seeds and
    blocks."""
    return estimated(np.stack([route, against]), samples, lambda log: log[..., 1] - log[..., 0])


def mean(errors: np.ndarray, samples: np.ndarray) -> Estimate:
    """The mean error over seeds and samples of (S, B), with its interval on the logarithm."""
    found = estimated(errors[None], samples, lambda log: log[..., 0])
    return replace(found, log=float(np.log((errors @ samples).mean() / samples.sum())))


def holm(p: np.ndarray) -> np.ndarray:
    """p values corrected for their number (Holm, Scand. J. Statist. 6 (1979) 65); NaN stays and is
    not counted."""
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected
