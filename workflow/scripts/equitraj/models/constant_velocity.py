"""Constant velocity: the last displacement is repeated."""

from dataclasses import dataclass

import numpy as np

from equitraj.data.features import extrapolation_weights
from equitraj.models.autoregression import apply, claims

__all__ = ["Hyperparameters", "apply", "claims", "fit"]

FRAMEWORK = "numpy"
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def fit(hyperparameters: Hyperparameters, position: np.ndarray, target: np.ndarray, lag: int) -> dict[str, np.ndarray]:
    """The weights (K - 1,) of the displacements: the newest one, lag times."""
    return {"coefficient": extrapolation_weights(position, target, "velocity", lag)}
