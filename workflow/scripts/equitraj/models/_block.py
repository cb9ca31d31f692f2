"""All pairs of points as a block (N, N) of senders and receivers, for what is the same both ways.

A function of the distance is evaluated once for each unordered pair. As in `_pairs`, columns have
the batch last.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import linear_call


def triangle(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The two points of each unordered pair of different points."""
    return np.triu_indices(n_points, 1)


def table(n_points: int) -> np.ndarray:
    """(N, N), the place of each pair in `triangle`; one more for that of a point with itself."""
    first, second = triangle(n_points)
    place = np.full((n_points, n_points), len(first))
    place[first, second] = place[second, first] = np.arange(len(first))
    return place


def _both_ways(
    _: tuple, value: jax.Array, n_points: int, sizes: tuple[int, ...]
) -> list[jax.Array]:
    return [part[:, table(n_points)] for part in jnp.split(value, np.cumsum(sizes)[:-1])]


def _summed_both_ways(
    _: tuple, parts: list[jax.Array], n_points: int, sizes: tuple[int, ...]
) -> jax.Array:
    """The transpose of `_both_ways`: two gathers in place of the scatter that is the transpose of a
    gather.

    Each part is written to its place in the whole: of parts that are joined, the compiler makes one
    loop that asks of every entry which part it is in. The last step keeps it from flattening the
    loops of the ones before.
    """
    first, second = (np.append(index, 0) for index in triangle(n_points))
    whole = jnp.zeros((sum(sizes), len(first), parts[0].shape[-1]), parts[0].dtype)
    for start, part in zip(np.cumsum((0, *sizes)), parts, strict=False):
        flat = part.reshape(len(part), n_points**2, -1)
        both = flat[:, first * n_points + second] + flat[:, second * n_points + first]
        whole = jax.lax.dynamic_update_slice(whole, both, (int(start), 0, 0))
    return whole.at[:, -1].set(0)


class Block:
    """Columns of points (..., N, B) and of pairs (..., N, N, B), the sender's axis before the
    receiver's."""

    def __init__(self, n_points: int) -> None:
        self.n_points = n_points

    def columns(self, x: jax.Array) -> jax.Array:
        """The batch (B, ...) as the last axis, so that every operation is a long loop over
        contiguous numbers."""
        return jnp.moveaxis(x, 0, -1)

    def samples(self, x: jax.Array) -> jax.Array:
        """The reverse of `columns`."""
        return jnp.moveaxis(x, -1, 0)

    def directed(self, value: jax.Array, sizes: tuple[int, ...]) -> list[jax.Array]:
        """(C, P + 1, B), of the unordered pairs and of none, as parts (c, N, N, B) of so many
        channels each."""
        there, back = (
            partial(f, n_points=self.n_points, sizes=sizes) for f in (_both_ways, _summed_both_ways)
        )
        return linear_call(there, back, (), value)

    def senders(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' senders, (..., N, 1, B)."""
        return x[..., None, :]

    def sum(self, x: jax.Array) -> jax.Array:
        """Pairs' values summed over the senders."""
        return x.sum(-3)


def undirected(value: jax.Array) -> jax.Array:
    """What is the same both ways, (B, N, N), as (B, P + 1) with a zero for none."""
    first, second = triangle(value.shape[1])
    return jnp.pad(value[:, first, second], ((0, 0), (0, 1)))
