"""Constant velocity: the last displacement is repeated."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from equitraj.data.features import View, extrapolation_weights
from equitraj.models.autoregression import apply, claims

__all__ = ["Hyperparameters", "apply", "claims", "fit", "fit_in_parts"]

FRAMEWORK = "numpy"
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """The weights (V,) of the past: the velocity where the task shows it, else the newest
    displacement; lag times."""
    return {
        "coefficient": extrapolation_weights(
            [(view.past, target - view.newest)], "velocity", view.lag
        )
    }


def fit_in_parts(
    hyperparameters: Hyperparameters, parts: Iterable[tuple[View, np.ndarray]]
) -> dict[str, np.ndarray]:
    """`fit`, of samples that come in parts: one of them tells how many vectors there are."""
    return fit(hyperparameters, *next(iter(parts)))
