"""Points and pairs of points as columns: channels first, points or pairs and the batch last."""

import jax
import jax.numpy as jnp
import numpy as np


class AllPairs:
    """Columns of points (..., N, B) and of pairs (..., N - 1, N, B): row k of the pairs holds point
    i and i + k + 1."""

    @staticmethod
    def index(n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers (N - 1, N)."""
        receiver = np.broadcast_to(np.arange(n_points), (n_points - 1, n_points))
        return (receiver + np.arange(1, n_points)[:, None]) % n_points, receiver

    def columns(self, x: jax.Array) -> jax.Array:
        """The batch (B, ...) as the last axis, so that every operation is a long loop over
        contiguous numbers."""
        return jnp.moveaxis(x, 0, -1)

    def samples(self, x: jax.Array) -> jax.Array:
        """The reverse of `columns` for points."""
        return jnp.moveaxis(x, -1, 0)

    def receivers(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' receivers."""
        return x[..., None, :, :]

    def senders(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' senders, without a gather: a ring of them is one longer than
        its rows."""
        *first, n, batch = x.shape
        ring = jnp.broadcast_to(x[..., None, :, :], (*first, n + 1, n, batch))
        return ring.reshape(*first, n, n + 1, batch)[..., 1:, :n, :]

    def sum(self, x: jax.Array) -> jax.Array:
        """Pairs' values summed over the senders."""
        return x.sum(-3)


class HalfPairs(AllPairs):
    """The first half of the rows, which hold all pairs of points once; of an even number, the last
    row does twice."""

    @staticmethod
    def index(n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers (N // 2, N)."""
        sender, receiver = AllPairs.index(n_points)
        return sender[: n_points // 2], receiver[: n_points // 2]

    @staticmethod
    def share(n_points: int) -> np.ndarray:
        """(N // 2, 1): by how much pairs of each row count, where sums are to count all of them
        once."""
        rows = np.arange(1, n_points // 2 + 1)[:, None]
        return np.where(2 * rows == n_points, 0.5, 1.0)

    def senders(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' senders."""
        return super().senders(x)[..., : x.shape[-2] // 2, :, :]

    def sum_senders(self, x: jax.Array) -> jax.Array:
        """Pairs' values summed at their senders; `sum` does at their receivers."""
        points = jax.ShapeDtypeStruct((*x.shape[:-3], *x.shape[-2:]), x.dtype)
        return jax.linear_transpose(self.senders, points)(x)[0]


class Neighbours:
    """Columns of points (..., B N) and of pairs (..., B E), from `senders` and `receivers` (B, E),
    padded with N."""

    def __init__(self, senders: jax.Array, receivers: jax.Array, n_points: int) -> None:
        self.batch, self.n = len(senders), len(senders) * n_points
        start = n_points * jnp.arange(self.batch, dtype=senders.dtype)[:, None]
        flat = [
            jnp.where(index < n_points, index + start, self.n).ravel()
            for index in (senders, receivers)
        ]
        self.sender, self.receiver = flat

    def columns(self, x: jax.Array) -> jax.Array:
        """The batch (B, ..., P) in one axis with the last."""
        x = jnp.moveaxis(x, 0, -2)
        return x.reshape(
            *x.shape[:-2], x.shape[-2] * x.shape[-1]
        )  # spelt out: there may be no channels

    def samples(self, x: jax.Array) -> jax.Array:
        """The reverse of `columns` for points."""
        return jnp.moveaxis(x.reshape(*x.shape[:-1], self.batch, self.n // self.batch), -2, 0)

    def receivers(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' receivers; the last point's at those that fill up."""
        return jnp.take(x, self.receiver, axis=-1, mode="clip")

    def senders(self, x: jax.Array) -> jax.Array:
        """Points' values at the pairs' senders; the last point's at those that fill up."""
        return jnp.take(x, self.sender, axis=-1, mode="clip")

    def sum(self, x: jax.Array) -> jax.Array:
        """Pairs' values summed over the senders; those that fill up belong to no receiver."""
        rows = x.reshape(-1, x.shape[-1]).T
        return jax.ops.segment_sum(rows, self.receiver, self.n).T.reshape(*x.shape[:-1], self.n)
