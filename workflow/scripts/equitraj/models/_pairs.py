"""Pairs of points, with the batch as the last axis: all of them, or those in a list of neighbours.

Features of points are (C, N, B). `send` gives those of the senders of all pairs, (C, pairs, B), and `receive` sums
messages (C, pairs, B) over the pairs of each receiver. Dense pairs are an array (N, N) of sender and receiver, listed
ones have one axis, of E edges.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def triangle(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The two points of each unordered pair of different points."""
    return np.triu_indices(n_points, 1)


def table(n_points: int) -> np.ndarray:
    """(N, N), the place of each pair in `triangle`; one more for that of a point with itself."""
    first, second = triangle(n_points)
    place = np.full((n_points, n_points), len(first))
    place[first, second] = place[second, first] = np.arange(len(first))
    return place


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _both_ways(value: jax.Array, n_points: int) -> jax.Array:
    return value[:, table(n_points)]


def _both_ways_forward(value: jax.Array, n_points: int) -> tuple[jax.Array, None]:
    return _both_ways(value, n_points), None


def _both_ways_back(n_points: int, _: None, gradient: jax.Array) -> tuple[jax.Array]:
    """Two gathers in place of the scatter that the derivative of a gather would be."""
    first, second = triangle(n_points)
    # all of it first: the compiler would otherwise compute each entry twice, where it is gathered
    flat = jax.lax.optimization_barrier(gradient).reshape(len(gradient), n_points**2, -1)
    both = flat[:, first * n_points + second] + flat[:, second * n_points + first]
    return (jnp.pad(both, ((0, 0), (0, 1), (0, 0))),)


_both_ways.defvjp(_both_ways_forward, _both_ways_back)


class Dense:
    """All pairs of N points, the sender's axis before the receiver's."""

    def __init__(self, n_points: int) -> None:
        self.n_points = n_points

    def directed(self, value: jax.Array) -> jax.Array:
        """(C, P + 1, B), of the unordered pairs and of none, as (C, N, N, B)."""
        return _both_ways(value, self.n_points)

    def send(self, x: jax.Array) -> jax.Array:
        """(C, N, B) as (C, N, 1, B)."""
        return x[..., None, :]

    def receive(self, message: jax.Array) -> jax.Array:
        """(C, N, N, B) summed over the senders."""
        return message.sum(-3)


class Listed:
    """The pairs of `senders` and `receivers` (E, B); what has the receiver N is padding and arrives nowhere."""

    def __init__(self, senders: jax.Array, receivers: jax.Array, n_points: int) -> None:
        self.senders, self.receivers, self.n_points = senders, receivers, n_points

    def directed(self, value: jax.Array) -> jax.Array:
        """What belongs to pairs already does."""
        return value

    def send(self, x: jax.Array) -> jax.Array:
        """(C, N, B) as (C, E, B)."""
        return jnp.take_along_axis(x, self.senders[None], 1, mode="clip")

    def receive(self, message: jax.Array) -> jax.Array:
        """(C, E, B) summed over the edges of each receiver."""
        count, _, batch = message.shape
        total = jnp.zeros((count, self.n_points, batch), message.dtype)
        return total.at[:, self.receivers, jnp.arange(batch)].add(message, mode="drop")


def vectors(inputs: dict[str, jax.Array]) -> jax.Array:
    """From the receiver to the sender of each pair: (B, N, N, 3), or (B, E, 3) for listed pairs, padding zero."""
    position = inputs["position"]
    if "senders" not in inputs:
        return position[:, :, None] - position[:, None]
    at = lambda index: jnp.take_along_axis(position, index[..., None], 1, mode="clip")  # noqa: E731
    vector = at(inputs["senders"]) - at(inputs["receivers"]) + inputs["shift"]
    return jnp.where((inputs["receivers"] < position.shape[1])[..., None], vector, 0)


def undirected(value: jax.Array) -> jax.Array:
    """What is the same both ways, (B, N, N), as (B, P + 1) with a zero for none; listed pairs (B, E) as they are."""
    if value.ndim == 2:
        return value
    first, second = triangle(value.shape[1])
    return jnp.pad(value[:, first, second], ((0, 0), (0, 1)))
