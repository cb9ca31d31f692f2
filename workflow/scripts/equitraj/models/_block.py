"""All pairs of points as a block (N, N) of senders and receivers, for functions of the distance.

Such a function is the same in both directions, so it is evaluated once for each unordered pair. As
in `_pairs`, columns have the batch last.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import linear_call

from equitraj.models._pairs import BatchLast


def triangle(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The two points of each unordered pair of different points."""
    return np.triu_indices(n_points, 1)


def table(n_points: int) -> np.ndarray:
    """(N, N), the index of each pair in `triangle`; the number of pairs for a point and itself."""
    first, second = triangle(n_points)
    n_pairs = len(first)
    shape = (n_points, n_points)
    index = np.full(shape, n_pairs)
    pair = np.arange(n_pairs)
    index[first, second] = pair
    index[second, first] = pair
    return index


def _both_ways(
    _: tuple, value: jax.Array, n_points: int, sizes: tuple[int, ...]
) -> list[jax.Array]:
    """Parts (c, N, N, B) of values (C, P + 1, B), `sizes` channels each."""
    ends = np.cumsum(sizes)[:-1]
    parts = jnp.split(value, ends)
    index = table(n_points)
    return [part[:, index] for part in parts]


def _summed_both_ways(
    _: tuple, parts: list[jax.Array], n_points: int, sizes: tuple[int, ...]
) -> jax.Array:
    """The transpose of `_both_ways`: two gathers in place of the scatter that is the transpose of a
    gather.

    Each part is written to its place in the whole. If the parts were concatenated, the compiler
    would make one loop that checks for every entry which part it is in. The last step prevents it
    from flattening the loops of the steps before.
    """
    first, second = triangle(n_points)
    there = np.append(first * n_points + second, 0)
    back = np.append(second * n_points + first, 0)
    n_samples = parts[0].shape[-1]
    shape = (sum(sizes), len(there), n_samples)
    whole = jnp.zeros(shape, parts[0].dtype)
    starts = np.cumsum((0, *sizes))
    for start, part in zip(starts, parts, strict=False):
        flat = part.reshape(len(part), n_points**2, -1)
        both = flat[:, there] + flat[:, back]
        whole = jax.lax.dynamic_update_slice(whole, both, (int(start), 0, 0))
    return whole.at[:, -1].set(0)


class Block(BatchLast):
    """Columns of points (..., N, B) and of pairs (..., N, N, B), the axis of the senders before the
    axis of the receivers."""

    def __init__(self, n_points: int) -> None:
        self.n_points = n_points

    def directed(self, value: jax.Array, sizes: tuple[int, ...]) -> list[jax.Array]:
        """Parts (c, N, N, B) with `sizes` channels each, from values (C, P + 1, B) of the unordered
        pairs and one value for no pair."""
        n = self.n_points
        forward = partial(_both_ways, n_points=n, sizes=sizes)
        transpose = partial(_summed_both_ways, n_points=n, sizes=sizes)
        return linear_call(forward, transpose, (), value)

    def senders(self, x: jax.Array) -> jax.Array:
        """Values of the points at the senders of the pairs, (..., N, 1, B)."""
        return x[..., None, :]


def undirected(value: jax.Array) -> jax.Array:
    """Values (B, N, N) that are symmetric, as (B, P + 1): one per unordered pair, then a zero."""
    n_points = value.shape[1]
    first, second = triangle(n_points)
    pairs = value[:, first, second]
    return jnp.pad(pairs, ((0, 0), (0, 1)))
