"""Message passing on coordinates: `egnn` without its equivariance under rotations.

Features, messages and updates are EGNN's (Satorras et al., ICML 2021, eqs. 3, 5 and 6). In place of
invariants the messages depend on the components of relative positions and displacements, and the
output vector of a point is a linear map of its features. Permutations and translations remain as
symmetries, since only differences of positions enter.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox.nn import MLP, Linear

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, perceptron, product, scalars, scaled, silu
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared
from equitraj.models._stacked import stacked, through

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims translations and permutations."""
    return {"rotation": False, "reflection": False, "translation": True, "permutation": True}


class Layer(eqx.Module):
    """One message passing: it changes the features of the points."""

    receiver: Linear
    sender: Linear
    edge: Linear
    message: Linear
    update: MLP

    def __init__(self, width: int, n_vectors: int, key: jax.Array) -> None:
        receiver_key, sender_key, edge_key, message_key, update_key = jax.random.split(key, 5)
        n_edge = 2 + 3 * n_vectors
        self.receiver = Linear(width, width, key=receiver_key)
        self.sender = Linear(width, width, use_bias=False, key=sender_key)
        self.edge = Linear(n_edge, width, use_bias=False, key=edge_key)
        self.message = Linear(width, width, key=message_key)
        self.update = MLP(
            in_size=2 * width,
            out_size=width,
            width_size=width,
            depth=1,
            activation=jax.nn.silu,
            key=update_key,
        )

    def __call__(self, h: jax.Array, edges: jax.Array, pairs: AllPairs, count: int) -> jax.Array:
        """New features (W, N, B) from `h` and the features of pairs (E, N - 1, N, B)."""
        own = pairs.receivers(linear(self.receiver, h))
        other = pairs.senders(linear(self.sender, h))
        at_points = own + other
        hidden = silu(product(self.edge.weight, edges) + at_points)
        m = silu(linear(self.message, hidden))
        mean = pairs.sum(m) / (count + 1)
        both = jnp.concatenate([h, mean])
        return h + perceptron(self.update, both)


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis."""

    embed: Linear
    layers: Layer
    output: Linear
    extent: float
    # 1.5 times as fast on columns this long
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, for V past displacements.

        `edges` (B, 2 + 3 (1 + V), N - 1, N): squared distance, bond, relative position and
        displacements; `point` (B, 3 V + F + 1, N): displacements and the task's features.
        """
        position = jnp.swapaxes(inputs["position"], 1, 2)
        scaled_position = position[:, None] / self.extent
        past = jnp.swapaxes(inputs["displacement"], 2, 3)
        sender, receiver = AllPairs.index(position.shape[-1])
        vectors = jnp.concatenate([scaled_position, past], axis=1)
        apart = vectors[..., receiver] - vectors[..., sender]
        relative = apart[:, :1]
        squared = jnp.sum(relative**2, axis=2)
        edges = [
            jnp.arcsinh(squared),
            inputs["adjacency"][:, None, receiver, sender],
            jnp.arcsinh(_components(apart)),
        ]
        point = [
            _components(jnp.arcsinh(past)),
            *scalars(inputs),
            jnp.ones_like(position[:, :1]),
        ]
        return {
            "edges": jnp.concatenate(edges, axis=1),
            "point": jnp.concatenate(point, axis=1),
        }

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        pairs = AllPairs()
        data = pairs.all_columns(prepared)
        point = data["point"]
        n_others = point.shape[1] - 1
        count = max(1, n_others)  # a single point has no other
        start = linear(self.embed, point)
        edges = data["edges"]
        h = through(self.layers, start, edges, pairs, count)
        out = linear(self.output, h)
        samples = pairs.samples(out)
        return jnp.moveaxis(samples, 1, 2)


def _components(vectors: jax.Array) -> jax.Array:
    """The components (B, 3 V, ...) of vectors (B, V, 3, ...)."""
    batch, n_vectors, _, *rest = vectors.shape
    n_components = 3 * n_vectors  # not -1: V may be 0
    return vectors.reshape(batch, n_components, *rest)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    width = hyperparameters.width
    n_past = shape.n_displacements
    embed_key, layer_key, output_key = jax.random.split(key, 3)
    layer = partial(Layer, width, n_past + 1)
    layers = stacked(layer, hyperparameters.layers, layer_key)
    n_features = 3 * n_past + shape.n_scalars + 1
    embed = Linear(n_features, width, key=embed_key)
    # the first prediction is small compared with the extrapolation that it is added to
    output = scaled(Linear(width, 3, key=output_key), 0.1)
    return Network(
        embed=embed,
        layers=layers,
        output=output,
        extent=shape.statistics.extent,
    )
