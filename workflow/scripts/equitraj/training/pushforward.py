"""Training on short rollouts: the network's own predictions replace the state of a sample.

Gradients come from the last step alone (the pushforward trick: Brandstetter, Worrall & Welling,
ICLR 2022, section 3.1): the network learns to correct the states that its predictions lead to.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from equitraj.training.futures import FUTURE, LATER
from equitraj.training.jax_samples import Samples
from equitraj.training.outcome import Data


def pushed(network: Callable, batch: Samples, steps: int, data: Data, key: Array) -> Samples:
    """Move each sample, which has one reference frame, a random number of steps ahead.

    The number of steps is at most `steps`, and no larger than the number of steps with a target.
    `network` maps a batch of `data` to the normalised residual (S, 1, N, 3).
    """
    statistics = data.statistics
    inputs = dict(batch.inputs)
    future = inputs.pop(FUTURE)
    later = inputs.pop(LATER)
    count = jax.random.randint(key, later.shape, 0, later.astype(int) + 1)  # (S, 1)
    weight = jnp.asarray(statistics.coefficient, batch.target.dtype)
    unit = statistics.displacement_scale
    scale = statistics.residual_scale
    kept = slice(data.lag, max(data.lag, data.history - 1))  # of the displacements between frames
    n_new = len(weight) - (kept.stop - kept.start)  # the others, and a velocity where there is one

    def extrapolated(past: Array) -> Array:
        return unit * jnp.einsum("v,sfvnc->sfnc", weight, past)

    def with_state(position: Array, past: Array) -> Samples:
        return batch._replace(inputs=inputs | {"position": position, "displacement": past})

    def step(k: Array, state: tuple) -> tuple:
        position, past, moved = state
        change = extrapolated(past) + scale * network(with_state(position, past))
        # displacements between frames on the way, and the velocity in the same units
        between = change[:, :, None] / (data.lag * unit)
        old = past[:, :, kept]
        further = jnp.concatenate([old, jnp.repeat(between, n_new, axis=2)], axis=2)
        new = position + change
        if data.centred:
            new = new - new.mean(axis=2, keepdims=True)
        goes_on = (k < count)[..., None, None]
        position = jnp.where(goes_on, new, position)
        past = jnp.where(goes_on[..., None], further, past)
        return position, past, jnp.where(goes_on, moved + change, moved)

    begin = inputs["position"], inputs["displacement"], jnp.zeros_like(batch.target)
    end = jax.lax.fori_loop(0, steps, step, begin)
    position, past, moved = jax.lax.stop_gradient(end)
    displacement = jnp.take_along_axis(future, count[..., None, None, None], axis=2)[:, :, 0]
    residual = displacement - moved - extrapolated(past)
    at_start = (count == 0)[..., None, None]  # where the target of the data is exact
    target = jnp.where(at_start, batch.target, residual / scale)
    return with_state(position, past)._replace(target=target)
