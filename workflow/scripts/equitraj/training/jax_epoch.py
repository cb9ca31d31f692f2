"""An epoch of a JAX network as one function: batches, the optimiser's steps, the average of the
weights, validation."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from equitraj.training.jax_samples import Samples, asymmetry, drawn, loss, outputs, rotated, rows
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Data
from equitraj.training.pushforward import pushed

PART = 256  # samples that are validated or prepared at a time


def schedule(options: TrainingOptions, n_steps: jax.Array):
    """The learning rate at a step: up during the warm-up, then along a cosine to zero at `n_steps`."""
    warm = jnp.maximum(1, jnp.round(options.warmup * n_steps))
    fall = lambda step: 0.5 * (
        1 + jnp.cos(jnp.pi * jnp.clip((step - warm) / jnp.maximum(1, n_steps - warm), 0, 1))
    )  # noqa: E731
    if options.schedule == "constant":
        return lambda step: options.learning_rate
    return lambda step: options.learning_rate * jnp.where(step < warm, step / warm, fall(step))


def optimiser(options: TrainingOptions, n_steps: jax.Array | int) -> optax.GradientTransformation:
    """AdamW with clipped gradients and the options' learning-rate schedule over `n_steps`."""
    adamw = optax.adamw(schedule(options, jnp.asarray(n_steps)), weight_decay=options.weight_decay)
    return optax.chain(optax.clip_by_global_norm(options.clip), adamw)


def make_objective(rebuild, options: TrainingOptions):
    """The loss of weights, the data's constants, a batch and a key, per sample that counts."""

    def objective(
        weights: jax.Array, constants: tuple, batch: Samples, key: jax.Array
    ) -> jax.Array:
        network = rebuild(weights, constants)
        total = loss(network, batch, options.huber)
        if options.symmetry_penalty:
            total += options.symmetry_penalty * asymmetry(network, batch, key)
        return total / batch.counted.sum()

    return objective


def make_epoch(rebuild, options: TrainingOptions, data: Data):
    """An epoch of the state (weights, average, optimiser, key), with its two losses, as a function
    to be compiled.

    The weights are one vector, so that the optimiser and the average cost a handful of operations;
    `rebuild` makes a network of it and the data's constants.
    """
    objective, augmentation, draw = make_objective(rebuild, options), data.augmentation, data.draw

    def batch_at(
        train: Samples, index: jax.Array, choice: jax.Array, turning: jax.Array
    ) -> Samples:
        batch = rows(train, index)
        if draw:
            batch = drawn(batch, choice)
        return batch if augmentation == "none" else rotated(batch, turning, augmentation)

    def led(weights: jax.Array, constants: tuple, batch: Samples, key: jax.Array) -> Samples:
        network = partial(outputs, rebuild(weights, constants))
        return pushed(network, batch, options.pushforward, data, key)

    def epoch(state: tuple, constants: tuple, train: Samples, validation: Samples) -> tuple:
        count, capacity = train.counted.sum().astype(int), len(train.counted)
        n_batches, size = options.batches(capacity), min(options.batch_size, capacity)
        optimise = optimiser(options, options.epochs * n_batches)
        weights, average, moments, key = state
        key, order_key = jax.random.split(key)
        # samples that count in random order, then the others
        order = jnp.argsort(
            jnp.where(train.counted > 0, jax.random.uniform(order_key, (capacity,)), 2.0)
        )

        def step(i: jax.Array, carry: tuple) -> tuple:
            (weights, average, moments, key), total = carry
            key, turning, choice, twin = jax.random.split(key, 4)
            index = order[
                (i * size + jnp.arange(size)) % count
            ]  # fewer samples than the whole split come again
            batch = batch_at(train, index, choice, turning)
            if options.pushforward:
                batch = led(weights, constants, batch, choice)
            found, gradient = jax.value_and_grad(objective)(weights, constants, batch, twin)
            change, moments = optimise.update(gradient, moments, weights)
            weights = optax.apply_updates(weights, change)
            average = options.ema * average + (1 - options.ema) * weights
            return (weights, average, moments, key), total + found

        begin = (weights, average, moments, key), jnp.zeros((), weights.dtype)
        state, total = jax.lax.fori_loop(0, n_batches, step, begin)
        return (
            state,
            total / n_batches,
            validated(rebuild(state[1], constants), validation, not draw),
        )

    return epoch


def validated(network: eqx.Module, validation: Samples, average: bool) -> jax.Array:
    """The loss on validation samples, `PART` at a time."""
    parts = jnp.arange(len(validation.counted)).reshape(-1, min(len(validation.counted), PART))
    losses = jax.lax.map(
        lambda index: loss(network, rows(validation, index), average=average), parts
    )
    return losses.sum() / validation.counted.sum()
