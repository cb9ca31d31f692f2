"""The training loop for JAX: an epoch is one compiled program, and all runs of a method share it.

Seeds and training sizes do, on every task of one shape: arrays are filled up to the whole training
split, how many of its samples count is an argument, and so are the constants of the data (Python
floats that are leaves of a network). What does not depend on weights is computed once (`prepare`),
where nothing turns the samples and it fits into memory.
"""

import copy
import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from equitraj.training import flops
from equitraj.training.checkpoint import Checkpoint
from equitraj.training.futures import FUTURE, LATER
from equitraj.training.jax_epoch import PART, make_epoch, make_objective, optimiser
from equitraj.training.jax_samples import Samples, flat, rows, samples_of
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Data, Monitor, Outcome, snapshot_epochs
from equitraj.training.state import check_names

jax.config.update("jax_enable_x64", True)
# Most networks this small compile for longer than these save: half the time, at the same speed
# afterwards. Another one says so in its `compiler_options`.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
)
DRAWING = {
    "xla_backend_optimization_level": 1
}  # of weights: the same numbers, compiled in a third of the time
COMPILED = "EQUITRAJ_COMPILED"  # the workflow puts here the folder in which a study keeps its compiled programs
PREPARED_BYTES = 1 << 30  # of what is prepared once; more is prepared in each step


def _keep_programs() -> None:
    """Keep compiled programs between jobs, apart for processors that have other instructions."""
    if (folder := os.environ.get(COMPILED)) and not jax.config.jax_compilation_cache_dir:
        cpus = Path("/proc/cpuinfo")
        known = cpus.read_text().split("\n\n")[0] if cpus.is_file() else platform.processor()
        flags = "".join(
            line
            for line in known.splitlines()
            if line.startswith(("flags", "Features", "model name"))
        )
        digest = hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:8]
        jax.config.update(
            "jax_compilation_cache_dir", str(Path(folder) / f"{platform.machine()}-{digest}")
        )
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


_keep_programs()


def named_arrays(tree: object) -> dict[str, np.ndarray]:
    """The array leaves of a tree by their path, such as `.layers[0].weight`."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))[0]
    return {jax.tree_util.keystr(path).lstrip("."): np.asarray(leaf) for path, leaf in leaves}


def _is_array(leaf: object) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def with_arrays(tree: object, arrays: dict[str, np.ndarray], dtype: str | None = None) -> object:
    """The tree with its array leaves, or their shapes, replaced by the arrays of the same path,
    cast to `dtype`."""
    dynamic, static = eqx.partition(tree, _is_array)
    paths, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    # cast by NumPy and put there as they are: `jnp.asarray` would compile a program for each shape
    leaves = [
        jax.device_put(np.asarray(arrays[jax.tree_util.keystr(path).lstrip(".")], dtype))
        for path, _ in paths
    ]
    return eqx.combine(jax.tree_util.tree_unflatten(structure, leaves), static)


def with_constants(tree: object, dtype: str) -> object:
    """The tree with its leaves that are Python floats, the constants of the data, replaced by
    arrays."""
    as_array = (
        lambda leaf: jax.device_put(np.asarray(leaf, dtype)) if isinstance(leaf, float) else leaf
    )  # noqa: E731
    return jax.tree.map(as_array, tree)


def vector_of(tree: object) -> tuple[jax.Array, Callable]:
    """The array leaves one after the other, and what makes the tree of such a vector; one program,
    not one per leaf."""
    kept = []

    def raveled(tree: object) -> jax.Array:
        vector, unravel = ravel_pytree(tree)
        kept.append(unravel)
        return vector

    return jax.jit(raveled)(tree), kept[0]


def device_name() -> str:
    """The kind of the default device."""
    return jax.devices()[0].device_kind


def select_device(wanted: str) -> None:
    """Make `wanted` ("cpu", "cuda", or "auto" for the best there is) the default device.

    Raises:
        RuntimeError: there is no such device; JAX says what it found.
    """
    if wanted != "auto":
        jax.config.update(
            "jax_default_device", jax.devices("gpu" if wanted == "cuda" else "cpu")[0]
        )


@dataclass(frozen=True)
class Program:
    """A compiled epoch, and what it was compiled for.

    Attributes:
        static: the parts of the network that are no arrays; they are constants of the program.
        arguments: structure, shapes and types of its arguments.
        epoch: the compiled function.
        flops: operations of the losses of an epoch and their gradients.
    """

    static: object
    arguments: object
    epoch: Callable
    flops: int

    def fits(self, static: object, arguments: object) -> bool:
        """Whether a network with these static parts, called with such arguments, would compile to
        this program."""
        return self.arguments == arguments and eqx.tree_equal(self.static, static) is True


def _on_gpu() -> bool:
    return jax.default_backend() == "gpu"


def _compiled_build(build: Callable) -> Callable:
    """`build(key)` in one compilation, in place of one for each shape of weights."""
    return eqx.filter_jit(build, compiler_options=None if _on_gpu() else DRAWING)


def _described(arguments: tuple) -> tuple:
    """Structure, shapes and types of arguments."""
    leaves, structure = jax.tree.flatten(arguments)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


class Trainer:
    """Trains one network per seed; what seeds share is made once. `build(key)` gives it, `weights`
    replace its own."""

    def __init__(
        self,
        build,
        data: Data,
        options: TrainingOptions,
        device: str = "auto",
        weights: dict | None = None,
    ) -> None:
        select_device(device)
        self.weights = weights
        self.build = _compiled_build(build)
        self.data, self.options, self.device = data, options, device_name()
        n_batches = options.batches(data.capacity)
        self.frames_per_epoch = n_batches * min(options.batch_size, data.capacity)
        self.optimise = optimiser(options, options.epochs * n_batches)
        self.samples = None
        self.programs: list[Program] = []

    def on(self, build, data: Data) -> "Trainer":
        """A trainer of the same method on another number of samples, which shares the compiled
        programs."""
        other = copy.copy(self)
        other.build, other.data, other.samples = _compiled_build(build), data, None
        if self.options.pushforward:  # whose program holds the statistics of the data
            other.programs = []
        return other

    @property
    def still(self) -> bool:
        """Whether nothing turns the samples, leads them on or chooses among their frames."""
        options, data = self.options, self.data
        return not (
            data.augmentation != "none"
            or options.symmetry_penalty
            or options.pushforward
            or data.draw
        )

    def _load(self, network: eqx.Module) -> tuple[Samples, Samples]:
        """Training and validation samples on the device, prepared where they can be."""
        train, validation = self.data.train, self.data.validation
        lengths = (
            self.data.capacity,
            len(validation) + -len(validation) % min(len(validation), PART),
        )
        parts = [
            samples_of(a, self.options.precision, n)
            for a, n in zip((train, validation), lengths, strict=True)
        ]
        network = with_constants(network, self.options.precision)
        if self.still and hasattr(network, "prepare") and _fits(network, parts):
            parts = [part._replace(inputs=_prepared(network, part.inputs)) for part in parts]
        return tuple(parts)

    def initial(self, seed: int) -> tuple[eqx.Module, jax.Array]:
        """A network with its first weights in the options' precision, and the key that is left for
        training."""
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
            constants, static = eqx.partition(rest, lambda leaf: isinstance(leaf, float))
            constants = jax.tree.map(lambda c: jnp.asarray(c, self.options.precision), constants)
            weights, unravel = vector_of(dynamic)
            rebuild = lambda vector, constants: eqx.combine(unravel(vector), constants, static)  # noqa: E731
            state = (weights, weights, self.optimise.init(weights), key)
            self.samples = self.samples or self._load(network)
            program = self._program(rebuild, static, state, constants)
        outcome.flops_per_epoch = program.flops
        best, snapshots = self._run(program.epoch, state, constants, monitor, checkpoint)
        outcome.trained = named_arrays(unravel(best))
        if hasattr(network, "diagnostics"):
            with monitor.compiling():  # which is most of what it takes
                found = eqx.filter_jit(lambda network: network.diagnostics())(
                    rebuild(best, constants)
                )
                outcome.diagnostics = {name: float(value) for name, value in found.items()}
        outcome.snapshots = {
            int(n): named_arrays(unravel(jnp.asarray(v))) for n, v in snapshots.items()
        }

    def _program(self, rebuild, static: object, state: tuple, constants: object) -> Program:
        """The program for a network and the samples: one that is there already, or a new one."""
        arguments = _described((state, constants, *self.samples))
        for program in self.programs:
            if program.fits(static, arguments):
                return program
        epoch, flops = (
            self._compiled(rebuild, state, constants),
            self._flops(rebuild, state, constants),
        )
        self.programs.append(Program(static, arguments, epoch, flops))
        return self.programs[-1]

    def _compiled(self, rebuild, state: tuple, constants: object):
        epoch = make_epoch(rebuild, self.options, self.data)
        on_gpu = _on_gpu()
        with jax.default_matmul_precision(self.options.matmul_precision if on_gpu else None):
            lowered = jax.jit(epoch).lower(state, constants, *self.samples)
        # those of the networks here are for a CPU
        return lowered.compile(
            None if on_gpu else getattr(rebuild(state[0], constants), "compiler_options", None)
        )

    def _flops(self, rebuild, state: tuple, constants: object) -> int:
        """Operations of the losses of an epoch and their gradients; what is computed once, and
        validation, left out."""
        size, frames = (
            min(self.options.batch_size, self.data.capacity),
            1 if self.data.draw else None,
        )
        cut = lambda a: jax.ShapeDtypeStruct(
            (size, *(a.shape[1:2] if frames is None else (1,)), *a.shape[2:]), a.dtype
        )  # noqa: E731
        train = self.samples[0]
        train = train._replace(
            inputs={k: v for k, v in train.inputs.items() if k not in (FUTURE, LATER)}
        )
        batch = jax.tree.map(cut, train._replace(counted=train.weight))
        batch = batch._replace(counted=jax.ShapeDtypeStruct((size,), train.counted.dtype))
        step = jax.value_and_grad(make_objective(rebuild, self.options))
        return flops.count(step, state[0], constants, batch, state[3]) * self.options.batches(
            self.data.capacity
        )

    def _run(
        self,
        run_epoch: Callable,
        state: tuple,
        constants: object,
        monitor: Monitor,
        checkpoint: Checkpoint,
    ) -> tuple:
        """The weights of the best epoch, and those on the way."""
        first, best, snapshots, keep = 0, state[1], {}, snapshot_epochs(self.options.epochs)
        if (saved := checkpoint.load()) is not None:
            (state, best), first = _from_numpy((state, best), saved[0]), monitor.restore(saved[1])
            snapshots = {
                k.split("/")[1]: v for k, v in saved[0].items() if k.startswith("snapshot/")
            }
        for epoch in range(first, self.options.epochs):
            state, train_loss, validation_loss = run_epoch(state, constants, *self.samples)
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


def _fits(network: eqx.Module, parts: list[Samples]) -> bool:
    """Whether what the network prepares of all samples stays within `PREPARED_BYTES`."""
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape[2:]), a.dtype), parts[0].inputs)
    leaves = jax.tree.leaves(jax.eval_shape(network.prepare, one))
    each = sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    return each * sum(part.weight.size for part in parts) <= PREPARED_BYTES


@eqx.filter_jit
def _prepared_rows(
    network: eqx.Module, inputs: dict[str, jax.Array], index: np.ndarray
) -> dict[str, jax.Array]:
    return network.prepare(flat(rows(inputs, index)))


def _prepared(network: eqx.Module, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """What the network prepares of inputs (S, F, ...), computed `PART` samples at a time."""
    length, frames = inputs["position"].shape[:2]
    found: dict[str, np.ndarray] = {}
    size = min(max(1, PART // frames), length)
    for start in range(0, length, size):
        index = np.minimum(
            np.arange(start, start + size), length - 1
        )  # every part has one size: one program
        for name, value in _prepared_rows(network, inputs, index).items():
            apart = np.asarray(value).reshape(size, frames, *value.shape[1:])
            whole = found.setdefault(name, np.empty((length, *apart.shape[1:]), apart.dtype))
            whole[start : start + size] = apart[: length - start]
    return jax.device_put(found)


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(tree: object) -> dict[str, np.ndarray]:
    leaves = (
        jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in jax.tree.leaves(tree)
    )
    return {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)}


def _from_numpy(tree: object, arrays: dict[str, np.ndarray]) -> object:
    leaves, structure = jax.tree.flatten(tree)
    restored = []
    for i, leaf in enumerate(leaves):
        value = jnp.asarray(arrays[str(i)])
        # a file keeps a number as an array of one
        restored.append(
            jax.random.wrap_key_data(value) if _is_key(leaf) else value.reshape(leaf.shape)
        )
    return jax.tree.unflatten(structure, restored)
