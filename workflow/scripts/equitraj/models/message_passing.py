"""Message passing fed with coordinates: the twin of `egnn` that knows of no rotation.

Features, messages and updates are those of EGNN (Satorras et al., ICML 2021, eqs. 3, 5 and 6); in
place of invariants the messages see the components of relative positions and displacements, and a
linear map of a point's features is its vector. What is left of symmetry is that points may be
renamed, and that only differences of positions enter.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, product, scaled, silu
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Translations and permutations."""
    return {"rotation": False, "reflection": False, "translation": True, "permutation": True}


class Layer(eqx.Module):
    """One message passing: points' features to new ones."""

    receiver: eqx.nn.Linear
    sender: eqx.nn.Linear
    edge: eqx.nn.Linear
    message: eqx.nn.Linear
    update: eqx.nn.MLP

    def __init__(self, width: int, n_vectors: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 5)
        self.receiver = eqx.nn.Linear(width, width, key=keys[0])
        self.sender = eqx.nn.Linear(width, width, use_bias=False, key=keys[1])
        self.edge = eqx.nn.Linear(2 + 3 * n_vectors, width, use_bias=False, key=keys[2])
        self.message = eqx.nn.Linear(width, width, key=keys[3])
        self.update = eqx.nn.MLP(2 * width, width, width, 1, jax.nn.silu, key=keys[4])

    def __call__(self, h: jax.Array, edges: jax.Array, pairs: AllPairs, count: int) -> jax.Array:
        """Features (W, N, B) to new ones, from those of pairs (E, N - 1, N, B)."""
        at_points = pairs.receivers(linear(self.receiver, h)) + pairs.senders(
            linear(self.sender, h)
        )
        m = silu(linear(self.message, silu(product(self.edge.weight, edges) + at_points)))
        first, second = self.update.layers
        return h + linear(
            second, silu(linear(first, jnp.concatenate([h, pairs.sum(m) / (count + 1)])))
        )


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis."""

    embed: eqx.nn.Linear
    layers: Layer
    output: eqx.nn.Linear
    extent: float
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # half as fast again on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, for V past displacements.

        `edges` (B, 2 + 3 (1 + V), N - 1, N): distance squared, bond, relative position and
        displacements; `point` (B, 3 V + F + 1, N): displacements and the task's features.
        """
        position = jnp.swapaxes(inputs["position"], 1, 2)[:, None] / self.extent
        past = jnp.swapaxes(inputs["displacement"], 2, 3)
        sender, receiver = AllPairs.index(position.shape[-1])
        vectors = jnp.concatenate([position, past], axis=1)
        apart = vectors[..., receiver] - vectors[..., sender]
        flat = lambda x: x.reshape(len(x), x.shape[1] * 3, *x.shape[3:])  # noqa: E731  spelt out: V may be 0
        known = [
            jnp.arcsinh(jnp.sum(apart[:, :1] ** 2, axis=2)),
            inputs["adjacency"][:, None, receiver, sender],
        ]
        scalar = [jnp.swapaxes(inputs["scalar"], 1, 2)] if "scalar" in inputs else []
        return {
            "edges": jnp.concatenate([*known, jnp.arcsinh(flat(apart))], axis=1),
            "point": jnp.concatenate(
                [flat(jnp.arcsinh(past)), *scalar, jnp.ones_like(position[:, 0, :1])], axis=1
            ),
        }

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        pairs = AllPairs()
        data = {name: pairs.columns(value) for name, value in prepared.items()}
        weights, static = eqx.partition(self.layers, eqx.is_array)
        count = max(1, data["point"].shape[1] - 1)  # a single point has no other

        def step(h: jax.Array, layer: Layer) -> tuple:
            return eqx.combine(layer, static)(h, data["edges"], pairs, count), None

        h, _ = jax.lax.scan(step, linear(self.embed, data["point"]), weights)
        return jnp.moveaxis(pairs.samples(linear(self.output, h)), 1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, layer_key, output_key = jax.random.split(key, 3)
    n_past, width = shape.n_displacements, hyperparameters.width
    layers = eqx.filter_vmap(lambda k: Layer(width, n_past + 1, k))(
        jax.random.split(layer_key, hyperparameters.layers)
    )
    embed = eqx.nn.Linear(3 * n_past + shape.n_scalars + 1, width, key=embed_key)
    # the first prediction is small beside the extrapolation that it is added to
    output = scaled(eqx.nn.Linear(width, 3, key=output_key), 0.1)
    return Network(embed, layers, output, shape.statistics.extent)
