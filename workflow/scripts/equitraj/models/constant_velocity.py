"""Constant velocity: the last displacement is repeated."""

from dataclasses import dataclass

import numpy as np

from equitraj.features import extrapolation_weights

FRAMEWORK = "numpy"
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Every generator."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def fit(hyperparameters: Hyperparameters, position: np.ndarray, target: np.ndarray, lag: int) -> dict[str, np.ndarray]:
    """The weights (K - 1,) of the displacements: the newest one, lag times."""
    return {"coefficient": extrapolation_weights(position, target, "velocity", lag)}


def apply(parameters: dict[str, np.ndarray], newest: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Displacement (B, N, 3) after lag frames."""
    return np.einsum("k,bknc->bnc", parameters["coefficient"], past)
