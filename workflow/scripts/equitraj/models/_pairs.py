"""Points and pairs of points as columns: channels first, points or pairs and the batch last."""

import jax
import jax.numpy as jnp
import numpy as np


class BatchLast:
    """Columns whose last axis is the batch."""

    def all_columns(self, arrays: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """The columns of arrays by name, without the index of lists of neighbours."""
        by_name = {}
        for name, x in arrays.items():
            if name not in ("senders", "receivers"):
                by_name[name] = self.columns(x)
        return by_name

    def columns(self, x: jax.Array) -> jax.Array:
        """The batch (B, ...) as the last axis, so that every operation is a long loop over
        contiguous numbers."""
        return jnp.moveaxis(x, 0, -1)

    def samples(self, x: jax.Array) -> jax.Array:
        """The inverse of `columns`."""
        return jnp.moveaxis(x, -1, 0)

    def sum(self, x: jax.Array) -> jax.Array:
        """Sums of the pairs' values over the senders."""
        return x.sum(-3)


class AllPairs(BatchLast):
    """Columns of points (..., N, B) and of pairs (..., N - 1, N, B).

    Row k of the pairs holds the points i and i + k + 1.
    """

    @staticmethod
    def index(n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers (N - 1, N)."""
        receiver = np.broadcast_to(np.arange(n_points), (n_points - 1, n_points))
        offset = np.arange(1, n_points)[:, None]
        sender = (receiver + offset) % n_points
        return sender, receiver

    def receivers(self, x: jax.Array) -> jax.Array:
        """Values of the points at the receivers of the pairs."""
        return x[..., None, :, :]

    def senders(self, x: jax.Array) -> jax.Array:
        """Values of the points at the senders of the pairs.

        No gather is needed: N + 1 copies of the N points, read in rows of N + 1, start each row one
        point later.
        """
        *first, n, batch = x.shape
        shape = (*first, n + 1, n, batch)
        copies = jnp.broadcast_to(x[..., None, :, :], shape)
        rows = copies.reshape(*first, n, n + 1, batch)
        return rows[..., 1:, :n, :]  # without the row of the points themselves


class HalfPairs(AllPairs):
    """The first half of the rows, which hold each pair of points once; for an even number of points
    the last row holds its pairs twice."""

    @staticmethod
    def index(n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers (N // 2, N)."""
        sender, receiver = AllPairs.index(n_points)
        half = n_points // 2
        first_senders = sender[:half]
        first_receivers = receiver[:half]
        return first_senders, first_receivers

    @staticmethod
    def share(n_points: int) -> np.ndarray:
        """(N // 2, 1), the weight of the pairs of each row in sums that count every pair once."""
        rows = np.arange(1, n_points // 2 + 1)[:, None]
        held_twice = 2 * rows == n_points
        return np.where(held_twice, 0.5, 1.0)

    def senders(self, x: jax.Array) -> jax.Array:
        """Values of the points at the senders of the pairs."""
        half = x.shape[-2] // 2
        rows = super().senders(x)
        return rows[..., :half, :, :]

    def sum_senders(self, x: jax.Array) -> jax.Array:
        """Sums of the pairs' values over the receivers, at the senders."""
        *first, _, n_points, batch = x.shape
        shape = (*first, n_points, batch)
        points = jax.ShapeDtypeStruct(shape, x.dtype)
        transpose = jax.linear_transpose(self.senders, points)
        return transpose(x)[0]


class Neighbours(BatchLast):
    """Columns of points (..., B N) and of pairs (..., B E), from `senders` and `receivers` (B, E),
    padded with N."""

    def __init__(self, senders: jax.Array, receivers: jax.Array, n_points: int) -> None:
        self.batch = len(senders)
        self.n = self.batch * n_points
        start = n_points * jnp.arange(self.batch, dtype=senders.dtype)[:, None]

        def flat(index: jax.Array) -> jax.Array:
            place = jnp.where(index < n_points, index + start, self.n)
            return place.ravel()

        self.sender = flat(senders)
        self.receiver = flat(receivers)

    def columns(self, x: jax.Array) -> jax.Array:
        """The batch (B, ..., P) merged with the last axis."""
        x = jnp.moveaxis(x, 0, -2)
        *first, batch, n = x.shape
        return x.reshape(*first, batch * n)  # no -1: there may be no channels

    def samples(self, x: jax.Array) -> jax.Array:
        """The inverse of `columns` for points."""
        first = x.shape[:-1]
        n_points = self.n // self.batch
        by_sample = x.reshape(*first, self.batch, n_points)
        return jnp.moveaxis(by_sample, -2, 0)

    def receivers(self, x: jax.Array) -> jax.Array:
        """Values of the points at the receivers of the pairs; the last point's for padding."""
        return _at(x, self.receiver)

    def senders(self, x: jax.Array) -> jax.Array:
        """Values of the points at the senders of the pairs; the last point's for padding."""
        return _at(x, self.sender)

    def sum(self, x: jax.Array) -> jax.Array:
        """Sums of the pairs' values over the senders; padding belongs to no receiver."""
        *first, n_pairs = x.shape
        rows = x.reshape(-1, n_pairs).T
        total = jax.ops.segment_sum(rows, self.receiver, self.n)
        return total.T.reshape(*first, self.n)


def _at(x: jax.Array, index: jax.Array) -> jax.Array:
    """Columns (..., P) at an index, the last ones for an index beyond them."""
    return jnp.take(x, index, axis=-1, mode="clip")
