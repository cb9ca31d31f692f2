"""Layers on columns: arrays with channels first, then the points or pairs of a batch."""

from collections.abc import Iterable
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp


def scalars(inputs: dict[str, jax.Array]) -> list[jax.Array]:
    """The features (B, F, N) that the task shows, in a list that is empty without any."""
    if "scalar" not in inputs:
        return []
    scalar = inputs["scalar"]
    return [jnp.swapaxes(scalar, 1, 2)]


def added(terms: Iterable[jax.Array]) -> jax.Array:
    """The sum of one or more arrays, from the first to the last."""
    return cast(jax.Array, sum(terms))  # the type of `sum` includes 0, for no terms


def silu(x: jax.Array) -> jax.Array:
    """x times its logistic function."""
    tanh = jnp.tanh(0.5 * x)  # the cheapest way to compute the logistic function
    logistic = 0.5 + 0.5 * tanh
    return x * logistic


def product(weight: jax.Array, x: jax.Array) -> jax.Array:
    """`weight` (V, W) times columns (W, ...), as one matrix product: with more axes XLA would
    transpose the columns.

    A single row is padded to two: otherwise XLA would compile it to loops, whose gradient computes
    the whole row once per column.
    """
    n_rows, n_columns = weight.shape
    rows = jnp.pad(weight, ((0, n_rows == 1), (0, 0)))
    columns = x.reshape(n_columns, -1)
    flat = rows @ columns
    others = x.shape[1:]
    return flat[:n_rows].reshape(n_rows, *others)


def linear(layer: eqx.nn.Linear, x: jax.Array) -> jax.Array:
    """A linear layer on columns."""
    y = product(layer.weight, x)
    bias = layer.bias
    if bias is None:
        return y
    ones = (1,) * (x.ndim - 1)
    return y + bias.reshape(-1, *ones)


def perceptron(mlp: eqx.nn.MLP, x: jax.Array) -> jax.Array:
    """A perceptron with one hidden layer and SiLU, on columns."""
    first, second = mlp.layers
    hidden = linear(first, x)
    activated = silu(hidden)
    return linear(second, activated)


def scaled(layer: eqx.nn.Linear, factor: float) -> eqx.nn.Linear:
    """A linear layer whose weights and bias are multiplied by `factor`."""

    def times_factor(weight: jax.Array) -> jax.Array:
        return factor * weight

    return jax.tree.map(times_factor, layer)
