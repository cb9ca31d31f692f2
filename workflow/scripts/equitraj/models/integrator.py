"""An equivariant integrator: Newton's equations under learned forces, in symplectic steps from one
frame to the next.

Points of a pair push each other along the line between them, equal and opposite; with `angles`, so
do the three points of each angle between two bonds, as in every force field of molecules. Momentum
and angular momentum are kept whatever is learned. As in SEGNO (Liu et al., ICLR 2024, eqs. 7 to 9),
one network is used in every step and changes velocities, which change positions; with `layers`,
points exchange messages before they push, so that a force depends on other neighbours too.
Published error of SEGNO on charged bodies: 0.0043.

The network gets the logarithm of a squared distance and gives the inverse hyperbolic sine of a
force: a power of the distance, as many laws are, is nearly a straight line to it, near and far.
Steps are those of the symplectic Euler method (kick, then drift: Hairer, Lubich & Wanner, Geometric
Numerical Integration, 2006, eq. I.1.9), which is the leapfrog with velocities half a step behind.

Errors of a close encounter grow beyond all bounds on the way, and so do gradients on the way back:
in training, that of each sample is held at a length, that of the error `hold`, else a few
encounters decide the fit.

The simulation of the published charged bodies cuts off each component of a force: a law that knows
the axes. With `axis_limit` so does this one, which is then no longer equivariant under rotations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._forces import STRONGEST, UNLIMITED, AngleForces, PairForces, Pairs, angles
from equitraj.models._steps import advanced, scanned

FRAMEWORK = "jax"
PREDICTS = "displacement"
MINIMUM_HISTORY = 2  # two frames, or one with its velocity
ALL_PAIRS = True
GPU = True  # its training profits from one
SLOW = 0.1  # of the rate of other weights: errors of the first velocity stay until the end


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, units of the networks of the forces; steps from one frame to the predicted
    one; layers, rounds of messages before the forces of a step, 0 for forces that depend on two
    points alone; angles, whether angles between bonds have forces of their own; axis_limit, at
    which each component of an acceleration is cut off, in the data's units, 0 for none; hold, the
    error of a sample, in units of the typical displacement, whose gradient is the longest there may
    be on the way back through the steps."""

    width: Annotated[int, Range(1, 4096)] = 32
    steps: Annotated[int, Range(1, 100_000)] = 20
    layers: Annotated[int, Range(0, 16)] = 0
    angles: bool = False
    axis_limit: Annotated[float, Range(0)] = 0.0
    hold: Annotated[float, Range(above=0)] = 0.03


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3), but where axes are known, and permutations, under which bonds do not go with
    their points."""
    whole = not hyperparameters.axis_limit
    return {
        "rotation": whole,
        "reflection": whole,
        "translation": True,
        "permutation": not hyperparameters.angles,
    }


class Network(eqx.Module):
    """Lengths are in units of the extent, times in units of that between the newest frame and the
    predicted one.

    Attributes: pairs and angles, the forces; past (V,) and bend (V + 1,), by how much the first
    velocity departs from the newest displacement over its time: the weights, in units of `SLOW`, of
    past displacements and of accelerations at the frames that they lead back to; limit of each
    component of an acceleration.
    """

    pairs: PairForces
    angles: AngleForces | None
    past: jax.Array
    bend: jax.Array
    limit: float | None
    extent: float
    displacement: float
    strength: float
    lag: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    hold: float = eqx.field(static=True)
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights: `start` (B, N, 3) and `past` (B, V, N, 3), in the
        network's units; `pair` (B, F, P), features that are the same for both orders of a pair;
        `point` (B, F, N); `mass` (B, N)."""
        pairs = Pairs(inputs["position"].shape[1])
        pair, point = [inputs["adjacency"][:, None, pairs.first, pairs.second]], []
        if "scalar" in inputs:
            point = [jnp.swapaxes(inputs["scalar"], 1, 2)]
            one, other = (point[0][:, :, index] for index in (pairs.first, pairs.second))
            pair += [one + other, one * other]
        kept = {"mass": inputs["mass"]} if "mass" in inputs else {}
        past, start = (
            inputs["displacement"] * (self.displacement / self.extent),
            inputs["position"] / self.extent,
        )
        nothing = jnp.zeros_like(start, shape=(len(start), 0, start.shape[1]))
        features = {
            "pair": jnp.concatenate(pair, axis=1),
            "point": jnp.concatenate([nothing, *point], axis=1),
        }
        return kept | features | {"start": start, "past": past}

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `prepare`, with gradients of limited length."""
        batch, n_points = prepared["start"].shape[:2]
        # the root of what the mean square over samples and coordinates has as its gradient, in
        # units of the extent
        most = self.hold * 4 / ((3 * n_points) ** 0.5 * batch * self.strength)
        return self._moved(
            prepared, lambda step, steps, *states: advanced(step, steps, most, *states)
        )

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self._moved(self.prepare(inputs), scanned)

    def _moved(self, prepared: dict[str, jax.Array], steps_of: Callable) -> jax.Array:
        data = {name: jnp.moveaxis(value, 0, -1) for name, value in prepared.items()}
        weights, static = eqx.partition(self, eqx.is_array)
        frozen = {k: data[k] for k in ("start", "mass") if k in data} | {
            "pair": self.pairs.embedded(data["pair"])
        }
        if self.angles is not None:
            frozen["angle"] = self.angles.embedded(data["point"])

        def step(carried: tuple, state: tuple) -> tuple:
            """Kick, then drift."""
            weights, frozen = carried
            moved, velocity = state
            acceleration = eqx.combine(weights, static).acceleration(
                frozen["start"] + moved, frozen
            )
            velocity = velocity + acceleration / self.steps
            return moved + velocity / self.steps, velocity

        first = jnp.zeros_like(data["start"]), self._velocity(data, frozen)
        moved, _ = steps_of(step, self.steps, (weights, frozen), first)
        return self.extent * jnp.moveaxis(moved, -1, 0)

    def _velocity(self, data: dict[str, jax.Array], frozen: dict[str, jax.Array]) -> jax.Array:
        """The first velocity (N, 3, B), from past displacements and from the accelerations at the
        frames they tell."""
        past, position = data["past"], data["start"]
        velocity = self.lag * past[-1] + SLOW * jnp.einsum("v,vnab->nab", self.past, past)
        for back in range(len(self.bend)):
            velocity += SLOW * self.bend[back] * self.acceleration(position, frozen)
            position = position - past[-1 - back] if back < len(past) else position
        return velocity

    def acceleration(self, position: jax.Array, frozen: dict[str, jax.Array]) -> jax.Array:
        """(N, 3, B) at positions (N, 3, B)."""
        force = self.pairs(position, frozen["pair"])
        if self.angles is not None:
            force += self.angles(position, frozen["angle"])
        found = self.strength * (force / frozen["mass"][:, None] if "mass" in frozen else force)
        return found if self.limit is None else jnp.clip(found, -self.limit, self.limit)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`.

    Raises:
        ValueError: forces of angles are asked for where no two bonds share a point.
    """
    pair_key, angle_key = jax.random.split(key)
    width, n_past, statistics = hyperparameters.width, shape.n_displacements, shape.statistics
    limit, most = None, STRONGEST
    if hyperparameters.axis_limit:
        limit = hyperparameters.axis_limit * (shape.lag * shape.time_step) ** 2 / statistics.extent
        most = UNLIMITED
    bent = angles(shape.bonds) if hyperparameters.angles else ()
    if hyperparameters.angles and not bent:
        raise ValueError(
            "angles: true, but no two bonds of the data share a point; give the source its `bonds`"
        )
    return Network(
        pairs=PairForces(1 + 2 * shape.n_scalars, width, hyperparameters.layers, pair_key, most),
        angles=AngleForces(bent, 2 * shape.n_scalars, width, angle_key) if bent else None,
        past=jnp.zeros(n_past),
        bend=jnp.zeros(n_past + 1),
        limit=limit,
        extent=statistics.extent,
        displacement=statistics.displacement_scale,
        strength=2 * statistics.residual_scale / statistics.extent,
        lag=shape.lag,
        steps=hyperparameters.steps,
        hold=hyperparameters.hold,
    )
