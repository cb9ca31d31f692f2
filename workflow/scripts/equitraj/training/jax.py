"""The training loop for JAX: an epoch is one compiled scan, and all seeds of a method share the compilation."""

import os
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from equitraj.training import checkpoint
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Arrays, Data, Monitor, Outcome

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
    """Make `wanted` ("auto", "cpu" or "cuda") the default device.

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


def _rotate(batch: tuple, key: jax.Array) -> tuple:
    inputs, target, weight = batch
    rotation = haar_rotations(key, len(target), target.dtype)
    turned = inputs | {k: jnp.einsum("bij,b...j->b...i", rotation, inputs[k]) for k in ("position", "displacement")}
    return turned, jnp.einsum("bij,bnj->bni", rotation, target), weight


def _loss(network: eqx.Module, batch: tuple, huber: float = 0.0) -> jax.Array:
    inputs, target, weight = batch
    error = network(inputs) - target
    loss = 2 * optax.huber_loss(error, delta=huber) if huber else error**2
    return jnp.sum(weight * jnp.mean(loss, axis=(1, 2))) / jnp.sum(weight)


def optimiser(options: TrainingOptions, n_steps: int) -> optax.GradientTransformation:
    """AdamW with clipped gradients and the options' learning-rate schedule over `n_steps`."""
    rate = options.learning_rate
    if options.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, round(options.warmup * n_steps)), n_steps)
    return optax.chain(optax.clip_by_global_norm(options.clip), optax.adamw(rate, weight_decay=options.weight_decay))


def make_epoch(unravel, data: Data, options: TrainingOptions, optimise: optax.GradientTransformation):
    """A compiled function: one epoch of the state (weights, average, optimiser, key), with its two losses.

    The weights are one vector, so that the optimiser and the average cost a handful of operations; `unravel` makes a
    network of it.
    """
    n_batches = max(1, len(data.train.target) // options.batch_size)
    size = min(options.batch_size, len(data.train.target))

    def step(state: tuple, batch: tuple) -> tuple:
        weights, average, moments, key = state
        key, turn = jax.random.split(key)
        if data.augmentation == "rotation":
            batch = _rotate(batch, turn)
        loss, gradient = jax.value_and_grad(lambda w: _loss(unravel(w), batch, options.huber))(weights)
        change, moments = optimise.update(gradient, moments, weights)
        weights = optax.apply_updates(weights, change)
        average = options.ema * average + (1 - options.ema) * weights
        return (weights, average, moments, key), loss

    @jax.jit
    def epoch(state: tuple, train: tuple, validation: tuple) -> tuple:
        weights, average, moments, key = state
        key, order_key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(train[1]))[: n_batches * size].reshape(n_batches, size)
        batches = jax.tree.map(lambda a: a[order], train)
        state, losses = jax.lax.scan(step, (weights, average, moments, key), batches)
        return state, losses.mean(), _loss(unravel(state[1]), validation)

    return epoch, n_batches * size


def _arrays(arrays: Arrays, dtype: str) -> tuple:
    return jax.tree.map(lambda a: jnp.asarray(a, dtype), (arrays.inputs, arrays.target, arrays.weight))


def train(build, data: Data, options: TrainingOptions, seeds: list[int], checkpoints: list[Path], name: str) -> list:
    """Train one network per seed; an Outcome or the exception that ended it, for each.

    `build(key)` gives a network; `checkpoints` has one path per seed.
    """
    select_device(options.device)
    build, shared = eqx.filter_jit(build), {}  # one compilation in place of one for each shape of weights
    return [
        _train_seed(build, data, options, s, path, f"{name} seed {s}", shared)
        for s, path in zip(seeds, checkpoints, strict=True)
    ]


def _train_seed(build, data: Data, options: TrainingOptions, seed: int, path: Path, name: str, shared: dict):
    build_key, key = jax.random.split(jax.random.key(seed))
    network = with_arrays(tree := build(build_key), named_arrays(tree), options.precision)
    dynamic, static = eqx.partition(network, eqx.is_array)
    weights, unravel_arrays = ravel_pytree(dynamic)
    outcome = Outcome(named_arrays(network), device=device_name())

    def unravel(vector: jax.Array) -> object:
        return eqx.combine(unravel_arrays(vector), static)

    if not shared:
        shared["train"], shared["validation"] = (
            _arrays(data.train, options.precision),
            _arrays(data.validation, options.precision),
        )
        n_steps = options.epochs * max(1, len(data.train.target) // options.batch_size)
        shared["optimise"] = optimiser(options, n_steps)
        shared["epoch"], shared["n_frames"] = make_epoch(unravel, data, options, shared["optimise"])
        shared["mark"] = [data.train.target, data.train.inputs["position"], vars(options)]
    monitor = Monitor(options, data.statistics.residual_scale, name)
    state = (weights, weights, shared["optimise"].init(weights), key)
    try:
        best = _run(state, outcome, monitor, options, path, seed, shared)
        outcome.trained = named_arrays(unravel(best))
    except Exception as error:  # recorded as a row: a failed run is a result
        outcome.history = monitor.history
        return outcome, error
    return outcome, None


def _run(
    state: tuple, outcome: Outcome, monitor: Monitor, options: TrainingOptions, path: Path, seed: int, shared: dict
) -> jax.Array:
    mark = checkpoint.fingerprint(*shared["mark"], seed, *outcome.initial.values())
    first, best = 0, state[1]
    if (saved := checkpoint.load(path, mark)) is not None:
        first, state, best = _resume(saved, state, monitor)
    seconds, saved_at = 0.0, time.perf_counter()
    for epoch in range(first, options.epochs):
        begin = time.perf_counter()
        state, train_loss, validation_loss = shared["epoch"](state, shared["train"], shared["validation"])
        better = monitor.record(epoch, float(train_loss), float(validation_loss))
        if epoch > first:  # the first epoch compiles
            seconds += time.perf_counter() - begin
        best = state[1] if better else best
        if monitor.stalled():
            break
        if time.perf_counter() - saved_at > options.checkpoint_seconds:
            _save(path, mark, epoch, state, best, monitor)
            saved_at = time.perf_counter()
    outcome.history, outcome.seconds = monitor.history, time.perf_counter() - monitor.start
    epochs_timed = max(1, len(monitor.history) - first - 1)
    outcome.frames_per_second = epochs_timed * shared["n_frames"] / max(seconds, 1e-9)
    path.unlink(missing_ok=True)
    return best


def _as_numpy(tree: object) -> dict[str, np.ndarray]:
    leaves = jax.tree.map(lambda a: jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a, tree)
    return {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(leaves))}


def _save(path: Path, mark: str, epoch: int, state: tuple, best: object, monitor: Monitor) -> None:
    progress = {"best": monitor.best, "best_epoch": monitor.best_epoch, "history": monitor.history}
    checkpoint.save(path, _as_numpy((state, best)), {"fingerprint": mark, "epoch": epoch, **progress})


def _resume(saved: tuple, state: tuple, monitor: Monitor) -> tuple:
    arrays, progress = saved
    leaves, structure = jax.tree.flatten((state, state[1]))
    is_key = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    values = [jnp.asarray(arrays[str(i)]) for i in range(len(leaves))]
    values = [jax.random.wrap_key_data(v) if k else v for v, k in zip(values, is_key, strict=True)]
    state, best = jax.tree.unflatten(structure, values)
    monitor.best, monitor.best_epoch, monitor.history = progress["best"], progress["best_epoch"], progress["history"]
    return progress["epoch"] + 1, state, best
