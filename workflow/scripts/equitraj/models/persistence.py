"""No motion: the prediction is the last frame."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from equitraj.data.features import View

FRAMEWORK = "numpy"


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims every generator."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """No parameters."""
    return {}


def fit_in_parts(
    hyperparameters: Hyperparameters, parts: Iterable[tuple[View, np.ndarray]]
) -> dict[str, np.ndarray]:
    """No parameters."""
    return {}


def apply(parameters: dict[str, np.ndarray], view: View) -> np.ndarray:
    """Zero displacement (B, N, 3)."""
    return np.zeros_like(view.newest)
