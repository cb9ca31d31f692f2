"""A potential of distances alone, whose negative gradient is the output: exactly equivariant,
exactly conservative.

The potential is that of SchNet (Schuett et al., NeurIPS 2017, eqs. 1 to 4): points have features,
which messages filtered by the distances of pairs change, a perceptron makes an energy of each
point, and the force is minus the gradient of their sum. Filters are linear in Gaussians that are
finer where points are near (PhysNet), as bonds are short and stiff. Where the task shows masses,
forces are divided by them, in units of their mean: accelerations. Then, with two frames and
`residual: velocity`, a rollout is Stoermer's and Verlet's integration under the learned potential.

What it cannot express is anything that is no gradient of a function of distances: friction,
magnetic and other forces that depend on velocities (it does not look at displacements), forces
without a potential, and any difference between a shape and its mirror image. All terms of classical
force fields it can: angles, and dihedrals up to their sign, are functions of distances.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scaled, silu
from equitraj.models._pairs import HalfPairs
from equitraj.models._prepared import Prepared
from equitraj.models._radial import near_gaussians

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one
SOFT = 1e-3  # extents: distances are smooth where two points meet


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and filters; layers, number of interactions; basis,
    Gaussians of the distance."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    basis: Annotated[int, Range(2, 1024)] = 24


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Interaction(eqx.Module):
    """A continuous-filter convolution (eq. 2): points' features to new ones."""

    value: eqx.nn.Linear
    filter: eqx.nn.Linear
    update: eqx.nn.MLP

    def __init__(self, width: int, n_basis: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 3)
        self.value = eqx.nn.Linear(width, width, use_bias=False, key=keys[0])
        self.filter = eqx.nn.Linear(n_basis, width, use_bias=False, key=keys[1])
        self.update = eqx.nn.MLP(width, width, width, 1, jax.nn.silu, key=keys[2])

    def __call__(self, h: jax.Array, basis: jax.Array, pairs: HalfPairs) -> jax.Array:
        """Features (W, N, B) to new ones, by functions of the pairs' distances (K, N // 2, N, B)."""
        weight, value = linear(self.filter, basis), linear(self.value, h)
        message = pairs.sum(weight * pairs.senders(value)) + pairs.sum_senders(
            weight * pairs.receivers(value)
        )
        first, second = self.update.layers
        return h + linear(second, silu(linear(first, message / max(1, h.shape[1] - 1))))


class Network(Prepared):
    """Interactions on all pairs, and an energy; `layers` holds the weights of all layers along a
    first axis."""

    embed: eqx.nn.Linear
    layers: Interaction
    energy: eqx.nn.MLP
    extent: float
    basis: int = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # half as fast again on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, pairs once each (P = N // 2, N).

        `basis` (B, K + 1, P), Gaussians of distances and the bond; `slope` (B, K, P), their
        derivatives; `direction` (B, 3, P), unit vectors to receivers; `point` (B, 1 + F, N),
        features; `mass` (B, N), in units of its mean.
        """
        position = jnp.swapaxes(inputs["position"], 1, 2) / self.extent
        sender, receiver = HalfPairs.index(position.shape[2])
        share = HalfPairs.share(position.shape[2]).astype(position.dtype)
        apart = position[..., receiver] - position[..., sender]
        r = jnp.sqrt(jnp.square(apart).sum(1) + SOFT**2)
        gauss, slope = jax.jvp(
            lambda r: near_gaussians(r, self.basis), (r,), (jnp.broadcast_to(share, r.shape),)
        )
        basis = [
            share * jnp.moveaxis(gauss, 0, 1),
            share * inputs["adjacency"][:, None, receiver, sender],
        ]
        point = [
            jnp.ones_like(position[:, :1]),
            *([inputs["scalar"].swapaxes(1, 2)] if "scalar" in inputs else []),
        ]
        prepared = {
            "basis": jnp.concatenate(basis, axis=1),
            "slope": jnp.moveaxis(slope, 0, 1),
            "direction": apart / r[:, None],
            "point": jnp.concatenate(point, axis=1),
        }
        mass = inputs.get("mass")
        return prepared if mass is None else prepared | {"mass": mass / mass.mean(1, keepdims=True)}

    def potential(self, basis: jax.Array, point: jax.Array) -> jax.Array:
        """(B,), from functions of the pairs' distances (K + 1, P, B) and features of the points (1
        + F, N, B)."""
        weights, static = eqx.partition(self.layers, eqx.is_array)

        def step(h: jax.Array, layer: Interaction) -> tuple:
            return eqx.combine(layer, static)(h, basis, HalfPairs()), None

        h, _ = jax.lax.scan(step, linear(self.embed, point), weights)
        first, second = self.energy.layers
        return linear(second, silu(linear(first, h)))[0].sum(0)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`: the chain rule from distances to positions,
        written out."""
        pairs = HalfPairs()
        data = {name: pairs.columns(value) for name, value in prepared.items()}
        gradient = jax.grad(lambda basis: self.potential(basis, data["point"]).sum())(data["basis"])
        tension = (gradient[: self.basis] * data["slope"]).sum(0) * data["direction"]
        force = pairs.sum_senders(tension) - pairs.sum(tension)
        return jnp.moveaxis(pairs.samples(force / data["mass"] if "mass" in data else force), 1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, layer_key, energy_key = jax.random.split(key, 3)
    width, basis = hyperparameters.width, hyperparameters.basis
    make = eqx.filter_vmap(lambda k: Interaction(width, basis + 1, k))
    layers = make(jax.random.split(layer_key, hyperparameters.layers))
    embed = eqx.nn.Linear(1 + shape.n_scalars, width, key=embed_key)
    energy = eqx.nn.MLP(width, 1, width, 1, jax.nn.silu, key=energy_key)
    # the first prediction is small beside the extrapolation that it is added to
    energy = eqx.tree_at(lambda e: e.layers[-1], energy, scaled(energy.layers[-1], 0.1))
    return Network(embed, layers, energy, shape.statistics.extent, basis)
