"""EGNN sample by sample: the reference that the present one's speed is measured against, the same
function.

Each sample computes its geometry in every step, on an (N, N) array of all pairs with channels last,
and `vmap` makes a batch of it. `equitraj.models.egnn` has the equations, which are the same
(Satorras et al., ICML 2021).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape

FRAMEWORK = "jax"
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings;
    identity, whether a point knows its index (in a chain, which bead it is), which gives up
    equivariance under permutations."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    identity: bool = False


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3), and permutations unless a point knows its index."""
    return {
        "rotation": True,
        "reflection": True,
        "translation": True,
        "permutation": not hyperparameters.identity,
    }


def _invariants(a: jax.Array, b: jax.Array) -> jax.Array:
    """Inner products of vectors (..., C, 3) and (..., C, 3), channel by channel: (..., C).

    Their inverse hyperbolic sine grows like a logarithm: inner products of long vectors, which a
    rollout meets, would otherwise grow with the square of what they then make longer.
    """
    return jnp.arcsinh(jnp.sum(a * b, axis=-1))


def _scaled(linear: eqx.nn.Linear, factor: float) -> eqx.nn.Linear:
    return jax.tree.map(lambda w: factor * w, linear)


class Layer(eqx.Module):
    """One message passing: point features (N, W) and vectors (N, C, 3) to new point features and
    one vector (N, 3)."""

    receiver: eqx.nn.Linear
    sender: eqx.nn.Linear
    edge: eqx.nn.Linear
    message: eqx.nn.Linear
    pair_weight: eqx.nn.Linear
    point_weight: eqx.nn.Linear
    update: eqx.nn.MLP

    def __init__(self, width: int, n_vectors: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 7)
        self.receiver = eqx.nn.Linear(width, width, key=keys[0])
        self.sender = eqx.nn.Linear(width, width, use_bias=False, key=keys[1])
        self.edge = eqx.nn.Linear(2 + 3 * n_vectors, width, use_bias=False, key=keys[2])
        self.message = eqx.nn.Linear(width, width, key=keys[3])
        self.pair_weight = eqx.nn.Linear(width, 1 + n_vectors, use_bias=False, key=keys[4])
        self.point_weight = eqx.nn.Linear(width, n_vectors, key=keys[5])
        # the first prediction is small beside the extrapolation that it is added to
        self.pair_weight, self.point_weight = (
            _scaled(self.pair_weight, 0.1),
            _scaled(self.point_weight, 0.1),
        )
        self.update = eqx.nn.MLP(2 * width, width, width, 1, jax.nn.silu, key=keys[6])

    def __call__(
        self, h: jax.Array, vectors: jax.Array, relative: jax.Array, pair: jax.Array
    ) -> tuple:
        """`relative` (N, N, 3) holds x_i - x_j and `pair` (N, N, 2) the squared distance and the
        bond."""
        n_points = len(h)
        r, own, other = relative[:, :, None], vectors[:, None], vectors[None]
        invariant = [pair, _invariants(r, own), _invariants(r, other), _invariants(own, other)]
        edge = jnp.concatenate(invariant, -1) @ self.edge.weight.T
        m = jax.nn.silu(jax.vmap(self.receiver)(h)[:, None] + h[None] @ self.sender.weight.T + edge)
        m = jax.nn.silu(m @ self.message.weight.T + self.message.bias)
        m = m * (1 - jnp.eye(n_points, dtype=m.dtype))[..., None]
        weight = (m @ self.pair_weight.weight.T) / (n_points - 1)
        moved = jnp.einsum("ij,ijc->ic", weight[..., 0], relative)
        moved += jnp.einsum("ijk,ijkc->ic", weight[..., 1:], other - own)
        moved += jnp.einsum("ik,ikc->ic", jax.vmap(self.point_weight)(h), vectors)
        h = h + jax.vmap(self.update)(jnp.concatenate([h, m.mean(1)], -1))
        return h, moved


class Network(eqx.Module):
    """Message passing on all pairs; the geometry in units of the points' extent.

    `layers` holds the weights of all layers along a first axis, so that one compiled layer is
    scanned.
    """

    embed: eqx.nn.Linear
    layers: Layer
    extent: float = eqx.field(static=True)
    identity: bool = eqx.field(static=True)
    # what XLA does without options
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True,
        "xla_llvm_disable_expensive_passes": False,
    }

    def single(
        self,
        position: jax.Array,
        displacement: jax.Array,
        scalar: jax.Array,
        adjacency: jax.Array,
        every_layer: bool = False,
    ) -> jax.Array | tuple[jax.Array, jax.Array]:
        """(N, 3) from `position` (N, 3), `displacement` (K - 1, N, 3), `scalar` (N, F), `adjacency`
        (N, N).

        With `every_layer` the features (L, N, W) and vectors (L, N, 3) after each of the L layers.
        """
        relative = (position[:, None] - position[None]) / self.extent
        pair = jnp.stack([_invariants(relative, relative), adjacency], -1)
        past = jnp.moveaxis(displacement, 0, 1)
        upper = np.triu_indices(past.shape[1])
        h = [
            _invariants(past[:, upper[0]], past[:, upper[1]]),
            scalar,
            jnp.ones_like(position[:, :1]),
        ]
        if self.identity:
            h.append(jnp.eye(len(position), dtype=position.dtype))
        h, total = jax.vmap(self.embed)(jnp.concatenate(h, -1)), jnp.zeros_like(position)
        weights, static = eqx.partition(self.layers, eqx.is_array)

        def step(state: tuple, layer_weights: Layer) -> tuple:
            h, total = state
            vectors = jnp.concatenate([past, total[:, None]], axis=1)
            h, moved = eqx.combine(layer_weights, static)(h, vectors, relative, pair)
            state = (h, total + moved)
            return state, state if every_layer else None

        last, states = jax.lax.scan(step, (h, total), weights)
        return states if every_layer else last[1]

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self.batched(inputs)

    def batched(self, inputs: dict[str, jax.Array], every_layer: bool = False) -> jax.Array | tuple:
        """`single` for a batch."""
        position = inputs["position"]
        scalar = inputs.get("scalar", position[:, :, :0])
        single = lambda *sample: self.single(*sample, every_layer)  # noqa: E731
        return jax.vmap(single)(position, inputs["displacement"], scalar, inputs["adjacency"])


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and by layer and degree its features: 0, (B, N, W, 1); 1, vectors (B,
    N, 1, 3)."""
    h, vector = network.batched(inputs, every_layer=True)
    found = {
        f"layer {i + 1}": {0: h[:, i, ..., None], 1: vector[:, i, :, None]}
        for i in range(h.shape[1])
    }
    return vector[:, -1], found


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, layer_key = jax.random.split(key)
    n_past = shape.n_displacements
    n_features = (
        n_past * (n_past + 1) // 2 + shape.n_scalars + 1 + hyperparameters.identity * shape.n_points
    )
    make_layer = eqx.filter_vmap(lambda k: Layer(hyperparameters.width, n_past + 1, k))
    layers = make_layer(jax.random.split(layer_key, hyperparameters.layers))
    embed = eqx.nn.Linear(n_features, hyperparameters.width, key=embed_key)
    return Network(embed, layers, shape.statistics.extent, hyperparameters.identity)
