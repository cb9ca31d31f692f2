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
    """Weights (V,) of the past: lag for the velocity where the task has it, else for the newest
    displacement."""
    displacement = target - view.newest
    motion = (view.past, displacement)
    coefficient = extrapolation_weights([motion], "velocity", view.lag)
    return {"coefficient": coefficient}


def fit_in_parts(
    hyperparameters: Hyperparameters, parts: Iterable[tuple[View, np.ndarray]]
) -> dict[str, np.ndarray]:
    """`fit` for samples that come in parts: the first one has the number of vectors."""
    first = next(iter(parts))
    view, target = first
    return fit(hyperparameters, view, target)
