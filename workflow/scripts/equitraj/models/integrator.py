"""An equivariant integrator: Newton's equations under learned forces, in symplectic steps.

The points of a pair push each other along the line between them, with equal and opposite forces;
with `angles` there are also forces at each angle between two bonds, as in every force field of
molecules. Momentum and angular momentum are conserved for any weights. As in SEGNO (Liu et al.,
ICLR 2024, eqs. 7 to 9), one network is used in every step and changes velocities, which change
positions; with `layers`, pairs exchange messages before the forces are computed, so that a force
depends on other neighbours too. Published error of SEGNO on charged bodies: 0.0043.

The input of the network is the logarithm of a squared distance, and its output the inverse
hyperbolic sine of a force: so a power law, which is common, is nearly a straight line, near and
far. The integrator is the symplectic Euler method (kick, then drift: Hairer, Lubich & Wanner,
Geometric Numerical Integration, 2006, eq. I.1.9), which is the leapfrog with velocities half a step
behind.

Errors of a close encounter grow exponentially with the steps, and so do gradients in the backward
pass. In training the gradient of each sample is cut to the length that belongs to the error `hold`;
otherwise a few encounters would decide the fit.

The simulation of the published charged bodies clips each component of a force, which depends on the
axes. With `axis_limit` this model does the same, and is then no longer equivariant under rotations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import scalars
from equitraj.models._forces import STRONGEST, UNLIMITED, AngleForces, PairForces, Pairs, angles
from equitraj.models._steps import advanced, scanned

FRAMEWORK = "jax"
PREDICTS = "displacement"
MINIMUM_HISTORY = 2  # two frames, or one with its velocity
ALL_PAIRS = True
GPU = True  # its training profits from one
SLOW = 0.1  # learning rate relative to other weights: errors of the first velocity persist


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, units of the networks of the forces; steps, number of steps from one frame
    to the predicted one; layers, rounds of messages before the forces of a step, 0 for forces that
    depend on two points alone; angles, whether there are forces at angles between bonds;
    axis_limit, upper bound of each component of an acceleration, in the data's units, 0 for none;
    hold, a root mean squared error in units of the typical displacement: its gradient is the upper
    bound for the gradient of a sample in the backward pass through the steps."""

    width: Annotated[int, Range(1, 4096)] = 32
    steps: Annotated[int, Range(1, 100_000)] = 20
    layers: Annotated[int, Range(0, 16)] = 0
    angles: bool = False
    axis_limit: Annotated[float, Range(0)] = 0.0
    hold: Annotated[float, Range(above=0)] = 0.03


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims E(3) and permutations. An axis limit breaks rotations and reflections;
    angles break permutations, because bonds are not permuted with the points."""
    no_axes = not hyperparameters.axis_limit
    return {
        "rotation": no_axes,
        "reflection": no_axes,
        "translation": True,
        "permutation": not hyperparameters.angles,
    }


class Network(eqx.Module):
    """Newton's equations in units of the extent, and of the time from the newest frame to the
    predicted one.

    Attributes: pairs and angles, the forces; past (V,) and bend (V + 1,), in units of `SLOW`, the
    weights of past displacements and of the accelerations at their frames in the difference between
    the first velocity and the newest displacement over its time; limit of each component of an
    acceleration.
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
        """Arrays that do not depend on weights.

        `start` (B, N, 3) and `past` (B, V, N, 3), in the network's units; `pair` (B, F, P),
        features that are the same for both orders of a pair; `point` (B, F, N); `mass` (B, N).
        """
        position = inputs["position"]
        batch, n_points, _ = position.shape
        pairs = Pairs(n_points)
        bonded = inputs["adjacency"][:, None, pairs.first, pairs.second]
        pair = [bonded]
        shown = scalars(inputs)
        for scalar in shown:
            one = scalar[:, :, pairs.first]
            other = scalar[:, :, pairs.second]
            pair += [one + other, one * other]
        past = inputs["displacement"] * (self.displacement / self.extent)
        start = position / self.extent
        nothing = jnp.zeros_like(start, shape=(batch, 0, n_points))
        prepared = {
            "pair": jnp.concatenate(pair, axis=1),
            "point": jnp.concatenate([nothing, *shown], axis=1),
            "start": start,
            "past": past,
        }
        if "mass" in inputs:
            prepared["mass"] = inputs["mass"]
        return prepared

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `prepare`, with gradients of limited length."""
        batch, n_points = prepared["start"].shape[:2]
        # norm of the gradient of the mean squared error by the positions of a sample, in units of
        # the extent, if the root mean squared error of the sample is `hold`
        root = (3 * n_points) ** 0.5
        most = self.hold * 4 / (root * batch * self.strength)

        def limited(step: Callable, steps: int, carried: tuple, state: tuple) -> tuple:
            return advanced(step, steps, most, carried, state)

        return self._moved(prepared, limited)

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        prepared = self.prepare(inputs)
        return self._moved(prepared, scanned)

    def _moved(self, prepared: dict[str, jax.Array], steps_of: Callable) -> jax.Array:
        """Displacement (B, N, 3), with `scanned` or `advanced` for the steps."""
        data = {name: jnp.moveaxis(value, 0, -1) for name, value in prepared.items()}
        weights, static = eqx.partition(self, eqx.is_array)
        frozen = self._frozen(data)

        def step(carried: tuple, state: tuple) -> tuple:
            """Kick, then drift."""
            weights, frozen = carried
            moved, velocity = state
            network = eqx.combine(weights, static)
            position = frozen["start"] + moved
            acceleration = network.acceleration(position, frozen)
            velocity = velocity + acceleration / self.steps
            return moved + velocity / self.steps, velocity

        still = jnp.zeros_like(data["start"])
        state = (still, self._velocity(data, frozen))
        moved, _ = steps_of(step, self.steps, (weights, frozen), state)
        return self.extent * jnp.moveaxis(moved, -1, 0)

    def _frozen(self, data: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """The columns that are the same in all steps."""
        frozen: dict[str, jax.Array] = {"start": data["start"]}
        if "mass" in data:
            frozen["mass"] = data["mass"]
        frozen["pair"] = self.pairs.embedded(data["pair"])
        if self.angles is not None:
            frozen["angle"] = self.angles.embedded(data["point"])
        return frozen

    def _velocity(self, data: dict[str, jax.Array], frozen: dict[str, jax.Array]) -> jax.Array:
        """The first velocity (N, 3, B), from past displacements and the accelerations at their
        frames."""
        past = data["past"]
        position = data["start"]
        velocity = self.lag * past[-1] + SLOW * jnp.einsum("v,vnab->nab", self.past, past)
        for back in range(len(self.bend)):
            weight = SLOW * self.bend[back]
            velocity += weight * self.acceleration(position, frozen)
            if back < len(past):
                position = position - past[-1 - back]
        return velocity

    def acceleration(self, position: jax.Array, frozen: dict[str, jax.Array]) -> jax.Array:
        """Accelerations (N, 3, B) at positions (N, 3, B)."""
        force = self.pairs(position, frozen["pair"])
        if self.angles is not None:
            bending = self.angles(position, frozen["angle"])
            force += bending
        if "mass" in frozen:
            mass = frozen["mass"]
            force = force / mass[:, None]
        acceleration = self.strength * force
        if self.limit is None:
            return acceleration
        return jnp.clip(acceleration, -self.limit, self.limit)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`.

    Raises:
        ValueError: the option `angles` is true, but no two bonds share a point.
    """
    h = hyperparameters
    pair_key, angle_key = jax.random.split(key)
    n_past = shape.n_displacements
    statistics = shape.statistics
    limit: float | None = None
    most = STRONGEST
    if h.axis_limit:
        time = shape.lag * shape.time_step
        limit = h.axis_limit * time**2 / statistics.extent
        most = UNLIMITED
    return Network(
        pairs=PairForces(1 + 2 * shape.n_scalars, h.width, h.layers, pair_key, most),
        angles=_angle_forces(h, shape, angle_key) if h.angles else None,
        past=jnp.zeros(n_past),
        bend=jnp.zeros(n_past + 1),
        limit=limit,
        extent=statistics.extent,
        displacement=statistics.displacement_scale,
        strength=2 * statistics.residual_scale / statistics.extent,
        lag=shape.lag,
        steps=h.steps,
        hold=h.hold,
    )


def _angle_forces(h: Hyperparameters, shape: Shape, key: jax.Array) -> AngleForces:
    """The forces at all angles between two bonds; a ValueError if there are none."""
    bent = angles(shape.bonds)
    if not bent:
        raise ValueError(
            "angles: true, but no two bonds of the data share a point; give the source its `bonds`"
        )
    return AngleForces(bent, 2 * shape.n_scalars, h.width, key)
