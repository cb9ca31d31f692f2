"""The chapter's baseline: y = x W + b, trained from zero weights by gradient descent in float32,
one sample at a time in time order."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import View
from equitraj.models.linear_least_squares import apply, claims

__all__ = ["Hyperparameters", "apply", "claims", "fit"]

FRAMEWORK = "jax"


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: epochs, passes over the training samples; learning_rate, the step of each
    update."""

    epochs: Annotated[int, Range(1, 1_000_000)] = 12
    learning_rate: Annotated[float, Range(above=0)] = 1e-6


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """W (3, 3) and b () from newest points and targets (B, N, 3)."""
    import jax
    import jax.numpy as jnp

    def loss(weights: tuple, x: jax.Array, y: jax.Array) -> jax.Array:
        w, b = weights
        error = x @ w + b - y
        return jnp.mean(error**2)

    def updated(weight: jax.Array, gradient: jax.Array) -> jax.Array:
        return weight - hyperparameters.learning_rate * gradient

    def step(weights: tuple, sample: tuple) -> tuple:
        x, y = sample
        gradient = jax.grad(loss)(weights, x, y)
        return jax.tree.map(updated, weights, gradient), None

    @jax.jit
    def run(x: jax.Array, y: jax.Array) -> tuple:
        def epoch(weights: tuple, _: None) -> tuple:
            return jax.lax.scan(step, weights, (x, y))

        w = jnp.zeros((3, 3), jnp.float32)
        b = jnp.zeros((), jnp.float32)
        weights, _ = jax.lax.scan(epoch, (w, b), length=hyperparameters.epochs)
        return weights

    x = jnp.asarray(view.newest, jnp.float32)
    y = jnp.asarray(target, jnp.float32)
    w, b = run(x, y)
    return {
        "w": np.asarray(w, np.float64),
        "b": np.asarray(b, np.float64),
    }
