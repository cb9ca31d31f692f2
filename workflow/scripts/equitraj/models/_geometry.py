"""What equivariant networks see: vectors and scalars of points, vectors between them, harmonics in
e3nn's basis."""

import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._columns import scalars
from equitraj.models._irreps import harmonics_step


def pair_vectors(inputs: dict[str, jax.Array]) -> jax.Array:
    """Vectors from the receiver to the sender of each pair: (B, N, N, 3), or (B, E, 3) within lists
    of neighbours, where padding gets zero."""
    position = inputs["position"]
    if "senders" not in inputs:
        return position[:, :, None] - position[:, None]

    def at(index: jax.Array) -> jax.Array:
        return jnp.take_along_axis(position, index[..., None], 1, mode="clip")

    receivers = inputs["receivers"]
    vector = at(inputs["senders"]) - at(receivers) + inputs["shift"]
    listed = receivers < position.shape[1]
    return jnp.where(listed[..., None], vector, 0)


def polar(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Length (...) and direction (..., 3) of vectors (..., 3); of a zero vector both are zero, with
    finite derivatives."""
    squared = jnp.sum(vector**2, -1)
    nonzero = squared > 0
    length = jnp.sqrt(jnp.where(nonzero, squared, 1))
    unit = vector / length[..., None]
    return jnp.where(nonzero, length, 0), jnp.where(nonzero[..., None], unit, 0)


def harmonics(unit: jax.Array, lmax: int) -> list[jax.Array]:
    """Spherical harmonics of degrees 0 to `lmax` of unit vectors (B, ..., 3), each (B, 2 l + 1,
    ...) with norm sqrt(2 l + 1).

    A zero vector, which has no direction, gets zeros for all degrees but 0.
    """
    component = unit[..., :1]
    y = jnp.ones_like(component)
    by_degree = [y]
    for degree in range(lmax):
        tensor = harmonics_step(degree)
        step = jnp.asarray(tensor, unit.dtype)
        y = jnp.einsum("...i,...k,ikn->...n", unit, y, step)
        by_degree.append(y)
    columns = []
    for y in by_degree:
        columns.append(jnp.moveaxis(y, -1, 1))
    return columns


def named_harmonics(unit: jax.Array, lmax: int) -> dict[str, jax.Array]:
    """`harmonic1` to the harmonic of degree `lmax`, as in `harmonics`."""
    named = {}
    for degree, y in enumerate(harmonics(unit, lmax)):
        if degree > 0:
            named[f"harmonic{degree}"] = y
    return named


def of_points(inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """`vector` (B, V, 3, N), displacements; `scalar` (B, F, N): 1, the features that the task
    shows, and inner products of displacements."""
    past = jnp.moveaxis(inputs["displacement"], 2, 3)
    batch, n_past, _, n_points = past.shape
    shape = (batch, 1, n_points)
    ones = jnp.ones_like(past, shape=shape)
    shown = scalars(inputs)
    first, second = np.triu_indices(n_past)
    one = past[:, first]
    other = past[:, second]
    inner = jnp.sum(one * other, axis=2)
    products = jnp.arcsinh(inner)
    scalar = [ones, *shown, products]
    return {
        "vector": past,
        "scalar": jnp.concatenate(scalar, axis=1),
    }
