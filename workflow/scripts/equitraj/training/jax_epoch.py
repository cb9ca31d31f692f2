"""One epoch of training for a JAX network as one function.

It draws batches, steps the optimiser, averages the weights and computes the validation loss.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import Array

from equitraj.training.jax_samples import (
    Network,
    Samples,
    asymmetry,
    drawn,
    loss,
    outputs,
    rotated,
    rows,
)
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Data
from equitraj.training.pushforward import pushed

PART = 256  # samples that are validated or prepared at a time


def schedule(options: TrainingOptions, n_steps: Array) -> optax.Schedule:
    """Learning rate by step: constant, or linear warm-up and a cosine to zero at `n_steps`."""
    warm = jnp.maximum(1, jnp.round(options.warmup * n_steps))

    def rate(step: jax.typing.ArrayLike) -> Array:
        rise = step / warm
        progress = jnp.clip((step - warm) / jnp.maximum(1, n_steps - warm), 0, 1)
        fall = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return options.learning_rate * jnp.where(step < warm, rise, fall)

    if options.schedule == "constant":
        return lambda step: options.learning_rate
    return rate


def optimiser(options: TrainingOptions, n_steps: Array | int) -> optax.GradientTransformation:
    """AdamW with clipped gradients and the learning-rate schedule over `n_steps`."""
    rate = schedule(options, jnp.asarray(n_steps))
    adamw = optax.adamw(rate, weight_decay=options.weight_decay)
    return optax.chain(optax.clip_by_global_norm(options.clip), adamw)


def make_objective(rebuild: Callable, options: TrainingOptions) -> Callable:
    """Return the training loss per counted sample.

    It is a function of the weights, the constants of the data, a batch and a key.
    """

    def objective(weights: Array, constants: tuple, batch: Samples, key: Array) -> Array:
        network = rebuild(weights, constants)
        total = loss(network, batch, options.huber)
        if options.symmetry_penalty:
            total += options.symmetry_penalty * asymmetry(network, batch, key)
        count = batch.counted.sum()
        return total / count

    return objective


def make_epoch(rebuild: Callable, options: TrainingOptions, data: Data) -> Callable:
    """Return one epoch as a function to be compiled.

    It maps the state (weights, average, optimiser, key), the constants of the data and both sets of
    samples to the next state, the training loss and the validation loss. The weights are one
    vector, so that the optimiser and the average need few operations; `rebuild` makes a network
    from it and the constants.
    """
    parts = _Epoch(rebuild, options, data)
    return parts.epoch


class _Epoch:
    """The parts of an epoch, with what they share."""

    def __init__(self, rebuild: Callable, options: TrainingOptions, data: Data) -> None:
        self.rebuild = rebuild
        self.options = options
        self.data = data
        objective = make_objective(rebuild, options)
        self.loss_and_gradient = jax.value_and_grad(objective)

    def epoch(
        self, state: tuple, constants: tuple, train: Samples, validation: Samples
    ) -> tuple[tuple, Array, Array]:
        """Return the next state, the training loss and the validation loss."""
        count = train.counted.sum().astype(int)
        capacity = len(train.counted)
        n_batches = self.options.batches(capacity)
        size = min(self.options.batch_size, capacity)
        optimise = optimiser(self.options, self.options.epochs * n_batches)
        weights, average, moments, key = state
        key, order_key = jax.random.split(key)
        order = _order(train, order_key)

        def step(i: Array, carry: tuple) -> tuple:
            state, total = carry
            # fewer samples than the whole split come again
            index = order[(i * size + jnp.arange(size)) % count]
            batch = rows(train, index)
            state, value = self.step(state, constants, batch, optimise)
            return state, total + value

        begin = (weights, average, moments, key), jnp.zeros((), weights.dtype)
        state, total = jax.lax.fori_loop(0, n_batches, step, begin)
        mean = total / n_batches
        network = self.rebuild(state[1], constants)
        return state, mean, validated(network, validation, not self.data.draw)

    def step(
        self,
        state: tuple,
        constants: tuple,
        batch: Samples,
        optimise: optax.GradientTransformation,
    ) -> tuple[tuple, Array]:
        """Return the state after one step of the optimiser, and the loss before it."""
        weights, average, moments, key = state
        key, turning, choice, twin = jax.random.split(key, 4)
        batch = self.drawn(batch, choice, turning)
        if self.options.pushforward:
            batch = self.pushed(weights, constants, batch, choice)
        value, gradient = self.loss_and_gradient(weights, constants, batch, twin)
        change, moments = optimise.update(gradient, moments, weights)
        weights = optax.apply_updates(weights, change)
        average = self.options.ema * average + (1 - self.options.ema) * weights
        return (weights, average, moments, key), value

    def drawn(self, batch: Samples, choice: Array, turning: Array) -> Samples:
        """Draw one reference frame of each sample and turn it, where the method does so."""
        if self.data.draw:
            batch = drawn(batch, choice)
        if self.data.augmentation == "none":
            return batch
        return rotated(batch, turning, self.data.augmentation)

    def pushed(self, weights: Array, constants: tuple, batch: Samples, key: Array) -> Samples:
        """Move the samples ahead by the network's own predictions."""
        network = self.rebuild(weights, constants)
        predict = partial(outputs, network)
        return pushed(predict, batch, self.options.pushforward, self.data, key)


def _order(train: Samples, key: Array) -> Array:
    """Indices of the counted samples in random order, then of the others."""
    number = jax.random.uniform(key, train.counted.shape)
    number = jnp.where(train.counted > 0, number, 2.0)
    return jnp.argsort(number)


def validated(network: Network, validation: Samples, average: bool) -> Array:
    """Return the mean loss of the validation samples, computed `PART` samples at a time."""
    length = len(validation.counted)
    parts = jnp.arange(length).reshape(-1, min(length, PART))

    def loss_at(index: Array) -> Array:
        return loss(network, rows(validation, index), average=average)

    losses = jax.lax.map(loss_at, parts)
    return losses.sum() / validation.counted.sum()
