"""A potential of distances alone, whose negative gradient is the output: exactly equivariant and
exactly conservative.

The potential is SchNet's (Schuett et al., NeurIPS 2017, eqs. 1 to 4): points have features, which
are updated by messages that are filtered by the distances of pairs; a perceptron maps the features
of each point to an energy, and the force is minus the gradient of the sum of energies. Filters are
linear in Gaussians that are finer at short distances (PhysNet), as bonds are short and stiff. Where
the task has masses, forces are divided by them, in units of their mean, which gives accelerations.
Then, with two frames and `residual: velocity`, a rollout is Stoermer-Verlet integration under the
learned potential.

The model cannot express forces that are not the gradient of a function of distances: friction,
magnetic and other forces that depend on velocities (displacements are no input), forces without a
potential, and any difference between a shape and its mirror image. It can express all terms of
classical force fields: angles, and dihedrals up to their sign, are functions of distances.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.nn import MLP, Linear

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, perceptron, scalars, scaled
from equitraj.models._pairs import HalfPairs
from equitraj.models._prepared import Prepared
from equitraj.models._radial import near_gaussians
from equitraj.models._stacked import stacked, through

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
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Interaction(eqx.Module):
    """A continuous-filter convolution (eq. 2), which changes the features of the points."""

    value: Linear
    filter: Linear
    update: MLP

    def __init__(self, width: int, n_basis: int, key: jax.Array) -> None:
        value_key, filter_key, update_key = jax.random.split(key, 3)
        self.value = Linear(width, width, use_bias=False, key=value_key)
        self.filter = Linear(n_basis, width, use_bias=False, key=filter_key)
        self.update = MLP(
            in_size=width,
            out_size=width,
            width_size=width,
            depth=1,
            activation=jax.nn.silu,
            key=update_key,
        )

    def __call__(self, h: jax.Array, basis: jax.Array, pairs: HalfPairs) -> jax.Array:
        """New features (W, N, B) from `h` and functions of the distances (K, N // 2, N, B)."""
        weight = linear(self.filter, basis)
        value = linear(self.value, h)
        from_senders = pairs.sum(weight * pairs.senders(value))
        from_receivers = pairs.sum_senders(weight * pairs.receivers(value))
        message = from_senders + from_receivers
        n_others = max(1, h.shape[1] - 1)
        return h + perceptron(self.update, message / n_others)


class Network(Prepared):
    """Interactions on all pairs, and an energy; `layers` holds the weights of all layers along a
    first axis."""

    embed: Linear
    layers: Interaction
    energy: MLP
    extent: float
    basis: int = eqx.field(static=True)
    # 1.5 times as fast on columns this long
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights; each pair stands once (P = N // 2, N).

        `basis` (B, K + 1, P), Gaussians of distances and the bond; `slope` (B, K, P), their
        derivatives; `direction` (B, 3, P), unit vectors to receivers; `point` (B, 1 + F, N),
        features; `mass` (B, N), in units of its mean.
        """
        position = jnp.swapaxes(inputs["position"], 1, 2) / self.extent
        n_points = position.shape[2]
        sender, receiver = HalfPairs.index(n_points)
        share = HalfPairs.share(n_points).astype(position.dtype)
        apart = position[..., receiver] - position[..., sender]
        distance = jnp.sqrt(jnp.square(apart).sum(1) + SOFT**2)
        gauss, slope = self._gaussians(distance, share)
        bonded = inputs["adjacency"][:, None, receiver, sender]
        point = [jnp.ones_like(position[:, :1]), *scalars(inputs)]
        prepared = {
            "basis": jnp.concatenate([share * gauss, share * bonded], axis=1),
            "slope": slope,
            "direction": apart / distance[:, None],
            "point": jnp.concatenate(point, axis=1),
        }
        if "mass" in inputs:
            mass = inputs["mass"]
            prepared["mass"] = mass / mass.mean(1, keepdims=True)
        return prepared

    def _gaussians(self, distance: jax.Array, share: np.ndarray) -> tuple[jax.Array, jax.Array]:
        """Gaussians (B, K, P) of distances (B, P), and their derivatives times `share`."""

        def functions(distance: jax.Array) -> jax.Array:
            return near_gaussians(distance, self.basis)

        tangent = jnp.broadcast_to(share, distance.shape)
        gauss, slope = jax.jvp(functions, (distance,), (tangent,))
        return jnp.moveaxis(gauss, 0, 1), jnp.moveaxis(slope, 0, 1)

    def potential(self, basis: jax.Array, point: jax.Array) -> jax.Array:
        """Energies (B,) from functions of the distances (K + 1, P, B) and features of the points (1
        + F, N, B)."""
        start = linear(self.embed, point)
        h = through(self.layers, start, basis, HalfPairs())
        energy = perceptron(self.energy, h)
        return energy[0].sum(0)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`: the chain rule from distances to positions,
        written out."""
        pairs = HalfPairs()
        data = pairs.all_columns(prepared)

        def total(basis: jax.Array) -> jax.Array:
            return self.potential(basis, data["point"]).sum()

        gradient = jax.grad(total)(data["basis"])
        by_distance = (gradient[: self.basis] * data["slope"]).sum(0)
        tension = by_distance * data["direction"]
        force = pairs.sum_senders(tension) - pairs.sum(tension)
        if "mass" in data:
            force = force / data["mass"]
        return jnp.moveaxis(pairs.samples(force), 1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    width = hyperparameters.width
    basis = hyperparameters.basis
    embed_key, layer_key, energy_key = jax.random.split(key, 3)
    layer = partial(Interaction, width, basis + 1)
    layers = stacked(layer, hyperparameters.layers, layer_key)
    embed = Linear(1 + shape.n_scalars, width, key=embed_key)
    energy = MLP(
        in_size=width,
        out_size=1,
        width_size=width,
        depth=1,
        activation=jax.nn.silu,
        key=energy_key,
    )
    # the first prediction is small compared with the extrapolation that it is added to
    last = scaled(energy.layers[-1], 0.1)
    energy = eqx.tree_at(lambda e: e.layers[-1], energy, last)
    return Network(
        embed=embed,
        layers=layers,
        energy=energy,
        extent=shape.statistics.extent,
        basis=basis,
    )
