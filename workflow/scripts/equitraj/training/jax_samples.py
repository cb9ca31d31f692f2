"""Samples of JAX networks on the device: how they are turned and drawn, and the loss on them."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.tree_util import tree_map

from equitraj.data.features import TURNED, check_output
from equitraj.training.outcome import Arrays

Tree = TypeVar("Tree")


class Network(Protocol):
    """A network as training calls it; `prepare` and `apply` are optional, but come together."""

    def __call__(self, inputs: dict[str, Array]) -> Array:
        """Return (B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""

    def prepare(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Return what does not depend on weights."""

    def apply(self, prepared: dict[str, Array]) -> Array:
        """Return (B, N, 3) from the arrays of `prepare`."""


class Samples(NamedTuple):
    """S samples, each in F reference frames.

    Attributes:
        inputs: (S, F, ...), by name.
        target: (S, F, N, 3).
        rotation: (S, F, 3, 3).
        weight: (S, F).
        counted: (S,), 1 for a sample and 0 for padding up to the length that programs are compiled
            for.
    """

    inputs: dict[str, Array]
    target: Array
    rotation: Array
    weight: Array
    counted: Array


def _filled(array: np.ndarray, length: int) -> np.ndarray:
    """The array padded to a length with its last entry; one row of an array that was broadcast."""
    if array.strides[0] == 0:
        return array[:1]
    if len(array) == length:
        return array
    index = np.minimum(np.arange(length), len(array) - 1)
    return array[index]


def samples_of(arrays: Arrays, dtype: str, length: int) -> Samples:
    """Put the samples on the device, padded to `length`; what all of them share is there once."""
    shape = arrays.weight.shape

    def by_frame(value: np.ndarray) -> np.ndarray:
        return value.reshape(*shape, *value.shape[1:])

    def padded(value: np.ndarray) -> np.ndarray:
        kind = dtype if value.dtype.kind == "f" else value.dtype
        return np.asarray(_filled(value, length), kind)

    inputs = tree_map(by_frame, arrays.inputs)
    target = by_frame(arrays.target)
    counted = (np.arange(length) < len(arrays)).astype(dtype)
    parts = tree_map(padded, (inputs, target, arrays.rotation, arrays.weight, counted))
    return jax.device_put(Samples(*parts))


def rows(samples: Tree, index: Array | np.ndarray) -> Tree:
    """Return the samples at `index`; an array with one row, which all samples share, repeats it."""

    def at(array: Array) -> Array:
        if len(array) > 1:
            return array[index]
        shape = (len(index), *array.shape[1:])
        return jnp.broadcast_to(array, shape)

    return tree_map(at, samples)


def haar_rotations(key: Array, n: int, dtype: jnp.dtype) -> Array:
    """Random rotations (n, 3, 3), uniform on SO(3).

    They come from normalised Gaussian quaternions (Shoemake, 1992).
    """
    quaternion = jax.random.normal(key, (n, 4), dtype)
    norm = jnp.linalg.norm(quaternion, axis=1, keepdims=True)
    unit = quaternion / norm
    return _of_quaternion(*unit.T)


def _of_quaternion(w: Array, x: Array, y: Array, z: Array) -> Array:
    """Rotations (n, 3, 3) from the components (n,) of unit quaternions."""
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return _matrices(rows)


def turns_about_z(key: Array, n: int, dtype: jnp.dtype) -> Array:
    """Random rotations (n, 3, 3) about the third axis."""
    angle = jax.random.uniform(key, (n,), dtype, 0.0, 2 * jnp.pi)
    c = jnp.cos(angle)
    s = jnp.sin(angle)
    zero = jnp.zeros_like(angle)
    first = [c, -s, zero]
    second = [s, c, zero]
    return _matrices([first, second, [zero, zero, zero + 1]])


def _matrices(rows: list[list[Array]]) -> Array:
    """Matrices (n, 3, 3) from rows of entries (n,)."""
    stacked = [jnp.stack(row, -1) for row in rows]
    return jnp.stack(stacked, -2)


DRAWS = {"rotation": haar_rotations, "rotation_z": turns_about_z}  # by the name of an augmentation


def _drawn_rotations(draw: Callable, key: Array, batch: Samples) -> Array:
    """One random rotation for each reference frame of each sample, (S, F, 3, 3)."""
    shape = batch.weight.shape
    rotation = draw(key, batch.weight.size, batch.target.dtype)
    return rotation.reshape(*shape, 3, 3)


def turn(rotation: Array, inputs: dict[str, Array]) -> dict[str, Array]:
    """Return the inputs (S, F, ...) with their vectors turned by rotations (S, F, 3, 3)."""
    vectors = {}
    for name in TURNED:
        if name in inputs:
            vectors[name] = jnp.einsum("sfij,sf...j->sf...i", rotation, inputs[name])
    return inputs | vectors


def rotated(batch: Samples, key: Array, augmentation: str) -> Samples:
    """Turn each sample in each reference frame by a rotation of its own, the frame with it."""
    rotation = _drawn_rotations(DRAWS[augmentation], key, batch)
    target = jnp.einsum("...ij,...nj->...ni", rotation, batch.target)
    inputs = turn(rotation, batch.inputs)
    return batch._replace(inputs=inputs, target=target, rotation=rotation @ batch.rotation)


def drawn(batch: Samples, key: Array) -> Samples:
    """Draw one reference frame of each sample, with the weights as probabilities."""
    chosen = jax.random.categorical(key, jnp.log(batch.weight))

    def choose(array: Array) -> Array:
        sample = jnp.arange(len(array))
        return array[sample, chosen][:, None]

    # `counted` has no axis of reference frames
    one = tree_map(choose, batch._replace(counted=batch.weight))
    weight = jnp.ones_like(one.weight)
    return one._replace(weight=weight, counted=batch.counted)


def flat(inputs: dict[str, Array]) -> dict[str, Array]:
    """Return inputs (S, F, ...) as a network takes them, (S * F, ...)."""
    return tree_map(_flat, inputs)


def _flat(array: Array) -> Array:
    samples, frames, *rest = array.shape
    return array.reshape(samples * frames, *rest)


def outputs(network: Network, batch: Samples) -> Array:
    """Return the network's output for the samples, (S, F, N, 3); their inputs may be prepared."""
    inputs = flat(batch.inputs)
    if "position" in inputs and hasattr(network, "prepare"):
        inputs = network.prepare(inputs)
    output = network(inputs) if "position" in inputs else network.apply(inputs)
    check_output(output.shape, (batch.weight.size, *batch.target.shape[2:]))
    return output.reshape(batch.target.shape)


def loss(network: Network, batch: Samples, huber: float = 0.0, average: bool = True) -> Array:
    """Return the loss summed over the samples.

    If `average`, the errors of a sample in its reference frames are averaged by weight, in world
    axes, before the loss is taken; else its losses are averaged.
    """
    error = outputs(network, batch) - batch.target
    weight = batch.weight
    if average and weight.shape[1] > 1:
        error = jnp.einsum("bf,bfij,bfni->bnj", weight, batch.rotation, error)[:, None]
        weight = jnp.ones_like(weight[:, :1])
    if huber:
        each = 2 * optax.huber_loss(error, delta=huber)
    else:
        each = error**2
    of_frame = jnp.mean(each, axis=(2, 3))
    of_sample = jnp.sum(weight * of_frame, axis=1)
    return jnp.sum(batch.counted * of_sample)


def asymmetry(network: Network, batch: Samples, key: Array) -> Array:
    """Return |R^T f(R x) - f(x)|^2 per coordinate, summed over the samples.

    Each sample has its own random rotation R.
    """
    rotation = _drawn_rotations(haar_rotations, key, batch)
    inputs = turn(rotation, batch.inputs)
    turned = outputs(network, batch._replace(inputs=inputs))
    back = jnp.einsum("...ij,...ni->...nj", rotation, turned)
    change = back - outputs(network, batch)
    of_sample = jnp.mean(change**2, axis=(1, 2, 3))
    return jnp.sum(batch.counted * of_sample)
