"""Learned forces that conserve momentum and angular momentum: between pairs of points, and at
angles between bonds.

Arrays are columns, as in `_columns`: points are rows (N, 3, B), pairs (P, 3, B), angles (A, 3, B),
and a batch of B samples comes last.
"""

from itertools import combinations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.nn import Linear

from equitraj.models._columns import linear, product, scaled, silu

NEAREST = 1e-6  # added to squared lengths, in units of the squared extent
STRONGEST = 100.0  # upper bound of forces, in units of the typical force
UNLIMITED = 1e5  # upper bound of forces that are limited otherwise


class Pairs:
    """Each pair of N points once, and maps between points (N, ...) and pairs (P, ...)."""

    def __init__(self, n_points: int) -> None:
        self.n = n_points
        self.first, self.second = np.triu_indices(n_points, 1)
        n_pairs = len(self.first)
        self.member = np.zeros((n_points, n_pairs), np.float32)
        self.sign = np.zeros((n_points, n_pairs), np.float32)
        pair = np.arange(n_pairs)
        for point, sign in ((self.first, 1), (self.second, -1)):
            self.member[point, pair] = 1
            self.sign[point, pair] = sign

    def apart(self, x: jax.Array) -> jax.Array:
        """The first point minus the second, (P, 3, B), from (N, 3, B)."""
        first = x[self.first]
        second = x[self.second]
        return first - second

    def pushed(self, x: jax.Array) -> jax.Array:
        """Sums (N, 3, B) of forces (P, 3, B) on first and opposite forces on second points."""
        sign = self.sign.astype(x.dtype)
        return jnp.einsum("np,pab->nab", sign, x)

    def to_points(self, x: jax.Array) -> jax.Array:
        """Sums (W, N, B) over the pairs (W, P, B) of each point."""
        member = self.member.astype(x.dtype)
        return jnp.einsum("np,wpb->wnb", member, x)


class Round(eqx.Module):
    """A round of messages between pairs that share a point."""

    message: Linear
    points: Linear

    def __init__(self, width: int, key: jax.Array) -> None:
        message_key, points_key = jax.random.split(key)
        self.message = Linear(width, width, key=message_key)
        self.points = Linear(width, width, use_bias=False, key=points_key)

    def __call__(self, message: jax.Array, pairs: Pairs) -> jax.Array:
        """New messages (W, P, B) from messages of that shape."""
        mean = pairs.to_points(message) / (pairs.n - 1)
        at_points = linear(self.points, mean)
        own = linear(self.message, message)
        first = at_points[:, pairs.first]
        second = at_points[:, pairs.second]
        new = own + first + second
        return message + silu(new)


class PairForces(eqx.Module):
    """Forces along the lines between points, equal and opposite, from distances, features of pairs,
    and messages.

    Attributes: embed, layer on features of pairs; distance, weights of the logarithm of the squared
    distance; hidden; rounds of messages; force, layer from a message to the inverse hyperbolic sine
    of the force; most, upper bound of a force.
    """

    embed: Linear
    distance: jax.Array
    hidden: Linear
    rounds: list[Round]
    force: Linear
    most: float = eqx.field(static=True)

    def __init__(
        self, n_features: int, width: int, layers: int, key: jax.Array, most: float = STRONGEST
    ) -> None:
        embed_key, distance_key, hidden_key, rounds_key, force_key = jax.random.split(key, 5)
        self.embed = Linear(n_features, width, key=embed_key)
        self.distance = jax.random.normal(distance_key, (width, 1))
        self.hidden = Linear(width, width, key=hidden_key)
        round_keys = jax.random.split(rounds_key, layers)
        self.rounds = [Round(width, round_key) for round_key in round_keys]
        force = Linear(width, 1, key=force_key)
        self.force = scaled(force, 0.1)
        self.most = most

    def embedded(self, features: jax.Array) -> jax.Array:
        """The part (W, P, B) of messages that no step changes, from features of pairs (F, P, B)."""
        return linear(self.embed, features)

    def __call__(self, position: jax.Array, embedded: jax.Array) -> jax.Array:
        """Forces (N, 3, B) at positions (N, 3, B)."""
        pairs = Pairs(len(position))
        apart = pairs.apart(position)
        squared = jnp.sum(apart**2, axis=1)
        logarithm = jnp.log(squared + NEAREST)
        by_distance = product(self.distance, logarithm[None])
        hidden = silu(embedded + by_distance)
        message = silu(linear(self.hidden, hidden))
        for exchange in self.rounds:
            message = exchange(message, pairs)
        force = _sinh(linear(self.force, message)[0], self.most)
        per_length = force * jax.lax.rsqrt(squared + NEAREST**2)
        return pairs.pushed(per_length[:, None] * apart)


class AngleForces(eqx.Module):
    """Bending forces: a torque at each angle between two bonds, from the angle and features of its
    points."""

    embed: Linear
    angle: jax.Array
    hidden: Linear
    torque: Linear
    points: tuple[tuple[int, int, int], ...] = eqx.field(static=True)

    def __init__(self, points: tuple, n_features: int, width: int, key: jax.Array) -> None:
        embed_key, angle_key, hidden_key, torque_key = jax.random.split(key, 4)
        self.points = points
        self.embed = Linear(1 + n_features, width, key=embed_key)
        self.angle = jax.random.normal(angle_key, (width, 1))
        self.hidden = Linear(width, width, key=hidden_key)
        torque = Linear(width, 1, key=torque_key)
        self.torque = scaled(torque, 0.1)

    def embedded(self, features: jax.Array) -> jax.Array:
        """The part (W, A, B) of hidden units that no step changes, from features of points (F, N,
        B)."""
        one, middle, other = np.array(self.points).T
        ends = features[:, one] + features[:, other]
        centre = features[:, middle]
        ones = jnp.ones_like(ends, shape=(1, *ends.shape[1:]))
        units = jnp.concatenate([ones, ends, centre])
        return linear(self.embed, units)

    def __call__(self, position: jax.Array, embedded: jax.Array) -> jax.Array:
        """Forces (N, 3, B) at positions (N, 3, B): minus torques times the gradients of the angles.

        The gradient at an end is across its bond, in the plane of both, over the bond's length
        (Allen & Tildesley, Computer Simulation of Liquids, 2017, appendix C).
        """
        one, middle, other = np.array(self.points).T
        first_arm = position[one] - position[middle]
        second_arm = position[other] - position[middle]
        first_length = _length(first_arm)
        second_length = _length(second_arm)
        u = first_arm / first_length
        v = second_arm / second_length
        cosine = jnp.sum(u * v, axis=1, keepdims=True)
        first_gradient = (v - cosine * u) / first_length
        second_gradient = (u - cosine * v) / second_length
        sine = _length(v - cosine * u)
        angle = jnp.arctan2(sine, cosine)[:, 0]
        hidden = silu(embedded + product(self.angle, angle[None]))
        bent = silu(linear(self.hidden, hidden))
        torque = _sinh(linear(self.torque, bent)[0])
        size = torque[:, None] / sine
        first = size * first_gradient
        second = size * second_gradient
        forces = jnp.zeros_like(position)
        forces = forces.at[one].add(first)
        forces = forces.at[other].add(second)
        return forces.at[middle].add(-first - second)


def _length(vector: jax.Array) -> jax.Array:
    """Lengths (A, 1, B) of vectors (A, 3, B), never zero."""
    squared = jnp.sum(vector**2, axis=1, keepdims=True)
    return jnp.sqrt(squared + NEAREST)


def _sinh(x: jax.Array, most: float = STRONGEST) -> jax.Array:
    """The hyperbolic sine, at most `most` in absolute value.

    A network whose input is a logarithm can represent a power law by a nearly linear function.
    """
    largest = np.arcsinh(most)
    end = float(largest)
    clipped = jnp.clip(x, -end, end)
    return jnp.sinh(clipped)


def angles(bonds: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    """The points of all angles between two bonds that share a point, which is the middle one."""
    bonded: dict[int, list[int]] = {}
    for a, b in bonds:
        bonded.setdefault(a, []).append(b)
        bonded.setdefault(b, []).append(a)
    triples = []
    for middle in sorted(bonded):
        neighbours = sorted(bonded[middle])
        ends = combinations(neighbours, 2)
        for one, other in ends:
            triple = (one, middle, other)
            triples.append(triple)
    return tuple(triples)
