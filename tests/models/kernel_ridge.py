"""Kernel ridge regression of scikit-learn on the past of each point, with a Gaussian kernel."""

from dataclasses import dataclass

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from equitraj.data.features import View

FRAMEWORK = "numpy"
ENVIRONMENT = "scikit"
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """Attributes: alpha, the regularisation; points, the largest number of them that is fitted to."""

    alpha: float = 1e-6
    points: int = 200


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Translations and permutations."""
    return {"rotation": False, "reflection": False, "translation": True, "permutation": True}


def seen(view: View) -> np.ndarray:
    """(B * N, 3 V): the past of each point."""
    return np.moveaxis(view.past, 1, 2).reshape(-1, 3 * view.past.shape[1])


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """The points fitted to, in units of their root mean square, and their coefficients."""
    features, moved = seen(view), (target - view.newest).reshape(-1, 3)
    chosen = np.linspace(0, len(features) - 1, min(hyperparameters.points, len(features))).astype(
        int
    )
    scale = np.sqrt(np.mean(features**2))
    ridge = KernelRidge(alpha=hyperparameters.alpha, kernel="rbf", gamma=0.1).fit(
        features[chosen] / scale, moved[chosen]
    )
    return {
        "points": features[chosen] / scale,
        "dual": ridge.dual_coef_,
        "scale": scale,
        "gamma": np.array(0.1),
    }


def apply(state: dict[str, np.ndarray], view: View) -> np.ndarray:
    """Displacement (B, N, 3)."""
    apart = seen(view)[:, None] / state["scale"] - state["points"]
    kernel = np.exp(-state["gamma"] * np.square(apart).sum(-1))
    return (kernel @ state["dual"]).reshape(view.newest.shape)
