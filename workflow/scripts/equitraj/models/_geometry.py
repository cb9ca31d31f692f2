"""What equivariant networks see: vectors and scalars of points, vectors between them, harmonics in
e3nn's basis."""

import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._irreps import harmonics_step


def pair_vectors(inputs: dict[str, jax.Array]) -> jax.Array:
    """From the receiver to the sender of each pair: (B, N, N, 3), or (B, E, 3) within lists, zero
    for their padding."""
    position = inputs["position"]
    if "senders" not in inputs:
        return position[:, :, None] - position[:, None]
    at = lambda index: jnp.take_along_axis(position, index[..., None], 1, mode="clip")  # noqa: E731
    vector = at(inputs["senders"]) - at(inputs["receivers"]) + inputs["shift"]
    return jnp.where((inputs["receivers"] < position.shape[1])[..., None], vector, 0)


def polar(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Length (...) and direction (..., 3) of vectors (..., 3), both zero for zero, with finite
    derivatives there."""
    squared = jnp.sum(vector**2, -1)
    apart = squared > 0
    length = jnp.sqrt(jnp.where(apart, squared, 1))
    return jnp.where(apart, length, 0), jnp.where(apart[..., None], vector / length[..., None], 0)


def harmonics(unit: jax.Array, lmax: int) -> list[jax.Array]:
    """Those of degrees 0 to `lmax` of unit vectors (B, ..., 3), each (B, 2 l + 1, ...), of norm
    sqrt(2 l + 1).

    Zero vectors, which have no direction, get zeros but for degree 0.
    """
    y = jnp.ones_like(unit[..., :1])
    found = [y]
    for degree in range(lmax):
        y = jnp.einsum(
            "...i,...k,ikn->...n", unit, y, jnp.asarray(harmonics_step(degree), unit.dtype)
        )
        found.append(y)
    return [jnp.moveaxis(y, -1, 1) for y in found]


def of_points(inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """`vector` (B, V, 3, N), displacements; `scalar` (B, F, N): 1, what the task shows, and their
    inner products."""
    past = jnp.moveaxis(inputs["displacement"], 2, 3)
    first, second = np.triu_indices(past.shape[1])
    scalar = [jnp.ones_like(past, shape=(len(past), 1, past.shape[3]))]
    scalar += [jnp.swapaxes(inputs["scalar"], 1, 2)] if "scalar" in inputs else []
    scalar.append(jnp.arcsinh(jnp.sum(past[:, first] * past[:, second], axis=2)))
    return {"vector": past, "scalar": jnp.concatenate(scalar, axis=1)}
