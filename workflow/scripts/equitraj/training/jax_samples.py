"""Samples on the device of JAX networks: how they are turned and drawn, and the loss on them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from equitraj.data.features import TURNED, check_output
from equitraj.training.outcome import Arrays


class Samples(NamedTuple):
    """Attributes: inputs (S, F, ...) by name, target (S, F, N, 3), rotation (S, F, 3, 3), weight
    (S, F), and counted (S,), 1 for a sample and 0 for what fills the arrays up to the length that
    programs are compiled for."""

    inputs: dict[str, jax.Array]
    target: jax.Array
    rotation: jax.Array
    weight: jax.Array
    counted: jax.Array


def _filled(array: np.ndarray, length: int) -> np.ndarray:
    """The array up to a length, its last entry repeated; one row of what is repeated without
    memory."""
    if array.strides[0] == 0:
        return array[:1]
    return array if len(array) == length else array[np.minimum(np.arange(length), len(array) - 1)]


def samples_of(arrays: Arrays, dtype: str, length: int) -> Samples:
    """The samples on the device, filled up to `length`; what all of them share is there once."""
    shape, kind = arrays.weight.shape, lambda a: dtype if a.dtype.kind == "f" else a.dtype
    apart = {k: v.reshape(*shape, *v.shape[1:]) for k, v in arrays.inputs.items()}
    target = arrays.target.reshape(*shape, *arrays.target.shape[1:])
    counted = (np.arange(length) < len(arrays)).astype(dtype)
    given = (apart, target, arrays.rotation, arrays.weight)
    return jax.device_put(
        Samples(*jax.tree.map(lambda a: np.asarray(_filled(a, length), kind(a)), given), counted)
    )


def rows(samples: Samples, index: jax.Array) -> Samples:
    """The samples at `index`; of an array with one row, which all samples share, that row."""
    at = lambda a: a[index] if len(a) > 1 else jnp.broadcast_to(a, (len(index), *a.shape[1:]))  # noqa: E731
    return jax.tree.map(at, samples)


def haar_rotations(key: jax.Array, n: int, dtype: jnp.dtype) -> jax.Array:
    """Random rotations (n, 3, 3), uniform on SO(3): normalised Gaussian quaternions (Shoemake,
    1992)."""
    q = jax.random.normal(key, (n, 4), dtype)
    w, x, y, z = (q / jnp.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def turns_about_z(key: jax.Array, n: int, dtype: jnp.dtype) -> jax.Array:
    """Random rotations (n, 3, 3) about the third axis."""
    angle = jax.random.uniform(key, (n,), dtype, 0.0, 2 * jnp.pi)
    c, s, zero = jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)
    rows = [[c, -s, zero], [s, c, zero], [zero, zero, zero + 1]]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


DRAWS = {"rotation": haar_rotations, "rotation_z": turns_about_z}  # by the name of an augmentation


def turn(rotation: jax.Array, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The inputs (S, F, ...) with their vectors turned by rotations (S, F, 3, 3)."""
    names = [name for name in TURNED if name in inputs]
    return inputs | {k: jnp.einsum("sfij,sf...j->sf...i", rotation, inputs[k]) for k in names}


def rotated(batch: Samples, key: jax.Array, augmentation: str) -> Samples:
    """Each frame of each sample turned by a rotation of its own: the frame turns with it."""
    rotation = DRAWS[augmentation](key, batch.weight.size, batch.target.dtype).reshape(
        *batch.weight.shape, 3, 3
    )
    target = jnp.einsum("...ij,...nj->...ni", rotation, batch.target)
    return batch._replace(
        inputs=turn(rotation, batch.inputs), target=target, rotation=rotation @ batch.rotation
    )


def drawn(batch: Samples, key: jax.Array) -> Samples:
    """One frame of each sample, drawn with the frames' weights."""
    chosen = jax.random.categorical(key, jnp.log(batch.weight))
    one = jax.tree.map(
        lambda a: a[jnp.arange(len(a)), chosen][:, None], batch._replace(counted=batch.weight)
    )
    return one._replace(weight=jnp.ones_like(one.weight), counted=batch.counted)


def flat(inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Inputs (S, F, ...) as a network takes them, (S * F, ...)."""
    return {
        k: v.reshape(v.shape[0] * v.shape[1], *v.shape[2:]) for k, v in inputs.items()
    }  # spelt out: may be empty


def outputs(network: eqx.Module, batch: Samples) -> jax.Array:
    """What a network returns for the samples, (S, F, N, 3); their inputs may be prepared."""
    inputs = flat(batch.inputs)
    if "position" in inputs and hasattr(network, "prepare"):
        inputs = network.prepare(inputs)
    found = network(inputs) if "position" in inputs else network.apply(inputs)
    check_output(found.shape, (batch.weight.size, *batch.target.shape[2:]))
    return found.reshape(batch.target.shape)


def loss(
    network: eqx.Module, batch: Samples, huber: float = 0.0, average: bool = True
) -> jax.Array:
    """Sum over the samples of the loss of the weighted mean over their frames, taken in world axes,
    or of the weighted mean of the frames' losses."""
    error, weight = outputs(network, batch) - batch.target, batch.weight
    if average and weight.shape[1] > 1:
        error = jnp.einsum("bf,bfij,bfni->bnj", weight, batch.rotation, error)[:, None]
        weight = jnp.ones_like(weight[:, :1])
    each = 2 * optax.huber_loss(error, delta=huber) if huber else error**2
    return jnp.sum(batch.counted * jnp.sum(weight * jnp.mean(each, axis=(2, 3)), axis=1))


def asymmetry(network: eqx.Module, batch: Samples, key: jax.Array) -> jax.Array:
    """Sum over the samples of |R^T f(R x) - f(x)|^2, per coordinate, a rotation R for each."""
    rotation = haar_rotations(key, batch.weight.size, batch.target.dtype).reshape(
        *batch.weight.shape, 3, 3
    )
    turned = outputs(network, batch._replace(inputs=turn(rotation, batch.inputs)))
    back = jnp.einsum("...ij,...ni->...nj", rotation, turned)
    return jnp.sum(batch.counted * jnp.mean((back - outputs(network, batch)) ** 2, axis=(1, 2, 3)))
