"""Many steps of one map, with gradients that cannot explode on their way back."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp


def scanned(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after so many steps."""
    return jax.lax.scan(lambda state, _: (step(carried, state), None), state, length=steps)[0]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def advanced(
    step: Callable, steps: int, most: jax.Array | float, carried: tuple, state: tuple
) -> tuple:
    """`scanned`, with gradients (..., B) of each of B samples that are held at the length `most` on
    their way back."""
    return scanned(step, steps, carried, state)


def _forward(
    step: Callable, steps: int, most: jax.Array | float, carried: tuple, state: tuple
) -> tuple:
    end, before = jax.lax.scan(lambda state, _: (step(carried, state), state), state, length=steps)
    return end, (most, carried, before)


def _norm(state: tuple) -> jax.Array:
    """(B,), of a gradient with a last axis of samples."""
    return jnp.sqrt(sum(jnp.sum(part**2, axis=tuple(range(part.ndim - 1))) for part in state))


def _back(step: Callable, steps: int, kept: tuple, gradient: tuple) -> tuple:
    most, carried, before = kept

    def back(found: tuple, state: tuple) -> tuple:
        total, gradient = found
        _, pull = jax.vjp(step, carried, state)
        added, gradient = pull(gradient)
        factor = jnp.minimum(1, most / (_norm(gradient) + 1e-30))
        return (
            jax.tree.map(jnp.add, total, added),
            jax.tree.map(lambda part: factor * part, gradient),
        ), None

    nothing = jax.tree.map(jnp.zeros_like, carried)
    return jnp.zeros_like(most), *jax.lax.scan(back, (nothing, gradient), before, reverse=True)[0]


advanced.defvjp(_forward, _back)
