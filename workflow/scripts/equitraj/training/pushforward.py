"""Training on short rollouts: a sample's state is replaced by what the network predicts of it some
steps later.

Gradients come from the last step alone (the pushforward trick: Brandstetter, Worrall & Welling,
ICLR 2022, section 3.1): the network learns to correct the states that it leads to.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from equitraj.training.futures import FUTURE, LATER
from equitraj.training.jax_samples import Samples
from equitraj.training.outcome import Data


def pushed(network: Callable, batch: Samples, steps: int, data: Data, key: jax.Array) -> Samples:
    """The batch with each sample, of one frame of reference, after a random number of steps: at
    most `steps`, and no more than have a target. `network` gives the normalised residual (S, 1, N,
    3) of a batch of `data`."""
    inputs, target, statistics = dict(batch.inputs), batch.target, data.statistics
    future, later = inputs.pop(FUTURE), inputs.pop(LATER)
    count = jax.random.randint(key, later.shape, 0, later.astype(int) + 1)  # (S, 1)
    weight = jnp.asarray(statistics.coefficient, target.dtype)
    unit, scale = statistics.displacement_scale, statistics.residual_scale
    kept = slice(data.lag, max(data.lag, data.history - 1))  # of the displacements between frames
    n_new = len(weight) - (kept.stop - kept.start)  # the others, and a velocity where there is one

    def extrapolated(past: jax.Array) -> jax.Array:
        return unit * jnp.einsum("v,sfvnc->sfnc", weight, past)

    def step(k: jax.Array, state: tuple) -> tuple:
        position, past, moved = state
        seen = batch._replace(inputs=inputs | {"position": position, "displacement": past})
        change = extrapolated(past) + scale * network(seen)
        between = change[:, :, None] / (
            data.lag * unit
        )  # frames on the way, and what a velocity is in these units
        further = jnp.concatenate([past[:, :, kept], jnp.repeat(between, n_new, axis=2)], axis=2)
        new = position + change
        new = new - new.mean(axis=2, keepdims=True) if data.centred else new
        goes_on = (k < count)[..., None, None]
        chosen = jnp.where(goes_on, new, position), jnp.where(goes_on[..., None], further, past)
        return *chosen, jnp.where(goes_on, moved + change, moved)

    begin = inputs["position"], inputs["displacement"], jnp.zeros_like(target)
    position, past, moved = jax.lax.stop_gradient(jax.lax.fori_loop(0, steps, step, begin))
    index = count[..., None, None, None]
    wanted = jnp.take_along_axis(future, index, axis=2)[:, :, 0] - moved - extrapolated(past)
    at_start = (count == 0)[..., None, None]
    target = jnp.where(at_start, target, wanted / scale)  # that of the data is exact
    return batch._replace(
        inputs=inputs | {"position": position, "displacement": past}, target=target
    )
