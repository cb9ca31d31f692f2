"""EGNN as published for charged bodies (Satorras et al., ICML 2021, eqs. 3, 6 and 7, appendix C.1).

Positions change from layer to layer, in the data's own units; messages depend on squared distances
and the bodies' charges, the first features on the speeds. Where the paper leaves a choice, the
authors' code is followed: sums of messages, means of displacements that are cut off at 100, layers
that add to features, 4 layers of 64 features. Published error on 5 charged bodies: 0.0071.
`egnn` is a similar network for small steps, which keeps the geometry.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox.nn import Linear

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scalars, silu
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared
from equitraj.models._stacked import stacked, through

FRAMEWORK = "jax"
PREDICTS = "displacement"
MINIMUM_HISTORY = 2  # two frames, or one with its velocity
ALL_PAIRS = True
GPU = True  # its training profits from one
FARTHEST = 100.0  # that a neighbour pushes a point in a layer, along each axis
State = tuple[jax.Array, jax.Array]  # features and positions


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings."""

    width: Annotated[int, Range(1, 16_384)] = 64
    layers: Annotated[int, Range(1, 64)] = 4


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Perceptron(eqx.Module):
    """Two linear layers on columns, with SiLU between them and, if `ends` is true, after them."""

    first: Linear
    second: Linear
    ends: bool = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        key: jax.Array,
        ends: bool = False,
        use_bias: bool = True,
    ) -> None:
        first_key, second_key = jax.random.split(key)
        self.first = Linear(inputs, width, key=first_key)
        self.second = Linear(width, outputs, use_bias, key=second_key)
        self.ends = ends

    def __call__(self, x: jax.Array) -> jax.Array:
        """(outputs, ...) from (inputs, ...)."""
        hidden = silu(linear(self.first, x))
        y = linear(self.second, hidden)
        if self.ends:
            return silu(y)
        return y


class Layer(eqx.Module):
    """One message passing: it changes features and positions."""

    message: Perceptron
    push: Perceptron
    speed: Perceptron
    update: Perceptron

    def __init__(self, width: int, n_edge: int, n_past: int, key: jax.Array) -> None:
        message_key, push_key, speed_key, update_key, weight_key = jax.random.split(key, 5)
        n_inputs = 2 * width + 1 + n_edge
        self.message = Perceptron(
            inputs=n_inputs,
            width=width,
            outputs=width,
            key=message_key,
            ends=True,
        )
        push = Perceptron(
            inputs=width,
            width=width,
            outputs=1,
            key=push_key,
            use_bias=False,
        )
        glorot = (6 / (width + 1)) ** 0.5
        bound = 0.001 * glorot
        shape = (1, width)
        weight = jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound)
        self.push = eqx.tree_at(lambda p: p.second.weight, push, weight)
        self.speed = Perceptron(width, width, n_past, speed_key)
        self.update = Perceptron(2 * width, width, width, update_key)

    def __call__(self, state: State, past: jax.Array, edges: jax.Array, pairs: AllPairs) -> State:
        """New features (W, N, B) and positions (3, N, B) from the state, `past` (V, 3, N, B) and
        edges (F, N - 1, N, B)."""
        h, x = state
        apart = pairs.receivers(x) - pairs.senders(x)
        squared = jnp.sum(apart**2, axis=0, keepdims=True)
        m = self._messages(h, squared, edges, pairs)
        push = jnp.clip(apart * self.push(m), -FARTHEST, FARTHEST)
        n_others = max(1, edges.shape[1])
        pushed = pairs.sum(push) / n_others
        speed = self.speed(h)[:, None]
        x = x + pushed + jnp.sum(speed * past, axis=0)
        received = pairs.sum(m)
        h = h + self.update(jnp.concatenate([h, received]))
        return h, x

    def _messages(
        self, h: jax.Array, squared: jax.Array, edges: jax.Array, pairs: AllPairs
    ) -> jax.Array:
        """Messages (W, N - 1, N, B) from features, squared distances and edges."""
        shape = (len(h), *edges.shape[1:])
        own = jnp.broadcast_to(pairs.receivers(h), shape)
        other = jnp.broadcast_to(pairs.senders(h), shape)
        inputs = [own, other, squared, edges]
        return self.message(jnp.concatenate(inputs))


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis."""

    embed: Linear
    layers: Layer
    unit: float  # of past displacements, as velocities in the data's units
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights.

        `start` (B, 3, N); `past` (B, V, 3, N), velocities in the data's units; `edges` (B, F, N -
        1, N): bond, squared distance, products of features.
        """
        start = jnp.swapaxes(inputs["position"], 1, 2)
        past = self.unit * jnp.swapaxes(inputs["displacement"], 2, 3)
        sender, receiver = AllPairs.index(start.shape[-1])
        apart = start[..., receiver] - start[..., sender]
        squared = jnp.sum(apart**2, axis=1)
        bonded = inputs["adjacency"][:, None, receiver, sender]
        edges = [bonded, squared[:, None]]
        for scalar in scalars(inputs):
            edges.append(scalar[..., receiver] * scalar[..., sender])
        return {
            "start": start,
            "past": past,
            "edges": jnp.concatenate(edges, axis=1),
        }

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Displacement (B, N, 3) from the arrays of `prepare`."""
        pairs = AllPairs()
        data = pairs.all_columns(prepared)
        start = data["start"]
        past = data["past"]
        # a root that is differentiable at zero speed
        tiny = jnp.finfo(past.dtype).tiny
        speed = jnp.sqrt(jnp.sum(past**2, axis=1) + tiny)
        state = (linear(self.embed, speed), start)
        _, end = through(self.layers, state, past, data["edges"], pairs)
        displacement = pairs.samples(end - start)
        return jnp.moveaxis(displacement, 1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    width = hyperparameters.width
    n_past = shape.n_displacements
    embed_key, layer_key = jax.random.split(key)
    n_edge = 2 + shape.n_scalars
    layer = partial(Layer, width, n_edge, n_past)
    layers = stacked(layer, hyperparameters.layers, layer_key)
    embed = Linear(n_past, width, key=embed_key)
    unit = shape.statistics.displacement_scale / shape.time_step
    return Network(
        embed=embed,
        layers=layers,
        unit=unit,
    )
