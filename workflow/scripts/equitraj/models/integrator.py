"""An equivariant integrator: Newton's equations under learned forces, in symplectic steps from one frame to the next.

Points of a pair push each other along the line between them, equal and opposite, so that momentum and angular momentum
are kept whatever is learned. As in SEGNO (Liu et al., ICLR 2024, eqs. 7 to 9), one network is used in every step and
changes velocities, which change positions; with `layers`, points exchange messages before they push, so that a force
depends on other neighbours too. Published error on charged bodies: SEGNO 0.0043.

The network gets the logarithm of a squared distance and gives the inverse hyperbolic sine of a force: a power of the
distance, as many laws are, is nearly a straight line to it, near and far. Steps are those of the symplectic Euler method
(kick, then drift: Hairer, Lubich & Wanner, Geometric Numerical Integration, 2006, eq. I.1.9), which is the leapfrog with
velocities half a step behind.

Errors of a close encounter grow beyond all bounds on the way, and so do gradients on the way back: in training, the
gradient of each sample may grow by the factor `growth` and no more, else a few encounters decide the fit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, product, scaled, silu

FRAMEWORK = "jax"
PREDICTS = "displacement"
MINIMUM_HISTORY = 2  # two frames, or one with its velocity
ALL_PAIRS = True
GPU = True  # its training profits from one
BLOCK = 10  # steps between two states that are kept for the way back
NEAREST = 1e-6  # of the squared extent, below which distances are alike
STRONGEST = 12.0  # of the inverse hyperbolic sine of a force, in units of the typical one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, units of the network of the forces; steps from one frame to the predicted one; layers, rounds
    of messages before the forces of a step, 0 for forces that depend on two points alone; growth, the factor by which
    the gradient of a sample may grow on its way back through the steps."""

    width: Annotated[int, Range(1, 4096)] = 32
    steps: Annotated[int, Range(1, 100_000)] = 20
    layers: Annotated[int, Range(0, 16)] = 0
    growth: Annotated[float, Range(1)] = 2.0


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations: forces along the lines between points, from lengths and features."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Round(eqx.Module):
    """Messages of pairs to new ones, by way of the points."""

    message: eqx.nn.Linear
    points: eqx.nn.Linear

    def __init__(self, width: int, key: jax.Array) -> None:
        keys = jax.random.split(key)
        self.message = eqx.nn.Linear(width, width, key=keys[0])
        self.points = eqx.nn.Linear(width, width, use_bias=False, key=keys[1])

    def __call__(self, message: jax.Array, pairs: "Pairs") -> jax.Array:
        """(W, P, B) to the same."""
        at_points = linear(self.points, pairs.to_points(message) / (pairs.n - 1))
        return message + silu(linear(self.message, message) + at_points[:, pairs.first] + at_points[:, pairs.second])


class Pairs:
    """Each pair of N points once: rows of points (N, ...) to rows of pairs (P, ...) and back."""

    def __init__(self, n_points: int) -> None:
        self.n, (self.first, self.second) = n_points, np.triu_indices(n_points, 1)
        self.member, self.sign = (np.zeros((n_points, len(self.first)), np.float32) for _ in range(2))
        for index, sign in ((self.first, 1), (self.second, -1)):
            self.member[index, np.arange(len(index))], self.sign[index, np.arange(len(index))] = 1, sign

    def apart(self, x: jax.Array) -> jax.Array:
        """First minus second, (P, 3, B) of (N, 3, B)."""
        return x[self.first] - x[self.second]

    def pushed(self, x: jax.Array) -> jax.Array:
        """What pairs (P, 3, B) push their first points by and their second by the opposite, (N, 3, B)."""
        return jnp.einsum("np,pab->nab", self.sign.astype(x.dtype), x)

    def to_points(self, x: jax.Array) -> jax.Array:
        """Sums (W, N, B) of the pairs (W, P, B) that a point is in."""
        return jnp.einsum("np,wpb->wnb", self.member.astype(x.dtype), x)


class Network(eqx.Module):
    """Lengths are in units of the extent, times in units of that between the newest frame and the predicted one.

    Attributes: embed, of features of pairs; distance, how a message depends on the logarithm; rounds; force, of a
    message; past (V,), the weights of past displacements in the first velocity, and bend (V + 1,), those of the
    accelerations at the frames that they lead back to.
    """

    embed: eqx.nn.Linear
    distance: jax.Array
    hidden: eqx.nn.Linear
    rounds: list[Round]
    force: eqx.nn.Linear
    past: jax.Array
    bend: jax.Array
    extent: float
    displacement: float
    strength: float
    steps: int = eqx.field(static=True)
    growth: float = eqx.field(static=True)
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights: `start` (B, N, 3) and `past` (B, V, N, 3), positions and displacements in the network's
        `pair` (B, F, P), features of pairs that are the same for both orders, and `mass` (B, N)."""
        pairs = Pairs(inputs["position"].shape[1])
        feature = [inputs["adjacency"][:, None, pairs.first, pairs.second]]
        if "scalar" in inputs:
            one, other = (jnp.swapaxes(inputs["scalar"][:, index], 1, 2) for index in (pairs.first, pairs.second))
            feature += [one + other, one * other]
        kept = {"mass": inputs["mass"]} if "mass" in inputs else {}
        past = inputs["displacement"] * (self.displacement / self.extent)
        position = inputs["position"] / self.extent
        return kept | {"start": position, "past": past, "pair": jnp.concatenate(feature, axis=1)}

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `prepare`, with gradients of limited growth."""
        return self._moved(prepared, partial(advanced, self.growth))

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self._moved(self.prepare(inputs), scanned)

    def _moved(self, prepared: dict[str, jax.Array], steps_of: Callable) -> jax.Array:
        data = {name: jnp.moveaxis(value, 0, -1) for name, value in prepared.items()}
        weights, static = eqx.partition(self, eqx.is_array)
        frozen = {"base": linear(self.embed, data["pair"]), "start": data["start"]}
        frozen |= {"mass": data["mass"]} if "mass" in data else {}

        def step(carried: tuple, state: tuple) -> tuple:
            """Kick, then drift."""
            weights, frozen = carried
            moved, velocity = state
            acceleration = eqx.combine(weights, static).acceleration(frozen["start"] + moved, frozen)
            velocity = velocity + acceleration / self.steps
            return moved + velocity / self.steps, velocity

        first = jnp.zeros_like(data["start"]), self._velocity(data, frozen)
        moved, _ = steps_of(step, self.steps, (weights, frozen), first)
        return self.extent * jnp.moveaxis(moved, -1, 0)

    def _velocity(self, data: dict[str, jax.Array], frozen: dict[str, jax.Array]) -> jax.Array:
        """The first velocity (N, 3, B), from past displacements and from the accelerations at the frames they tell."""
        velocity, position = jnp.einsum("v,vnab->nab", self.past, data["past"]), data["start"]
        for back in range(len(self.bend)):
            velocity += self.bend[back] * self.acceleration(position, frozen)
            position = position - data["past"][-1 - back] if back < len(data["past"]) else position
        return velocity

    def acceleration(self, position: jax.Array, frozen: dict[str, jax.Array]) -> jax.Array:
        """(N, 3, B) at positions (N, 3, B)."""
        pairs = Pairs(len(position))
        apart = pairs.apart(position)
        squared = jnp.sum(apart**2, axis=1)
        known = product(self.distance, jnp.log(squared + NEAREST)[None])
        message = silu(linear(self.hidden, silu(frozen["base"] + known)))
        for each in self.rounds:
            message = each(message, pairs)
        bent = jnp.clip(linear(self.force, message)[0], -STRONGEST, STRONGEST)
        size = self.strength * jnp.sinh(bent) * jax.lax.rsqrt(squared + NEAREST**2)
        found = pairs.pushed(size[:, None] * apart)
        return found / frozen["mass"][:, None] if "mass" in frozen else found


def scanned(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after so many steps."""
    return jax.lax.scan(lambda state, _: (step(carried, state), None), state, length=steps)[0]


def _blocks(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """The state after so many steps, and the states at the beginnings of blocks of them."""
    size = _block(steps)
    return jax.lax.scan(lambda s, _: (scanned(step, size, carried, s), s), state, length=steps // size)


def _block(steps: int) -> int:
    """The longest block of at most `BLOCK` steps that divides them."""
    return max(size for size in range(1, BLOCK + 1) if steps % size == 0)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def advanced(growth: float, step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    """`scanned`, with gradients (..., B) of each of B samples that grow by at most `growth` on their way back."""
    return _blocks(step, steps, carried, state)[0]


def _forward(growth: float, step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
    end, begins = _blocks(step, steps, carried, state)
    return end, (carried, begins)


def _norm(state: tuple) -> jax.Array:
    """(B,), of a gradient with a last axis of samples."""
    return jnp.sqrt(sum(jnp.sum(part**2, axis=tuple(range(part.ndim - 1))) for part in state))


def _back(growth: float, step: Callable, steps: int, kept: tuple, gradient: tuple) -> tuple:
    carried, begins = kept
    most = growth * _norm(gradient)

    def block(found: tuple, begin: tuple) -> tuple:
        total, gradient = found
        _, pull = jax.vjp(partial(scanned, step, _block(steps)), carried, begin)
        added, gradient = pull(gradient)
        factor = jnp.minimum(1, most / jnp.maximum(_norm(gradient), jnp.finfo(most.dtype).tiny))
        return (jax.tree.map(jnp.add, total, added), jax.tree.map(lambda part: factor * part, gradient)), None

    nothing = jax.tree.map(jnp.zeros_like, carried)
    return jax.lax.scan(block, (nothing, gradient), begins, reverse=True)[0]


advanced.defvjp(_forward, _back)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    keys, width, n_past = jax.random.split(key, 5), hyperparameters.width, shape.n_displacements
    statistics = shape.statistics
    return Network(
        embed=eqx.nn.Linear(1 + 2 * shape.n_scalars, width, key=keys[0]),
        distance=jax.random.normal(keys[1], (width, 1)),
        hidden=eqx.nn.Linear(width, width, key=keys[2]),
        rounds=[Round(width, k) for k in jax.random.split(keys[3], hyperparameters.layers)],
        force=scaled(eqx.nn.Linear(width, 1, key=keys[4]), 0.1),
        past=shape.lag * jnp.eye(n_past)[-1],  # constant velocity
        bend=jnp.zeros(n_past + 1),
        extent=statistics.extent,
        displacement=statistics.displacement_scale,
        strength=2 * statistics.residual_scale / statistics.extent,
        steps=hyperparameters.steps,
        growth=hyperparameters.growth,
    )
