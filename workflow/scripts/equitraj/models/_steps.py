"""Many steps of one map, with gradients that cannot explode on their way back."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

BLOCK = 10  # steps between two states that are kept for the way back


def scanned(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after so many steps."""
    return jax.lax.scan(lambda state, _: (step(carried, state), None), state, length=steps)[0]


def _blocks(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after so many steps, and the states at the beginnings of blocks of them."""
    size = _block(steps)
    return jax.lax.scan(lambda s, _: (scanned(step, size, carried, s), s), state, length=steps // size)


def _block(steps: int) -> int:
    """The longest block of at most `BLOCK` steps that divides them."""
    return max(size for size in range(1, BLOCK + 1) if steps % size == 0)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def advanced(growth: float, step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """`scanned`, with gradients (..., B) of each of B samples that grow by at most `growth` on their way back."""
    return _blocks(step, steps, carried, state)[0]


def _forward(growth: float, step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    end, begins = _blocks(step, steps, carried, state)
    return end, (carried, begins)


def _norm(state: tuple) -> jax.Array:
    """(B,), of a gradient with a last axis of samples."""
    return jnp.sqrt(sum(jnp.sum(part**2, axis=tuple(range(part.ndim - 1))) for part in state))


def _back(growth: float, step: Callable, steps: int, kept: tuple, gradient: tuple) -> tuple:
    carried, begins = kept
    most = growth * _norm(gradient)

    def block(found: tuple, begin: tuple) -> tuple:
        total, gradient = found
        _, pull = jax.vjp(partial(scanned, step, _block(steps)), carried, begin)
        added, gradient = pull(gradient)
        factor = jnp.minimum(1, most / jnp.maximum(_norm(gradient), jnp.finfo(most.dtype).tiny))
        return (jax.tree.map(jnp.add, total, added), jax.tree.map(lambda part: factor * part, gradient)), None

    nothing = jax.tree.map(jnp.zeros_like, carried)
    return jax.lax.scan(block, (nothing, gradient), begins, reverse=True)[0]


advanced.defvjp(_forward, _back)
