"""A potential of distances alone, whose negative gradient is the output: exactly equivariant, exactly conservative.

The potential is that of SchNet (Schuett et al., NeurIPS 2017, eqs. 1 to 4): points have features, which messages
filtered by the distances of pairs change, a perceptron makes an energy of each point, and the force is the gradient of
their sum. Where the task shows masses, forces are divided by them, in units of their mean: accelerations.

What it cannot express is anything that is no gradient of a function of distances: friction, magnetic and other forces
that depend on velocities (it does not look at displacements), forces without a potential, and any difference between a
shape and its mirror image. All terms of classical force fields it can: angles, and dihedrals up to their sign, are
functions of distances.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scaled, silu
from equitraj.models._pairs import AllPairs

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one
REACH = 4.0  # extents of the points: farther apart two of them feel nothing of each other
SOFT = 1e-3  # extents: distances are smooth where two points meet


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and filters; layers, number of interactions; basis, Gaussians of the
    distance."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    basis: Annotated[int, Range(2, 1024)] = 24


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Interaction(eqx.Module):
    """A continuous-filter convolution: points' features to new ones (eq. 2)."""

    sender: eqx.nn.Linear
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    update: eqx.nn.MLP

    def __init__(self, width: int, n_basis: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 4)
        self.sender = eqx.nn.Linear(width, width, use_bias=False, key=keys[0])
        self.first = eqx.nn.Linear(n_basis, width, key=keys[1])
        self.second = eqx.nn.Linear(width, width, key=keys[2])
        self.update = eqx.nn.MLP(width, width, width, 1, jax.nn.silu, key=keys[3])

    def __call__(self, h: jax.Array, edges: jax.Array, pairs: AllPairs, count: int) -> jax.Array:
        """Features (W, N, B) to new ones, from those of pairs (E, N - 1, N, B)."""
        weight = linear(self.second, silu(linear(self.first, edges)))
        first, second = self.update.layers
        message = pairs.sum(weight * pairs.senders(linear(self.sender, h))) / count
        return h + linear(second, silu(linear(first, message)))


class Network(eqx.Module):
    """Interactions on all pairs, and an energy; `layers` holds the weights of all layers along a first axis."""

    embed: eqx.nn.Linear
    layers: Interaction
    energy: eqx.nn.MLP
    extent: float
    basis: int = eqx.field(static=True)
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def potential(self, position: jax.Array, bonded: jax.Array, point: jax.Array) -> jax.Array:
        """(B,) from positions (3, N, B) in extents, bonds of pairs (N - 1, N, B) and points' features (F, N, B)."""
        pairs = AllPairs()
        apart = pairs.receivers(position) - pairs.senders(position)
        r = jnp.sqrt(apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2 + SOFT**2)
        centre = jnp.linspace(0, REACH, self.basis, dtype=r.dtype)[:, None, None, None]
        edges = jnp.concatenate([jnp.exp(-0.5 * ((r - centre) * (self.basis - 1) / REACH) ** 2), bonded[None]])
        weights, static = eqx.partition(self.layers, eqx.is_array)
        count = max(1, position.shape[1] - 1)  # a single point has no other

        def step(h: jax.Array, layer: Interaction) -> tuple:
            return eqx.combine(layer, static)(h, edges, pairs, count), None

        h, _ = jax.lax.scan(step, linear(self.embed, point), weights)
        first, second = self.energy.layers
        return linear(second, silu(linear(first, h)))[0].sum(0)

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        columns = lambda x: jnp.moveaxis(x, 0, -1)  # noqa: E731
        position = columns(inputs["position"]).swapaxes(0, 1) / self.extent
        sender, receiver = AllPairs.index(position.shape[1])
        point = jnp.ones_like(position[:1])
        if "scalar" in inputs:
            point = jnp.concatenate([point, columns(inputs["scalar"]).swapaxes(0, 1)])
        bonded = columns(inputs["adjacency"][:, receiver, sender])
        force = -jax.grad(lambda x: self.potential(x, bonded, point).sum())(position)
        force = jnp.moveaxis(force, -1, 0).swapaxes(1, 2)
        if "mass" not in inputs:
            return force
        mass = inputs["mass"][..., None]
        return force * mass.mean(1, keepdims=True) / mass


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
