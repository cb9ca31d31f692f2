"""The chapter's linear map y = x W + b, with one 3 x 3 matrix and one scalar for all points, fitted
by least squares."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from equitraj.data.features import View

FRAMEWORK = "numpy"


@dataclass(frozen=True)
class Hyperparameters:
    """None."""


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims permutations only."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": True}


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """W (3, 3) and b () from newest points and targets (B, N, 3).

    The scalar b adds the same number to each coordinate, so it couples the three axes into one
    least-squares problem.
    """
    samples = (view, target)
    return fit_in_parts(hyperparameters, [samples])


def fit_in_parts(
    hyperparameters: Hyperparameters, parts: Iterable[tuple[View, np.ndarray]]
) -> dict[str, np.ndarray]:
    """`fit` for samples and targets that come in parts."""
    gram = np.zeros((10, 10))
    moment = np.zeros(10)
    for view, target in parts:
        x = view.newest.reshape(-1, 3)
        y = target.reshape(-1, 3)
        for axis in range(3):
            weights = slice(3 * axis, 3 * axis + 3)
            gram[weights, weights] += x.T @ x
            gram[weights, 9] += x.sum(0)
            moment[weights] += x.T @ y[:, axis]
        gram[9, 9] += 3 * len(x)
        moment[9] += y.sum()
    gram[9, :9] = gram[:9, 9]
    solution, *_ = np.linalg.lstsq(gram, moment, rcond=None)
    w = solution[:9].reshape(3, 3)
    return {"w": w.T, "b": solution[9]}


def apply(parameters: dict[str, np.ndarray], view: View) -> np.ndarray:
    """The displacement (B, N, 3) to x W + b."""
    w = parameters["w"]
    b = parameters["b"]
    predicted = view.newest @ w + b
    return predicted - view.newest
