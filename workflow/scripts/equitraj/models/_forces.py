"""Learned forces that keep momentum and angular momentum: between pairs of points, and at angles
between bonds.

Columns, as in `_columns`: points are rows (N, 3, B), pairs (P, 3, B), angles (A, 3, B), and a batch
of B comes last.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._columns import linear, product, scaled, silu

NEAREST = 1e-6  # of the squared extent, below which distances are alike
STRONGEST = (
    100.0  # force, in units of the typical one: what no data tell of must not throw points away
)
UNLIMITED = 1e5  # where something else limits it


class Pairs:
    """Each pair of N points once: rows of points (N, ...) to rows of pairs (P, ...) and back."""

    def __init__(self, n_points: int) -> None:
        self.n, (self.first, self.second) = n_points, np.triu_indices(n_points, 1)
        self.member, self.sign = (
            np.zeros((n_points, len(self.first)), np.float32) for _ in range(2)
        )
        for index, sign in ((self.first, 1), (self.second, -1)):
            self.member[index, np.arange(len(index))], self.sign[index, np.arange(len(index))] = (
                1,
                sign,
            )

    def apart(self, x: jax.Array) -> jax.Array:
        """First minus second, (P, 3, B) of (N, 3, B)."""
        return x[self.first] - x[self.second]

    def pushed(self, x: jax.Array) -> jax.Array:
        """What pairs (P, 3, B) push their first points by and their second by the opposite, (N, 3,
        B)."""
        return jnp.einsum("np,pab->nab", self.sign.astype(x.dtype), x)

    def to_points(self, x: jax.Array) -> jax.Array:
        """Sums (W, N, B) of the pairs (W, P, B) that a point is in."""
        return jnp.einsum("np,wpb->wnb", self.member.astype(x.dtype), x)


class Round(eqx.Module):
    """Messages of pairs to new ones, by way of the points."""

    message: eqx.nn.Linear
    points: eqx.nn.Linear

    def __init__(self, width: int, key: jax.Array) -> None:
        keys = jax.random.split(key)
        self.message = eqx.nn.Linear(width, width, key=keys[0])
        self.points = eqx.nn.Linear(width, width, use_bias=False, key=keys[1])

    def __call__(self, message: jax.Array, pairs: Pairs) -> jax.Array:
        """(W, P, B) to the same."""
        at_points = linear(self.points, pairs.to_points(message) / (pairs.n - 1))
        return message + silu(
            linear(self.message, message) + at_points[:, pairs.first] + at_points[:, pairs.second]
        )


class PairForces(eqx.Module):
    """Forces along the lines between points, equal and opposite, from distances, features of pairs,
    and messages.

    Attributes: embed, of features of pairs; distance, how a message depends on the logarithm of a
    squared distance; hidden; rounds of messages; force, the inverse hyperbolic sine of it from a
    message.
    """

    embed: eqx.nn.Linear
    distance: jax.Array
    hidden: eqx.nn.Linear
    rounds: list[Round]
    force: eqx.nn.Linear
    most: float = eqx.field(static=True)

    def __init__(
        self, n_features: int, width: int, layers: int, key: jax.Array, most: float = STRONGEST
    ) -> None:
        keys = jax.random.split(key, 5)
        self.embed = eqx.nn.Linear(n_features, width, key=keys[0])
        self.distance = jax.random.normal(keys[1], (width, 1))
        self.hidden = eqx.nn.Linear(width, width, key=keys[2])
        self.rounds = [Round(width, k) for k in jax.random.split(keys[3], layers)]
        self.force = scaled(eqx.nn.Linear(width, 1, key=keys[4]), 0.1)
        self.most = most

    def embedded(self, features: jax.Array) -> jax.Array:
        """What features of pairs (F, P, B) contribute in every step, (W, P, B)."""
        return linear(self.embed, features)

    def __call__(self, position: jax.Array, embedded: jax.Array) -> jax.Array:
        """(N, 3, B) at positions (N, 3, B)."""
        pairs = Pairs(len(position))
        apart = pairs.apart(position)
        squared = jnp.sum(apart**2, axis=1)
        known = product(self.distance, jnp.log(squared + NEAREST)[None])
        message = silu(linear(self.hidden, silu(embedded + known)))
        for each in self.rounds:
            message = each(message, pairs)
        size = _sinh(linear(self.force, message)[0], self.most) * jax.lax.rsqrt(
            squared + NEAREST**2
        )
        return pairs.pushed(size[:, None] * apart)


class AngleForces(eqx.Module):
    """Forces that bend: the torque of each angle between two bonds, from the angle and features of
    its points."""

    embed: eqx.nn.Linear
    angle: jax.Array
    hidden: eqx.nn.Linear
    torque: eqx.nn.Linear
    points: tuple[tuple[int, int, int], ...] = eqx.field(static=True)

    def __init__(self, points: tuple, n_features: int, width: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 4)
        self.points = points
        self.embed = eqx.nn.Linear(1 + n_features, width, key=keys[0])
        self.angle = jax.random.normal(keys[1], (width, 1))
        self.hidden = eqx.nn.Linear(width, width, key=keys[2])
        self.torque = scaled(eqx.nn.Linear(width, 1, key=keys[3]), 0.1)

    def embedded(self, features: jax.Array) -> jax.Array:
        """What features of points (F, N, B) contribute in every step, (W, A, B)."""
        one, middle, other = np.array(self.points).T
        ends, centre = features[:, one] + features[:, other], features[:, middle]
        return linear(
            self.embed, jnp.concatenate([jnp.ones((1, *ends.shape[1:]), ends.dtype), ends, centre])
        )

    def __call__(self, position: jax.Array, embedded: jax.Array) -> jax.Array:
        """(N, 3, B) at positions (N, 3, B): minus the torque times the gradient of each angle.

        The gradient at an end is across its bond, in the plane of both, over the bond's length
        (Allen & Tildesley, Computer Simulation of Liquids, 2017, appendix C).
        """
        one, middle, other = np.array(self.points).T
        arms = position[one] - position[middle], position[other] - position[middle]
        length = [jnp.sqrt(jnp.sum(arm**2, axis=1, keepdims=True) + NEAREST) for arm in arms]
        u, v = (arm / size for arm, size in zip(arms, length, strict=True))
        cosine = jnp.sum(u * v, axis=1, keepdims=True)
        across = (v - cosine * u) / length[0], (u - cosine * v) / length[1]
        sine = jnp.sqrt(jnp.sum((v - cosine * u) ** 2, axis=1, keepdims=True) + NEAREST)
        angle = jnp.arctan2(sine, cosine)[:, 0]
        bent = linear(self.hidden, silu(embedded + product(self.angle, angle[None])))
        size = _sinh(linear(self.torque, silu(bent))[0])[:, None] / sine
        first, second = (size * each for each in across)
        moved = jnp.zeros_like(position).at[one].add(first).at[other].add(second)
        return moved.at[middle].add(-first - second)


def _sinh(x: jax.Array, most: float = STRONGEST) -> jax.Array:
    """A power of what a network sees the logarithm of is nearly a straight line to it; at most
    `most`."""
    end = float(np.arcsinh(most))
    return jnp.sinh(jnp.clip(x, -end, end))


def angles(bonds: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    """The points of all angles between two bonds that share a point, which stands in the middle."""
    joined: dict[int, list[int]] = {}
    for a, b in bonds:
        joined.setdefault(a, []).append(b)
        joined.setdefault(b, []).append(a)
    ends = ((m, sorted(others)) for m, others in sorted(joined.items()))
    return tuple(
        (a, m, b) for m, others in ends for i, a in enumerate(others) for b in others[i + 1 :]
    )
