"""Layers on columns: channels first, and in every row the points or pairs of a batch."""

import equinox as eqx
import jax
import jax.numpy as jnp


def silu(x: jax.Array) -> jax.Array:
    """x times its logistic function."""
    return x * (0.5 + 0.5 * jnp.tanh(0.5 * x))  # the hyperbolic tangent is the cheapest way to it


def product(weight: jax.Array, x: jax.Array) -> jax.Array:
    """`weight` (V, W) times columns (W, ...), as one matrix product: with more axes XLA would
    transpose the columns.

    One row is filled up to two: XLA would make loops of it, and in its gradient compute all of a
    row once per column.
    """
    rows = jnp.pad(weight, ((0, len(weight) == 1), (0, 0)))
    return (rows @ x.reshape(len(x), -1))[: len(weight)].reshape(len(weight), *x.shape[1:])


def linear(layer: eqx.nn.Linear, x: jax.Array) -> jax.Array:
    """A linear layer on columns."""
    y = product(layer.weight, x)
    return y if layer.bias is None else y + layer.bias.reshape(-1, *(1,) * (x.ndim - 1))


def scaled(layer: eqx.nn.Linear, factor: float) -> eqx.nn.Linear:
    """A linear layer with its weights multiplied."""
    return jax.tree.map(lambda w: factor * w, layer)
