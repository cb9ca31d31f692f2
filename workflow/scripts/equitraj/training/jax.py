"""The training loop for JAX: an epoch is one compiled scan, and all seeds of a method share the compilation."""

import os
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from equitraj.data.features import TURNED, check_output
from equitraj.training.checkpoint import Checkpoint
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Arrays, Data, Monitor, Outcome, snapshot_epochs
from equitraj.training.state import check_names

jax.config.update("jax_enable_x64", True)
# Networks this small compile for longer than these passes save: 4 s in place of 7 s, at the same speed afterwards.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true")


def named_arrays(tree: object) -> dict[str, np.ndarray]:
    """The array leaves of a tree by their path, such as `.layers[0].weight`."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))[0]
    return {jax.tree_util.keystr(path).lstrip("."): np.asarray(leaf) for path, leaf in leaves}


def _is_array(leaf: object) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def with_arrays(tree: object, arrays: dict[str, np.ndarray], dtype: str | None = None) -> object:
    """The tree with its array leaves, or their shapes, replaced by the arrays of the same path, cast to `dtype`."""
    dynamic, static = eqx.partition(tree, _is_array)
    paths, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    leaves = [jnp.asarray(arrays[jax.tree_util.keystr(path).lstrip(".")], dtype) for path, _ in paths]
    return eqx.combine(jax.tree_util.tree_unflatten(structure, leaves), static)


def device_name() -> str:
    """The kind of the default device."""
    return jax.devices()[0].device_kind


def select_device(wanted: str) -> None:
    """Make `wanted` ("cpu", "cuda", or "auto" for the best there is) the default device.

    Raises:
        RuntimeError: there is no such device; JAX says what it found.
    """
    if wanted != "auto":
        jax.config.update("jax_default_device", jax.devices("gpu" if wanted == "cuda" else "cpu")[0])


def haar_rotations(key: jax.Array, n: int, dtype: jnp.dtype) -> jax.Array:
    """Random rotations (n, 3, 3), uniform on SO(3): normalised Gaussian quaternions (Shoemake, 1992)."""
    q = jax.random.normal(key, (n, 4), dtype)
    w, x, y, z = (q / jnp.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


class Samples(NamedTuple):
    """Attributes: inputs (S, F, ...) by name, target (S, F, N, 3), rotation (S, F, 3, 3) and weight (S, F)."""

    inputs: dict[str, jax.Array]
    target: jax.Array
    rotation: jax.Array
    weight: jax.Array


def _turn(rotation: jax.Array, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The inputs (S, F, ...) with their vectors turned by rotations (S, F, 3, 3)."""
    names = [name for name in TURNED if name in inputs]
    return inputs | {k: jnp.einsum("sfij,sf...j->sf...i", rotation, inputs[k]) for k in names}


def _rotate(batch: Samples, key: jax.Array) -> Samples:
    """Each frame of each sample turned by a rotation of its own: the frame turns with it."""
    shape = batch.weight.shape
    turn = haar_rotations(key, batch.weight.size, batch.target.dtype).reshape(*shape, 3, 3)
    target = jnp.einsum("...ij,...nj->...ni", turn, batch.target)
    return Samples(_turn(turn, batch.inputs), target, turn @ batch.rotation, batch.weight)


def _draw(batch: Samples, key: jax.Array) -> Samples:
    """One frame of each sample, drawn with the frames' weights."""
    chosen = jax.random.categorical(key, jnp.log(batch.weight))
    one = jax.tree.map(lambda a: a[jnp.arange(len(a)), chosen][:, None], batch)
    return one._replace(weight=jnp.ones_like(one.weight))


def _apply(network: eqx.Module, inputs: dict[str, jax.Array]) -> jax.Array:
    samples, frames, *shape = inputs["position"].shape
    flat = {k: v.reshape(samples * frames, *v.shape[2:]) for k, v in inputs.items()}
    output = network(flat)
    check_output(output.shape, flat["position"].shape)
    return output.reshape(samples, frames, *shape)


def _loss(network: eqx.Module, batch: Samples, huber: float = 0.0, average: bool = True) -> jax.Array:
    """Loss of the weighted mean over the frames, taken in world axes, or the weighted mean of the frames' losses."""
    error, weight = _apply(network, batch.inputs) - batch.target, batch.weight
    if average and weight.shape[1] > 1:
        error = jnp.einsum("bf,bfij,bfni->bnj", weight, batch.rotation, error)[:, None]
        weight = jnp.ones_like(weight[:, :1])
    loss = 2 * optax.huber_loss(error, delta=huber) if huber else error**2
    return jnp.mean(jnp.sum(weight * jnp.mean(loss, axis=(2, 3)), axis=1))


def _asymmetry(network: eqx.Module, batch: Samples, key: jax.Array) -> jax.Array:
    """Mean of |R^T f(R x) - f(x)|^2 over the samples, a rotation R for each."""
    turn = haar_rotations(key, batch.weight.size, batch.target.dtype).reshape(*batch.weight.shape, 3, 3)
    back = jnp.einsum("...ij,...ni->...nj", turn, _apply(network, _turn(turn, batch.inputs)))
    return jnp.mean((back - _apply(network, batch.inputs)) ** 2)


def optimiser(options: TrainingOptions, n_steps: int) -> optax.GradientTransformation:
    """AdamW with clipped gradients and the options' learning-rate schedule over `n_steps`."""
    rate = options.learning_rate
    warm = max(1, round(options.warmup * n_steps))
    if options.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(0.0, rate, warm, max(n_steps, warm + 1))
    return optax.chain(optax.clip_by_global_norm(options.clip), optax.adamw(rate, weight_decay=options.weight_decay))


def make_epoch(unravel, data: Data, options: TrainingOptions, optimise: optax.GradientTransformation):
    """A compiled function: one epoch of the state (weights, average, optimiser, key), with its two losses.

    The weights are one vector, so that the optimiser and the average cost a handful of operations; `unravel` makes a
    network of it.
    """
    n_batches = max(1, len(data.train) // options.batch_size)
    size = min(options.batch_size, len(data.train))

    def objective(weights: jax.Array, batch: Samples, key: jax.Array) -> jax.Array:
        loss = _loss(unravel(weights), batch, options.huber)
        if options.symmetry_penalty:
            loss += options.symmetry_penalty * _asymmetry(unravel(weights), batch, key)
        return loss

    def step(state: tuple, batch: Samples) -> tuple:
        weights, average, moments, key = state
        key, turn, choice, twin = jax.random.split(key, 4)
        if data.draw:
            batch = _draw(batch, choice)
        if data.augmentation == "rotation":
            batch = _rotate(batch, turn)
        loss, gradient = jax.value_and_grad(objective)(weights, batch, twin)
        change, moments = optimise.update(gradient, moments, weights)
        weights = optax.apply_updates(weights, change)
        average = options.ema * average + (1 - options.ema) * weights
        return (weights, average, moments, key), loss

    @jax.jit
    def epoch(state: tuple, train: Samples, validation: Samples) -> tuple:
        weights, average, moments, key = state
        key, order_key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(train.weight))[: n_batches * size].reshape(n_batches, size)
        batches = jax.tree.map(lambda a: a[order], train)
        state, losses = jax.lax.scan(step, (weights, average, moments, key), batches)
        return state, losses.mean(), _loss(unravel(state[1]), validation, average=not data.draw)

    return epoch


def _samples(arrays: Arrays, dtype: str) -> Samples:
    shape = arrays.weight.shape
    apart = {k: v.reshape(*shape, *v.shape[1:]) for k, v in arrays.inputs.items()}
    target = arrays.target.reshape(*shape, *arrays.target.shape[1:])
    cast = lambda a: jnp.asarray(a, dtype if a.dtype.kind == "f" else None)  # noqa: E731  indices stay integers
    return jax.tree.map(cast, Samples(apart, target, arrays.rotation, arrays.weight))


class Trainer:
    """Trains one network per seed; what seeds share is made once. `build(key)` gives it, `weights` replace its own."""

    def __init__(
        self, build, data: Data, options: TrainingOptions, device: str = "auto", weights: dict | None = None
    ) -> None:
        select_device(device)
        self.weights = weights
        self.build = eqx.filter_jit(build)  # one compilation in place of one for each shape of weights
        self.data, self.options, self.device = data, options, device_name()
        self.train_arrays, self.validation_arrays = (
            _samples(a, options.precision) for a in (data.train, data.validation)
        )
        n_batches = max(1, len(data.train) // options.batch_size)
        self.frames_per_epoch = n_batches * min(options.batch_size, len(data.train))
        self.optimise = optimiser(options, options.epochs * n_batches)
        self.epoch = None

    def initial(self, seed: int) -> tuple[eqx.Module, jax.Array]:
        """A network with its first weights in the options' precision, and the key that is left for training."""
        build_key, key = jax.random.split(jax.random.key(seed))
        network = self.build(build_key)
        arrays = named_arrays(network)
        if self.weights is not None:
            check_names(self.weights, arrays)
            arrays = self.weights
        return with_arrays(network, arrays, self.options.precision), key

    def train(self, seed: int, monitor: Monitor, checkpoint: Checkpoint, outcome: Outcome) -> None:
        """Train the network of one seed and fill in the outcome's weights."""
        network, key = self.initial(seed)
        outcome.initial = named_arrays(network)
        dynamic, static = eqx.partition(network, eqx.is_array)
        weights, unravel_arrays = ravel_pytree(dynamic)

        def unravel(vector: jax.Array) -> object:
            return eqx.combine(unravel_arrays(vector), static)

        self.epoch = self.epoch or make_epoch(unravel, self.data, self.options, self.optimise)
        state = (weights, weights, self.optimise.init(weights), key)
        best, snapshots = self._run(state, monitor, checkpoint)
        outcome.trained = named_arrays(unravel(best))
        outcome.snapshots = {int(n): named_arrays(unravel(jnp.asarray(v))) for n, v in snapshots.items()}

    def _run(self, state: tuple, monitor: Monitor, checkpoint: Checkpoint) -> tuple[jax.Array, dict[str, np.ndarray]]:
        first, best, snapshots, keep = 0, state[1], {}, snapshot_epochs(self.options.epochs)
        if (saved := checkpoint.load()) is not None:
            (state, best), first = _from_numpy((state, best), saved[0]), monitor.restore(saved[1])
            snapshots = {k.split("/")[1]: v for k, v in saved[0].items() if k.startswith("snapshot/")}
        for epoch in range(first, self.options.epochs):
            state, train_loss, validation_loss = self.epoch(state, self.train_arrays, self.validation_arrays)
            if monitor.record(epoch, float(train_loss), float(validation_loss)):
                best = state[1]
            if epoch + 1 in keep:
                snapshots[str(epoch + 1)] = np.asarray(state[1])
            if monitor.stalled():
                break
            if checkpoint.due():
                kept = {f"snapshot/{k}": v for k, v in snapshots.items()}
                checkpoint.save(_to_numpy((state, best)) | kept, monitor.state())
        return best, snapshots


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(tree: object) -> dict[str, np.ndarray]:
    leaves = (jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in jax.tree.leaves(tree))
    return {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)}


def _from_numpy(tree: object, arrays: dict[str, np.ndarray]) -> object:
    leaves, structure = jax.tree.flatten(tree)
    values = (jnp.asarray(arrays[str(i)]) for i in range(len(leaves)))
    restored = [jax.random.wrap_key_data(v) if _is_key(leaf) else v for v, leaf in zip(values, leaves, strict=True)]
    return jax.tree.unflatten(structure, restored)
