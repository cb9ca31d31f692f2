"""The chapter's baseline: y = x W + b from zero weights by single-sample gradient descent in
float32, in time order."""

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
    """Attributes: epochs, passes over the training samples; learning_rate, the step of each update."""

    epochs: Annotated[int, Range(1, 1_000_000)] = 12
    learning_rate: Annotated[float, Range(above=0)] = 1e-6


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """W (3, 3) and b () from newest points and targets (B, N, 3)."""
    import jax
    import jax.numpy as jnp

    def loss(weights: tuple, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((x @ weights[0] + weights[1] - y) ** 2)

    def step(weights: tuple, sample: tuple) -> tuple:
        gradient = jax.grad(loss)(weights, *sample)
        return jax.tree.map(
            lambda w, g: w - hyperparameters.learning_rate * g, weights, gradient
        ), None

    @jax.jit
    def run(x: jax.Array, y: jax.Array) -> tuple:
        start = (jnp.zeros((3, 3), jnp.float32), jnp.zeros((), jnp.float32))
        epoch = lambda weights, _: jax.lax.scan(step, weights, (x, y))  # noqa: E731
        return jax.lax.scan(epoch, start, length=hyperparameters.epochs)[0]

    w, b = run(jnp.asarray(view.newest, jnp.float32), jnp.asarray(target, jnp.float32))
    return {"w": np.asarray(w, np.float64), "b": np.asarray(b, np.float64)}
