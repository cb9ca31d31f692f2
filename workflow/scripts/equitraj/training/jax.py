"""The training loop for JAX: an epoch is one compiled program, which all runs of a method share.

Seeds and training sizes share it, on every task of one shape: arrays are padded to the whole
training split, and the number of samples that count is an argument. So are the constants of the
data, the leaves of a network that are Python floats. What does not depend on weights is computed
once (`prepare`) if nothing turns the samples and it fits into memory.
"""

import copy
import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import (
    keystr,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_unflatten,
)

from equitraj.training import flops
from equitraj.training.checkpoint import Checkpoint
from equitraj.training.futures import FUTURE, LATER
from equitraj.training.jax_epoch import PART, make_epoch, make_objective, optimiser
from equitraj.training.jax_samples import Network, Samples, flat, rows, samples_of
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Data, Monitor, Outcome, snapshot_epochs
from equitraj.training.state import check_names

jax.config.update("jax_enable_x64", True)
# Most networks this small compile for longer than these passes save: without them it takes half the
# time, and training is as fast. A network that needs them sets its `compiler_options`.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
)
# for drawing weights: the same numbers, compiled in a third of the time
DRAWING = {"xla_backend_optimization_level": 1}
COMPILED = "EQUITRAJ_COMPILED"  # environment variable: folder of a study's compiled programs
PREPARED_BYTES = 1 << 30  # upper bound of what is prepared once; more is prepared in each step
SNAPSHOT = "snapshot/"  # prefix of snapshots in a checkpoint
PROCESSOR = ("flags", "Features", "model name")  # lines of /proc/cpuinfo that tell processors apart

Tree = TypeVar("Tree")


def _keep_programs() -> None:
    """Keep compiled programs between jobs, in one folder for each kind of processor."""
    folder = os.environ.get(COMPILED)
    # jax adds its options to `config` at run time
    if folder and not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        path = Path(folder) / _processor()
        jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _processor() -> str:
    """A name of the processor, the same for processors with the same instructions."""
    machine = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        text = cpuinfo.read_text().split("\n\n")[0]
    else:
        text = platform.processor()
    flags = "".join(line for line in text.splitlines() if line.startswith(PROCESSOR))
    digest = hashlib.sha256(f"{machine} {flags}".encode()).hexdigest()
    return f"{machine}-{digest[:8]}"


_keep_programs()


def named_arrays(tree: object) -> dict[str, np.ndarray]:
    """Return the array leaves of a tree by their path, such as `.layers[0].weight`."""
    arrays = eqx.filter(tree, eqx.is_array)
    leaves, _ = tree_flatten_with_path(arrays)
    named = {}
    for path, leaf in leaves:
        named[_name(path)] = np.asarray(leaf)
    return named


def _name(path: tuple) -> str:
    return keystr(path).lstrip(".")


def _is_array(leaf: object) -> bool:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return True
    return eqx.is_array(leaf)


def with_arrays(tree: Tree, arrays: dict[str, np.ndarray], dtype: str | None = None) -> Tree:
    """Replace array leaves, or their shapes, by the arrays of the same path, cast to `dtype`."""
    dynamic, static = eqx.partition(tree, _is_array)
    paths, structure = tree_flatten_with_path(dynamic)
    leaves = [_on_device(arrays[_name(path)], dtype) for path, _ in paths]
    replaced = tree_unflatten(structure, leaves)
    return eqx.combine(replaced, static)


def _on_device(value: object, dtype: str | None) -> jax.Array:
    # NumPy casts, as `jnp.asarray` would compile a program for each shape
    array = np.asarray(value, dtype)
    return jax.device_put(array)


def with_constants(tree: Tree, dtype: str) -> Tree:
    """Replace the constants of the data, the leaves that are Python floats, by arrays."""

    def as_array(leaf: object) -> object:
        if isinstance(leaf, float):
            return _on_device(leaf, dtype)
        return leaf

    return tree_map(as_array, tree)


def vector_of(tree: Tree) -> tuple[jax.Array, Callable[[jax.Array], Tree]]:
    """Return the array leaves as one vector, and the function that makes a tree from such a vector.

    This compiles one program, not one per leaf.
    """
    kept = []

    def raveled(tree: Tree) -> jax.Array:
        vector, unravel = ravel_pytree(tree)
        kept.append(unravel)
        return vector

    vector = jax.jit(raveled)(tree)
    return vector, kept[0]


def device_name() -> str:
    """Return the kind of the default device."""
    device = jax.devices()[0]
    return device.device_kind


def select_device(wanted: str) -> None:
    """Make `wanted` ("cpu", "cuda", or "auto" for the best there is) the default device.

    Raises:
        RuntimeError: there is no such device; JAX names those that it found.
    """
    if wanted == "auto":
        return
    devices = jax.devices("gpu" if wanted == "cuda" else "cpu")
    jax.config.update("jax_default_device", devices[0])


@dataclass(frozen=True)
class Program:
    """A compiled epoch, and what it was compiled for.

    Attributes:
        static: the parts of the network that are not arrays; they are constants of the program.
        arguments: structure, shapes and types of its arguments.
        epoch: the compiled function.
        flops: operations of the losses of an epoch and their gradients.
    """

    static: object
    arguments: object
    epoch: Callable
    flops: int

    def fits(self, static: object, arguments: object) -> bool:
        """Return whether a network would compile to this program.

        The network has these static parts and is called with arguments of these shapes and types.
        """
        if self.arguments != arguments:
            return False
        return eqx.tree_equal(self.static, static) is True


def _on_gpu() -> bool:
    return jax.default_backend() == "gpu"


def _compiled_build(build: Callable) -> Callable:
    """`build(key)` in one compilation, in place of one for each shape of weights."""
    level_is_given = "xla_backend_optimization_level" in os.environ["XLA_FLAGS"]
    options = None if _on_gpu() or level_is_given else DRAWING
    # the declared types of `filter_jit` lack this argument
    return eqx.filter_jit(build, compiler_options=options)  # type: ignore[call-overload]


def _described(arguments: tuple) -> tuple:
    """Structure, shapes and types of arguments."""
    leaves, structure = tree_flatten(arguments)
    types = [(leaf.shape, leaf.dtype) for leaf in leaves]
    return structure, types


def _is_constant(leaf: object) -> bool:
    return isinstance(leaf, float)


class Trainer:
    """Trains one network per seed, and shares between seeds what does not depend on them.

    `build(key)` returns the network; `weights`, if given, replace its own.
    """

    samples: tuple[Samples, ...] = ()  # of training and validation, once they are loaded
    programs: list[Program]

    def __init__(
        self,
        build: Callable,
        data: Data,
        options: TrainingOptions,
        device: str = "auto",
        weights: dict[str, np.ndarray] | None = None,
    ) -> None:
        select_device(device)
        self.weights = weights
        self.build = _compiled_build(build)
        self.data = data
        self.options = options
        self.device = device_name()
        n_batches = options.batches(data.capacity)
        self.frames_per_epoch = n_batches * min(options.batch_size, data.capacity)
        self.optimise = optimiser(options, options.epochs * n_batches)
        self.programs = []

    def on(self, build: Callable, data: Data) -> "Trainer":
        """Return a trainer of the same method on other samples; it shares the compiled programs."""
        other = copy.copy(self)
        other.build = _compiled_build(build)
        other.data = data
        other.samples = ()
        if self.options.pushforward:  # the statistics of the data are constants of the program
            other.programs = []
        return other

    @property
    def still(self) -> bool:
        """Whether the samples are the same in every step: neither turned, nor moved, nor drawn."""
        if self.data.augmentation != "none" or self.data.draw:
            return False
        return not (self.options.symmetry_penalty or self.options.pushforward)

    def _load(self, network: Network) -> tuple[Samples, Samples]:
        """Training and validation samples on the device, prepared where they can be."""
        precision = self.options.precision
        train = samples_of(self.data.train, precision, self.data.capacity)
        n_validation = len(self.data.validation)
        padding = -n_validation % min(n_validation, PART)
        validation = samples_of(self.data.validation, precision, n_validation + padding)
        network = with_constants(network, precision)
        if self.still and hasattr(network, "prepare") and _fits(network, train, validation):
            train = train._replace(inputs=_prepared(network, train.inputs))
            validation = validation._replace(inputs=_prepared(network, validation.inputs))
        return train, validation

    def initial(self, seed: int) -> tuple[Network, jax.Array]:
        """Return a network with its first weights, and the key that remains for training.

        The weights have the precision of the options.
        """
        build_key, key = jax.random.split(jax.random.key(seed))
        network = self.build(build_key)
        arrays = named_arrays(network)
        if self.weights is not None:
            check_names(self.weights, arrays)
            arrays = self.weights
        return with_arrays(network, arrays, self.options.precision), key

    def train(self, seed: int, monitor: Monitor, checkpoint: Checkpoint, outcome: Outcome) -> None:
        """Train the network of one seed and fill in the outcome's weights."""
        with monitor.compiling():
            network, key = self.initial(seed)
            outcome.initial = named_arrays(network)
            dynamic, rest = eqx.partition(network, eqx.is_array)
            floats, static = eqx.partition(rest, _is_constant)
            constants = with_constants(floats, self.options.precision)
            weights, unravel = vector_of(dynamic)

            def rebuild(vector: jax.Array, constants: object) -> Network:
                return eqx.combine(unravel(vector), constants, static)

            state = (weights, weights, self.optimise.init(weights), key)
            self.samples = self.samples or self._load(network)
            program = self._program(rebuild, static, state, constants)
        outcome.flops_per_epoch = program.flops
        best, snapshots = self._run(program.epoch, state, constants, monitor, checkpoint)
        outcome.trained = named_arrays(unravel(best))
        if hasattr(network, "diagnostics"):
            with monitor.compiling():  # compilation takes most of the time
                outcome.diagnostics = _diagnostics(rebuild(best, constants))
        for name, vector in snapshots.items():
            epoch = int(name.removeprefix(SNAPSHOT))
            outcome.snapshots[epoch] = named_arrays(unravel(jnp.asarray(vector)))

    def _program(
        self, rebuild: Callable, static: object, state: tuple, constants: object
    ) -> Program:
        """The program for a network and the samples: one that is there already, or a new one."""
        arguments = _described((state, constants, *self.samples))
        for program in self.programs:
            if program.fits(static, arguments):
                return program
        epoch = self._compiled(rebuild, state, constants)
        flops = self._flops(rebuild, state, constants)
        program = Program(static, arguments, epoch, flops)
        self.programs.append(program)
        return program

    def _compiled(self, rebuild: Callable, state: tuple, constants: object) -> Callable:
        epoch = make_epoch(rebuild, self.options, self.data)
        on_gpu = _on_gpu()
        precision = self.options.matmul_precision if on_gpu else None
        with jax.default_matmul_precision(precision):
            lowered = jax.jit(epoch).lower(state, constants, *self.samples)
        if on_gpu:
            return lowered.compile()
        # networks set these options for a CPU
        network = rebuild(state[0], constants)
        return lowered.compile(getattr(network, "compiler_options", None))

    def _flops(self, rebuild: Callable, state: tuple, constants: object) -> int:
        """Operations of the losses of an epoch and their gradients.

        Validation and what is computed once do not count.
        """
        capacity = self.data.capacity
        size = min(self.options.batch_size, capacity)
        train = self.samples[0]
        n_frames = 1 if self.data.draw else train.weight.shape[1]
        inputs = {k: v for k, v in train.inputs.items() if k not in (FUTURE, LATER)}
        batch = train._replace(inputs=inputs, counted=train.weight)
        batch = tree_map(partial(_abstract, (size, n_frames)), batch)
        batch = batch._replace(counted=_abstract((size,), train.counted))
        step = jax.value_and_grad(make_objective(rebuild, self.options))
        flops_per_step = flops.count(step, state[0], constants, batch, state[3])
        return flops_per_step * self.options.batches(capacity)

    def _run(
        self,
        run_epoch: Callable,
        state: tuple,
        constants: object,
        monitor: Monitor,
        checkpoint: Checkpoint,
    ) -> tuple[jax.Array, dict[str, np.ndarray]]:
        """The weights of the best epoch, and snapshots as a checkpoint stores them."""
        first = 0
        best = state[1]  # the average of the weights
        snapshots = {}
        saved = checkpoint.load()
        if saved is not None:
            arrays, progress = saved
            state, best = _from_numpy((state, best), arrays)
            first = monitor.restore(progress)
            snapshots = {k: v for k, v in arrays.items() if k.startswith(SNAPSHOT)}
        keep = snapshot_epochs(self.options.epochs)
        for epoch in range(first, self.options.epochs):
            state, train_loss, validation_loss = run_epoch(state, constants, *self.samples)
            if monitor.record(epoch, float(train_loss), float(validation_loss)):
                best = state[1]
            if epoch + 1 in keep:
                snapshots[f"{SNAPSHOT}{epoch + 1}"] = np.asarray(state[1])
            if monitor.stalled():
                break
            if checkpoint.due():
                arrays = _to_numpy((state, best)) | snapshots
                checkpoint.save(arrays, monitor.state())
        return best, snapshots


def _diagnostics(network: Network) -> dict[str, float]:
    """The numbers that a network reports about itself."""
    diagnose = eqx.filter_jit(lambda network: network.diagnostics())
    values = diagnose(network)
    return {name: float(value) for name, value in values.items()}


def _abstract(leading: tuple[int, ...], array: jax.Array) -> jax.ShapeDtypeStruct:
    """Shape and type of an array (S, F, ...) with other leading axes in place of S and F."""
    shape = (*leading, *array.shape[2:])
    return jax.ShapeDtypeStruct(shape, array.dtype)


def _fits(network: Network, *parts: Samples) -> bool:
    """Whether what the network prepares for all samples stays within `PREPARED_BYTES`."""
    one = tree_map(partial(_abstract, (1,)), parts[0].inputs)
    leaves = tree_leaves(jax.eval_shape(network.prepare, one))
    bytes_of_one = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    count = sum(part.weight.size for part in parts)
    return bytes_of_one * count <= PREPARED_BYTES


@eqx.filter_jit
def _prepared_rows(
    network: Network, inputs: dict[str, jax.Array], index: np.ndarray
) -> dict[str, jax.Array]:
    return network.prepare(flat(rows(inputs, index)))


def _prepared(network: Network, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """What the network prepares from inputs (S, F, ...), computed `PART` samples at a time."""
    length, frames = inputs["position"].shape[:2]
    whole: dict = {}
    size = min(max(1, PART // frames), length)
    for start in range(0, length, size):
        # all parts have one size, and so one program
        index = np.minimum(np.arange(start, start + size), length - 1)
        prepared = _prepared_rows(network, inputs, index)
        for name, value in prepared.items():
            shape = (frames, *value.shape[1:])
            part = np.asarray(value).reshape(size, *shape)
            if name not in whole:
                whole[name] = np.empty((length, *shape), part.dtype)
            whole[name][start : start + size] = part[: length - start]
    return jax.device_put(whole)


def _is_key(leaf: jax.Array) -> bool:
    key = jax.dtypes.prng_key
    return jnp.issubdtype(leaf.dtype, key)


def _to_numpy(tree: object) -> dict[str, np.ndarray]:
    arrays = {}
    for i, leaf in enumerate(tree_leaves(tree)):
        data = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        arrays[str(i)] = np.asarray(data)
    return arrays


def _from_numpy(tree: Tree, arrays: dict[str, np.ndarray]) -> Tree:
    leaves, structure = tree_flatten(tree)
    restored = []
    for i, leaf in enumerate(leaves):
        value = jnp.asarray(arrays[str(i)])
        if _is_key(leaf):
            value = jax.random.wrap_key_data(value)
        else:  # a file stores a number as an array of one
            value = value.reshape(leaf.shape)
        restored.append(value)
    return tree_unflatten(structure, restored)
