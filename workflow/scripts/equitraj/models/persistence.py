"""No motion: the next frame is the last one."""

from dataclasses import dataclass

import numpy as np

FRAMEWORK = "numpy"


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Every generator."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def fit(hyperparameters: Hyperparameters, position: np.ndarray, target: np.ndarray, lag: int) -> dict[str, np.ndarray]:
    """Nothing to fit."""
    return {}


def apply(parameters: dict[str, np.ndarray], newest: np.ndarray, past: np.ndarray) -> np.ndarray:
    """No displacement: zeros (B, N, 3)."""
    return np.zeros_like(newest)
