"""EGNN as it is published for charged bodies (Satorras et al., ICML 2021, eqs. 3, 6 and 7, appendix
C.1).

Coordinates move from layer to layer, in the data's own units; messages see squared distances and
the bodies' charges, features the speeds. The authors' code is followed where the paper leaves a
choice: sums of messages, means of pushes that are cut off at 100, layers that add to features, 4
layers of 64 features. Published error on 5 charged bodies: 0.0071.
`egnn` is the same kind of network for small steps, with the geometry kept.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, silu
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared

FRAMEWORK = "jax"
PREDICTS = "displacement"
MINIMUM_HISTORY = 2  # two frames, or one with its velocity
ALL_PAIRS = True
GPU = True  # its training profits from one
FARTHEST = 100.0  # that a neighbour pushes a point in a layer


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings."""

    width: Annotated[int, Range(1, 16_384)] = 64
    layers: Annotated[int, Range(1, 64)] = 4


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Perceptron(eqx.Module):
    """Two linear layers on columns, with a unit between them and, where `ends` is true, behind
    them."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear
    ends: bool = eqx.field(static=True)

    def __init__(
        self, inputs: int, width: int, outputs: int, key: jax.Array, ends: bool = False, **options
    ) -> None:
        keys = jax.random.split(key)
        self.first = eqx.nn.Linear(inputs, width, key=keys[0])
        self.second = eqx.nn.Linear(width, outputs, key=keys[1], **options)
        self.ends = ends

    def __call__(self, x: jax.Array) -> jax.Array:
        """(F, ...) to (outputs, ...)."""
        y = linear(self.second, silu(linear(self.first, x)))
        return silu(y) if self.ends else y


class Layer(eqx.Module):
    """One message passing: features, and positions that move."""

    message: Perceptron
    push: Perceptron
    speed: Perceptron
    update: Perceptron

    def __init__(self, width: int, n_edge: int, n_past: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 5)
        self.message = Perceptron(2 * width + 1 + n_edge, width, width, keys[0], ends=True)
        push = Perceptron(width, width, 1, keys[1], use_bias=False)
        small = (
            0.001 * (6 / (width + 1)) ** 0.5
        )  # Glorot's uniform distribution, a thousandth of it
        weight = jax.random.uniform(keys[4], (1, width), minval=-small, maxval=small)
        self.push = eqx.tree_at(lambda p: p.second.weight, push, weight)
        self.speed = Perceptron(width, width, n_past, keys[2])
        self.update = Perceptron(2 * width, width, width, keys[3])

    def __call__(
        self, h: jax.Array, x: jax.Array, past: jax.Array, edges: jax.Array, pairs: AllPairs
    ) -> tuple:
        """Features (W, N, B) and positions (3, N, B) to new ones; `past` (V, 3, N, B), edges (F, N
        - 1, N, B)."""
        apart = pairs.receivers(x) - pairs.senders(x)
        squared = jnp.sum(apart**2, axis=0, keepdims=True)
        shape = (len(h), *edges.shape[1:])
        own, other = (jnp.broadcast_to(side(h), shape) for side in (pairs.receivers, pairs.senders))
        m = self.message(jnp.concatenate([own, other, squared, edges]))
        pushed = pairs.sum(jnp.clip(apart * self.push(m), -FARTHEST, FARTHEST)) / max(
            1, edges.shape[1]
        )
        x = x + pushed + jnp.sum(self.speed(h)[:, None] * past, axis=0)
        return h + self.update(jnp.concatenate([h, pairs.sum(m)])), x


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis."""

    embed: eqx.nn.Linear
    layers: Layer
    unit: float  # of past displacements, as velocities in the data's units
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights: `start` (B, 3, N), `past` (B, V, 3, N), velocities in
        the data's units, `edges` (B, F, N - 1, N): bond, squared distance, products of features."""
        start, past = (
            jnp.swapaxes(inputs["position"], 1, 2),
            self.unit * jnp.swapaxes(inputs["displacement"], 2, 3),
        )
        sender, receiver = AllPairs.index(start.shape[-1])
        squared = jnp.sum((start[..., receiver] - start[..., sender]) ** 2, axis=1)
        edges = [inputs["adjacency"][:, None, receiver, sender], squared[:, None]]
        if "scalar" in inputs:
            scalar = jnp.swapaxes(inputs["scalar"], 1, 2)
            edges.append(scalar[..., receiver] * scalar[..., sender])
        return {"start": start, "past": past, "edges": jnp.concatenate(edges, axis=1)}

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `prepare`."""
        pairs = AllPairs()
        data = {name: pairs.columns(value) for name, value in prepared.items()}
        weights, static = eqx.partition(self.layers, eqx.is_array)
        # a root that can be differentiated at rest
        speed = jnp.sqrt(jnp.sum(data["past"] ** 2, axis=1) + jnp.finfo(data["past"].dtype).tiny)

        def step(state: tuple, layer: Layer) -> tuple:
            return eqx.combine(layer, static)(*state, data["past"], data["edges"], pairs), None

        (_, end), _ = jax.lax.scan(step, (linear(self.embed, speed), data["start"]), weights)
        return jnp.moveaxis(pairs.samples(end - data["start"]), 1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, layer_key = jax.random.split(key)
    n_past, width = shape.n_displacements, hyperparameters.width
    make_layer = eqx.filter_vmap(lambda k: Layer(width, 2 + shape.n_scalars, n_past, k))
    layers = make_layer(jax.random.split(layer_key, hyperparameters.layers))
    unit = shape.statistics.displacement_scale / shape.time_step
    return Network(eqx.nn.Linear(n_past, width, key=embed_key), layers, unit)
