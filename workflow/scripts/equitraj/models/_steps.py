"""Many steps of one map, with gradients of limited length in the backward pass."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp


def scanned(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after `steps` calls of `step(carried, state)`."""

    def once(state: tuple, _: None) -> tuple:
        return step(carried, state), None

    end, _ = jax.lax.scan(once, state, length=steps)
    return end


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def advanced(
    step: Callable, steps: int, most: jax.Array | float, carried: tuple, state: tuple
) -> tuple:
    """`scanned`, with gradients (..., B) whose length for each of B samples is at most `most` in
    every step of the backward pass."""
    return scanned(step, steps, carried, state)


def _forward(
    step: Callable, steps: int, most: jax.Array | float, carried: tuple, state: tuple
) -> tuple:
    """The end state, and the residuals of the backward pass: among them all earlier states."""

    def recorded(state: tuple, _: None) -> tuple[tuple, tuple]:
        return step(carried, state), state

    end, before = jax.lax.scan(recorded, state, length=steps)
    return end, (most, carried, before)


def _norm(state: tuple) -> jax.Array:
    """(B,), the norm of a gradient whose last axis is the samples."""

    def summed(part: jax.Array) -> jax.Array:
        others = tuple(range(part.ndim - 1))
        return jnp.sum(part**2, axis=others)

    squares = [summed(part) for part in state]
    return jnp.sqrt(sum(squares))


def _back(step: Callable, steps: int, kept: tuple, gradient: tuple) -> tuple:
    """Gradients of `most` (zero), of `carried` and of the first state."""
    most, carried, before = kept

    def back(gradients: tuple, state: tuple) -> tuple:
        total, gradient = gradients
        _, pull = jax.vjp(step, carried, state)
        added, gradient = pull(gradient)
        factor = jnp.minimum(1, most / (_norm(gradient) + 1e-30))
        total = jax.tree.map(jnp.add, total, added)
        shortened = jax.tree.map(lambda part: factor * part, gradient)
        return (total, shortened), None

    nothing = jax.tree.map(jnp.zeros_like, carried)
    (total, gradient), _ = jax.lax.scan(back, (nothing, gradient), before, reverse=True)
    return jnp.zeros_like(most), total, gradient


advanced.defvjp(_forward, _back)
