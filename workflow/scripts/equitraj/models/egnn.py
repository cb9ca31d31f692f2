"""EGNN: an E(n) equivariant graph network on pairs of points (Satorras et al., ICML 2021, eqs. 3 to
7).

The K - 1 past displacements enter as vectors of each point: their inner products among themselves
and with the relative positions feed the messages (eq. 3), and the update of a point's vector (eq.
7) mixes relative positions, its own displacements and the differences to its neighbours'
displacements. The geometry itself is kept from layer to layer, because a step is a thousandth of a
distance: the updates add up in one vector per point, the output.

So the vectors and invariants of the pairs are data but for those of that one vector, which is zero
before the first layer: `prepare` computes them, and no gradient flows into them. `apply` works on
columns, channels first and a row for each feature, over all pairs of two points, in rings
(`AllPairs`), or over lists of neighbours (`Neighbours`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, product, scaled, silu
from equitraj.models._pairs import AllPairs, Neighbours
from equitraj.models._prepared import Prepared

FRAMEWORK = "jax"
ALL_PAIRS = "max_radius"
GPU = True  # its training profits from one
NEIGHBOURS = (
    32  # by which sums over the neighbours within a cutoff are divided: two shells of a liquid
)


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings;
    identity, whether a point knows its index (in a chain, which bead it is), which gives up
    equivariance under permutations; max_radius, distance in the data's units beyond which two
    points send no messages, 0 for all pairs; vertical, whether the network sees the third axis, as
    where there is gravity: it is then equivariant under rotations about that axis only."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    identity: bool = False
    max_radius: Annotated[float, Range(0)] = 0.0
    vertical: bool = False


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3), or translations and rotations about the third axis; permutations unless a point
    knows its index."""
    whole = not hyperparameters.vertical
    named = {"rotation": whole, "rotation_z": True, "reflection": whole, "translation": True}
    return named | {"permutation": not hyperparameters.identity}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The distance up to which the network needs neighbours, in the data's units; None for all
    pairs."""
    return hyperparameters.max_radius or None


def _inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """Inner products of vectors (3, ...), written out: a reduction over three rows is not
    vectorised."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _invariants(a: jax.Array, b: jax.Array) -> jax.Array:
    """Inner products of vectors (..., 3, P) and (..., 3, P), channel by channel: (..., P).

    Their inverse hyperbolic sine grows like a logarithm: inner products of long vectors, which a
    rollout meets, would otherwise grow with the square of what they then make longer.
    """
    return jnp.arcsinh(_inner(jnp.moveaxis(a, -2, 0), jnp.moveaxis(b, -2, 0)))


def _rows(x: jax.Array) -> list[jax.Array]:
    """The rows of columns, apart: the transpose of this joins them, that of taking slices fills
    each up with zeros."""
    return [row[0] for row in jax.lax.split(x, (1,) * len(x))]


class Layer(eqx.Module):
    """One message passing: points' features and vector to new ones."""

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
            scaled(self.pair_weight, 0.1),
            scaled(self.point_weight, 0.1),
        )
        self.update = eqx.nn.MLP(2 * width, width, width, 1, jax.nn.silu, key=keys[6])

    def __call__(
        self, h: jax.Array, vector: jax.Array | None, data: dict, pairs, count: int
    ) -> tuple:
        """Features (W, points) and vector (3, points), None for zero, to new ones; sums are divided
        by `count`.

        `data` are the columns of `Network.prepare`.
        """
        past, invariant, vectors = data["past"], data["invariant"], list(data["vectors"])
        n_past = len(past)
        # the weights of an edge: distance, bond, and for relative x own, relative x other and own x
        # other all vectors
        moving = 2 + n_past + (n_past + 1) * np.arange(3)
        edge, pair, point = self.edge.weight, self.pair_weight.weight, linear(self.point_weight, h)
        moved = sum(
            (point[k] * past[k] for k in range(n_past)),
            jnp.zeros_like(point, shape=(3, *h.shape[1:])),
        )
        if vector is None:
            edge, pair = jnp.delete(edge, moving, axis=1), pair[: 1 + n_past]
        else:
            own, other = _rows(pairs.receivers(vector)), _rows(pairs.senders(vector))
            products = (_inner(vectors[0], own), _inner(vectors[0], other), _inner(own, other))
            order = np.concatenate([np.delete(np.arange(edge.shape[1]), moving), moving])
            edge, invariant = (
                edge[:, order],
                jnp.concatenate([invariant, jnp.arcsinh(jnp.stack(products))]),
            )
            vectors.append([b - a for a, b in zip(own, other, strict=True)])
            moved += vector + point[-1] * vector
        at_points = pairs.receivers(linear(self.receiver, h)) + pairs.senders(
            linear(self.sender, h)
        )
        m = silu(linear(self.message, silu(product(edge, invariant) + at_points)))
        m = m * data["factor"] if "factor" in data else m
        weight = _rows(product(pair / count, m))
        terms = [
            sum(w * v[axis] for w, v in zip(weight, vectors, strict=True)) for axis in range(3)
        ]
        moved += jnp.stack([pairs.sum(term) for term in terms])
        first, second = self.update.layers
        h = h + linear(
            second, silu(linear(first, jnp.concatenate([h, pairs.sum(m) / (count + 1)])))
        )
        return h, moved


class Network(Prepared):
    """Message passing on pairs; the geometry in units of the points' extent.

    `layers` holds the weights of all layers along a first axis, so that one compiled layer is
    scanned.
    """

    embed: eqx.nn.Linear
    layers: Layer
    extent: float
    identity: bool = eqx.field(static=True)
    max_radius: float = eqx.field(static=True)
    vertical: bool = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # half as fast again on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, for V past displacements and pairs P: (N - 1, N), or
        (E,) of neighbours.

        `vectors` (B, 1 + V, 3, P), relative position and displacements; `invariant` (B, 2 + 3 V,
        P); `factor` (B, P), falling to zero at a cutoff; `past` (B, V, 3, N); `point` (B, F, N),
        features; `senders`, `receivers`.
        """
        position, past = (
            jnp.swapaxes(inputs["position"], 1, 2) / self.extent,
            jnp.swapaxes(inputs["displacement"], 2, 3),
        )
        if self.vertical:  # an axis is one more vector of each point
            axis = jnp.broadcast_to(
                jnp.eye(3, dtype=past.dtype)[2][:, None], (len(past), 1, 3, past.shape[3])
            )
            past = jnp.concatenate([past, axis], axis=1)
        listed = "senders" in inputs
        sender, receiver = _pair_index(inputs)
        relative = _at(position, receiver, listed) - _at(position, sender, listed)
        if listed:
            relative -= jnp.swapaxes(inputs["shift"], 1, 2) / self.extent
            bonded, kept = inputs["bonded"], {k: inputs[k] for k in ("senders", "receivers")}
        else:
            bonded, kept = inputs["adjacency"][:, receiver, sender], {}
        own, other = _at(past, receiver, listed), _at(past, sender, listed)
        if self.max_radius:
            # a polynomial of the squared distance: zero with its first derivative at the cutoff,
            # smooth at distance 0
            squared = jnp.sum(relative**2, axis=1) * (self.extent / self.max_radius) ** 2
            kept |= {"factor": jnp.maximum(1 - squared, 0) ** 2}
        return kept | {
            "vectors": jnp.concatenate([relative[:, None], other - own], axis=1),
            "invariant": _pair_invariants(relative[:, None], own, other, bonded[:, None]),
            "past": past,
            "point": self._point_features(past, inputs.get("scalar")),
        }

    def _point_features(self, past: jax.Array, scalar: jax.Array | None) -> jax.Array:
        """(B, F, N): invariants of the past (B, V, 3, N), the task's features (B, N, F), and the
        point's index."""
        upper = np.triu_indices(past.shape[1])
        products = _inner(*(jnp.moveaxis(past[:, index], 2, 0) for index in upper))
        h = [jnp.arcsinh(products), *([] if scalar is None else [jnp.swapaxes(scalar, 1, 2)])]
        h.append(jnp.ones_like(past, shape=(len(past), 1, past.shape[3])))
        if self.identity:
            h.append(
                jnp.broadcast_to(
                    jnp.eye(past.shape[3], dtype=past.dtype), (len(past), *2 * past.shape[3:])
                )
            )
        return jnp.concatenate(h, axis=1)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        return self.run(prepared)[1]

    def run(
        self, prepared: dict[str, jax.Array], every_layer: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Features (B, N, W) and vectors (B, N, 3) after the last layer, or with a first axis after
        each of them."""
        n_points = prepared["point"].shape[2]
        index = [prepared[k] for k in ("senders", "receivers") if k in prepared]
        pairs = Neighbours(*index, n_points) if index else AllPairs()
        data = {
            k: pairs.columns(v) for k, v in prepared.items() if k not in ("senders", "receivers")
        }
        count = max(
            1, min(n_points - 1, NEIGHBOURS if self.max_radius else n_points)
        )  # a single point has none
        weights, static = eqx.partition(self.layers, eqx.is_array)
        first, rest = (
            jax.tree.map(lambda w, part=part: w[part], weights) for part in (0, slice(1, None))
        )

        def step(state: tuple, layer: Layer) -> tuple:
            state = eqx.combine(layer, static)(*state, data, pairs, count)
            return state, state if every_layer else None

        state = step((linear(self.embed, data["point"]), None), first)[0]
        last, states = jax.lax.scan(step, state, rest)
        whole = (
            jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), state, states)
            if every_layer
            else last
        )
        export: Callable = lambda x: jnp.moveaxis(pairs.samples(x), 1, 2)  # noqa: E731
        return jax.tree.map(jax.vmap(export) if every_layer else export, whole)


def _pair_index(inputs: dict[str, jax.Array]) -> tuple:
    if "senders" in inputs:
        return inputs["senders"], inputs["receivers"]
    return AllPairs.index(inputs["position"].shape[1])


def _at(x: jax.Array, index: jax.Array | np.ndarray, listed: bool) -> jax.Array:
    """Values (B, ..., N) at the index of all pairs, or at that of each sample (B, E)."""
    if not listed:
        return x[..., index]
    return jax.vmap(lambda one, at: jnp.take(one, at, axis=-1, mode="clip"))(x, index)


def _pair_invariants(
    relative: jax.Array, own: jax.Array, other: jax.Array, bonded: jax.Array
) -> jax.Array:
    """(B, 2 + 3 V, P) of relative positions (B, 1, 3, P) and displacements (B, V, 3, P)."""
    axis = lambda x: jnp.moveaxis(x, 2, 0)  # noqa: E731
    r, own, other = axis(relative), axis(own), axis(other)
    found = [jnp.arcsinh(_inner(a, b)) for a, b in ((r, r), (r, own), (r, other), (own, other))]
    return jnp.concatenate([found[0], bonded.astype(found[0].dtype), *found[1:]], axis=1)


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and by layer and degree its features: 0, (B, N, W, 1); 1, vectors (B,
    N, 1, 3)."""
    features, vectors = network.run(network.prepare(inputs), every_layer=True)
    pairs = enumerate(zip(features, vectors, strict=True))
    return vectors[-1], {
        f"layer {i + 1}": {0: h[..., None], 1: v[:, :, None]} for i, (h, v) in pairs
    }


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, layer_key = jax.random.split(key)
    n_past = shape.n_displacements + hyperparameters.vertical
    n_features = (
        n_past * (n_past + 1) // 2 + shape.n_scalars + 1 + hyperparameters.identity * shape.n_points
    )
    make_layer = eqx.filter_vmap(lambda k: Layer(hyperparameters.width, n_past + 1, k))
    layers = make_layer(jax.random.split(layer_key, hyperparameters.layers))
    embed = eqx.nn.Linear(n_features, hyperparameters.width, key=embed_key)
    options = hyperparameters.identity, hyperparameters.max_radius, hyperparameters.vertical
    return Network(embed, layers, shape.statistics.extent, *options)
