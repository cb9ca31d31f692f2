"""Linear autoregression on displacements: x_t+lag = x_t + sum_k a_k (x_t-k+1 - x_t-k), fitted by
least squares.

There is one coefficient for each past displacement, the same for every point and axis: the only
linear map of the displacements that commutes with every rotation, reflection and permutation and
treats the points as independent (Hamilton, Time Series Analysis, 1994, chapter 8, for the
estimator).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from equitraj.data.features import View, extrapolation_weights

FRAMEWORK = "numpy"
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """None: the order is the number of displacements that the task gives, history - 1."""


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims every generator."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """Coefficients (V,) of the past (B, V, N, 3), from targets (B, N, 3)."""
    samples = (view, target)
    return fit_in_parts(hyperparameters, [samples])


def fit_in_parts(
    hyperparameters: Hyperparameters, parts: Iterable[tuple[View, np.ndarray]]
) -> dict[str, np.ndarray]:
    """`fit` for samples and targets that come in parts."""
    motion = ((view.past, target - view.newest) for view, target in parts)
    coefficient = extrapolation_weights(motion, "autoregression", lag=1)
    return {"coefficient": coefficient}


def apply(parameters: dict[str, np.ndarray], view: View) -> np.ndarray:
    """The displacement (B, N, 3) after lag frames."""
    coefficient = parameters["coefficient"]
    return np.einsum("k,bknc->bnc", coefficient, view.past)
