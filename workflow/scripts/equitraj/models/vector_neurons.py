"""Vector neurons: every feature is a vector, and layers mix vectors (Deng et al., ICCV 2021).

A linear layer mixes channels (eq. 2); the nonlinearity removes what points away from a learned
direction (eqs. 4 to 6, here with a leak); edge convolutions apply both to pairs and take the mean
over the neighbours, as in the paper's VN-DGCNN. No vector is a cross product, so reflections are
kept as rotations are. Published figure: 89.5 % of ModelNet40 classified rightly when turned at
random, 90.2 % when the training data are turned too.

Such a network is homogeneous: twice as long vectors in, twice as long a vector out. Forces are no
such function of positions, and scalars no vectors. So the pairs bring the unit vector of their
relative position times functions of its length and times the bond; the points, their displacements
times what the task shows of them. All that is data: `prepare` computes it once. `apply` works on
columns, over all pairs of two points.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models import _radial
from equitraj.models._columns import product
from equitraj.models._geometry import polar
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one
RADIUS = 3.5  # up to which there are functions of the distance, in units of the extent
SMALL = 1e-6  # beside the squared length of a direction, so that none is divided by zero


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, vectors of points and pairs; layers, number of edge convolutions;
    number_of_basis functions of the distance; slope, share that is kept of what points away from a
    direction."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    number_of_basis: Annotated[int, Range(1, 1024)] = 8
    slope: Annotated[float, Range(0, 1)] = 0.2


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def leaky_relu(x: jax.Array, direction: jax.Array, slope: float) -> jax.Array:
    """Vectors (C, 3, ...) without (1 - slope) of their part along `direction`, where that part is
    negative (eq. 6)."""
    along = jnp.sum(x * direction, 1, keepdims=True)
    away = jnp.minimum(along, 0) / (jnp.sum(direction**2, 1, keepdims=True) + SMALL)
    return x - (1 - slope) * away * direction


def matrix(out: int, width: int, key: jax.Array) -> jax.Array:
    """Weights of a linear layer, (out, width), that keep the size of vectors."""
    return jax.random.normal(key, (out, width)) * width**-0.5


class Layer(eqx.Module):
    """An edge convolution: points' vectors (W, 3, N, B) to new ones.

    The weights are matrices (2 W, ...): W vectors, and a direction for each of them.
    """

    receiver: jax.Array
    sender: jax.Array
    edge: jax.Array
    message: jax.Array
    update: jax.Array
    last: jax.Array

    def __init__(self, width: int, n_edge: int, key: jax.Array) -> None:
        keys, double = jax.random.split(key, 6), 2 * width
        self.receiver, self.sender = matrix(double, width, keys[0]), matrix(double, width, keys[1])
        self.edge, self.message = matrix(double, n_edge, keys[2]), matrix(double, width, keys[3])
        self.update, self.last = matrix(double, double, keys[4]), matrix(width, width, keys[5])

    def __call__(
        self, x: jax.Array, edge: jax.Array, pairs: AllPairs, count: int, slope: float
    ) -> jax.Array:
        """New vectors, from those of the pairs (E, 3, N - 1, N, B)."""
        activated = lambda both: leaky_relu(*jnp.split(both, 2), slope)  # noqa: E731
        at_points = pairs.receivers(product(self.receiver, x)) + pairs.senders(
            product(self.sender, x)
        )
        message = activated(product(self.message, activated(product(self.edge, edge) + at_points)))
        both = jnp.concatenate([x, pairs.sum(message) / count])
        return x + product(self.last, activated(product(self.update, both)))


class Network(Prepared):
    """Edge convolutions on all pairs; `layers` holds the weights of all layers along a first axis,
    so that one compiled layer is scanned."""

    embed: jax.Array
    layers: Layer
    output: jax.Array
    extent: float
    hyperparameters: Hyperparameters = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # faster on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, from the arrays of
        `equitraj.data.features.network_inputs`.

        `edge` (B, E, 3, N - 1, N), vectors of the pairs; `point` (B, P, 3, N), of the points.
        """
        position, past = (
            inputs["position"] / self.extent,
            jnp.moveaxis(inputs["displacement"], 2, 3),
        )
        sender, receiver = AllPairs.index(position.shape[1])
        vector = position[:, sender] - position[:, receiver]
        distance, unit = polar(vector)
        bonded = inputs["adjacency"][:, None, None, receiver, sender].astype(distance.dtype)
        radius = jnp.asarray(RADIUS, distance.dtype)
        basis = _radial.gaussians(distance, radius, self.hyperparameters.number_of_basis)[..., None]
        vector, unit, *radial = (
            jnp.moveaxis(v, -1, 1)[:, None] for v in (vector, unit, *(basis * unit))
        )
        apart = past[..., sender] - past[..., receiver]
        mean = jnp.concatenate([bonded * unit, *radial], 1).sum(3) / max(
            1, len(sender)
        )  # a single point has no other
        point = jnp.concatenate([past, mean], 1)
        shown = [jnp.ones_like(point[:, :1, :1])]
        if "scalar" in inputs:
            shown += [
                inputs["scalar"][:, None, None, :, i] for i in range(inputs["scalar"].shape[2])
            ]
        return {
            "edge": jnp.concatenate(
                [vector, bonded * vector, bonded * unit, *radial, apart, bonded * apart], 1
            ),
            "point": jnp.concatenate([scalar * point for scalar in shown], 1),
        }

    def features(self, prepared: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """The output (3, N, B), and the vectors that each layer hands on (layers, W, 3, N, B)."""
        pairs, slope = AllPairs(), self.hyperparameters.slope
        data = {name: pairs.columns(value) for name, value in prepared.items()}
        count = max(1, data["point"].shape[2] - 1)  # a single point has no other

        def step(x: jax.Array, layer: Layer) -> tuple:
            x = layer(x, data["edge"], pairs, count, slope)
            return x, x

        x, found = jax.lax.scan(step, product(self.embed, data["point"]), self.layers)
        return product(self.output, x)[0], found

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from what `prepare` returned."""
        return jnp.moveaxis(self.features(prepared)[0], (0, 1, 2), (2, 1, 0))


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and the vectors that each layer hands on, (B, N, W, 3), by degree."""
    prepared = network.prepare(inputs)
    by_point = jnp.moveaxis(network.features(prepared)[1], (4, 3), (1, 2))
    return network.apply(prepared), {f"layer {i + 1}": {1: x} for i, x in enumerate(by_point)}


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h, n_past, keys = hyperparameters, shape.n_displacements, jax.random.split(key, 3)
    n_edge = 3 + h.number_of_basis + 2 * n_past
    n_point = (n_past + 1 + h.number_of_basis) * (1 + shape.n_scalars)
    layers = eqx.filter_vmap(lambda k: Layer(h.width, n_edge, k))(
        jax.random.split(keys[1], h.layers)
    )
    # the first prediction is small beside the extrapolation that it is added to
    output = 0.1 * matrix(1, h.width, keys[2])
    return Network(matrix(h.width, n_point, keys[0]), layers, output, shape.statistics.extent, h)
