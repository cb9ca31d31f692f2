"""EGNN: an E(n) equivariant graph neural network (Satorras et al., ICML 2021, eqs. 3 to 7).

The K - 1 past displacements enter as vectors of each point: their inner products among themselves
and with the relative positions feed the messages (eq. 3), and the update of a point's vector (eq.
7) mixes relative positions, its own displacements and the differences to its neighbours'
displacements. Positions are the same in all layers, because a step is a thousandth of a distance:
the updates add up in one vector per point, the output, which is zero before the first layer.

So all vectors and invariants of the pairs without that vector are data: `prepare` computes them,
and no gradient flows into them. `apply` works on columns, channels first and a row for each
feature, over all pairs of two points (`AllPairs`) or over lists of neighbours (`Neighbours`).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.nn import MLP, Linear

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import added, linear, perceptron, product, scalars, scaled, silu
from equitraj.models._pairs import AllPairs, Neighbours
from equitraj.models._prepared import Prepared
from equitraj.models._stacked import numbered, stacked, through, through_each

FRAMEWORK = "jax"
ALL_PAIRS = "max_radius"
GPU = True  # its training profits from one
Vector = jax.Array | list[jax.Array]  # (3, ...), or its three rows
NEIGHBOURS = 32  # divisor of sums over the neighbours within a cutoff: two shells of a liquid


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of points and messages; layers, number of message passings;
    identity, whether the index of a point (of a bead in a chain) is one of its features, which
    breaks equivariance under permutations; max_radius, distance in the data's units beyond which
    two points send no messages, 0 for all pairs; vertical, whether the third axis is an input, for
    systems under gravity: the network is then equivariant under rotations about this axis only."""

    width: Annotated[int, Range(1, 16_384)] = 32
    layers: Annotated[int, Range(1, 64)] = 2
    identity: bool = False
    max_radius: Annotated[float, Range(0)] = 0.0
    vertical: bool = False


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3), with `vertical` only translations and rotations about the third
    axis; and permutations, without `identity`."""
    whole = not hyperparameters.vertical
    return {
        "rotation": whole,
        "rotation_z": True,
        "reflection": whole,
        "translation": True,
        "permutation": not hyperparameters.identity,
    }


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The distance up to which the network needs neighbours, in the data's units; None for all
    pairs."""
    return hyperparameters.max_radius or None


def _inner(a: Vector, b: Vector) -> jax.Array:
    """Inner products of vectors (3, ...), written out: a reduction over three rows is not
    vectorised."""
    total = a[0] * b[0]
    total = total + a[1] * b[1]
    return total + a[2] * b[2]


def _rows(x: jax.Array) -> list[jax.Array]:
    """The rows of columns as separate arrays.

    The transpose of this operation concatenates rows; the transpose of slicing would pad each of
    them with zeros.
    """
    ones = (1,) * len(x)
    rows = jax.lax.split(x, ones)
    return [row[0] for row in rows]


class Edges(NamedTuple):
    """What a layer computes with at the pairs, columns and their weights.

    Attributes: edge, weights of the invariants; pair, weights of the vectors; invariant (I, pairs);
    vectors, (3, pairs) each.
    """

    edge: jax.Array
    pair: jax.Array
    invariant: jax.Array
    vectors: list


class Layer(eqx.Module):
    """One message passing, which changes the points' features and vector."""

    receiver: Linear
    sender: Linear
    edge: Linear
    message: Linear
    pair_weight: Linear
    point_weight: Linear
    update: MLP

    def __init__(self, width: int, n_vectors: int, key: jax.Array) -> None:
        keys = iter(jax.random.split(key, 7))
        n_invariants = 2 + 3 * n_vectors
        n_weights = 1 + n_vectors
        self.receiver = Linear(width, width, key=next(keys))
        self.sender = Linear(width, width, use_bias=False, key=next(keys))
        self.edge = Linear(n_invariants, width, use_bias=False, key=next(keys))
        self.message = Linear(width, width, key=next(keys))
        pair_weight = Linear(width, n_weights, use_bias=False, key=next(keys))
        point_weight = Linear(width, n_vectors, key=next(keys))
        # the first prediction is small compared with the extrapolation that it is added to
        self.pair_weight = scaled(pair_weight, 0.1)
        self.point_weight = scaled(point_weight, 0.1)
        self.update = MLP(
            in_size=2 * width,
            out_size=width,
            width_size=width,
            depth=1,
            activation=jax.nn.silu,
            key=next(keys),
        )

    def __call__(
        self,
        state: tuple[jax.Array, jax.Array | None],
        data: dict[str, jax.Array],
        pairs: AllPairs | Neighbours,
        count: int,
    ) -> tuple[jax.Array, jax.Array]:
        """New features (W, points) and vector (3, points) from the state and `data`, the columns
        of `Network.prepare`; a vector of None is zero, and sums are divided by `count`."""
        h, vector = state
        past = data["past"]
        n_past = len(past)
        point = linear(self.point_weight, h)
        zeros = jnp.zeros_like(point, shape=(3, *h.shape[1:]))
        moved = sum((point[k] * past[k] for k in range(n_past)), zeros)
        if vector is None:
            edges = self._first_edges(data)
        else:
            edges = self._edges(vector, data, pairs)
            moved += vector + point[-1] * vector
        m = self._messages(h, edges, data, pairs)
        weight = _rows(product(edges.pair / count, m))
        terms = []
        for axis in range(3):
            parts = zip(weight, edges.vectors, strict=True)
            terms.append(added(w * value[axis] for w, value in parts))
        moved += jnp.stack([pairs.sum(term) for term in terms])
        mean = pairs.sum(m) / (count + 1)
        both = jnp.concatenate([h, mean])
        h = h + perceptron(self.update, both)
        return h, moved

    def _moving(self, n_past: int) -> np.ndarray:
        """The index of the invariants that contain the points' vector.

        The invariants are the distance, the bond, and three products with all vectors: of the
        relative position with the receiver's, with the sender's, and of both points' vectors.
        """
        start = 2 + n_past
        return start + (n_past + 1) * np.arange(3)

    def _first_edges(self, data: dict[str, jax.Array]) -> Edges:
        """The edges of the first layer, where the points' vector is zero."""
        n_past = len(data["past"])
        moving = self._moving(n_past)
        return Edges(
            edge=jnp.delete(self.edge.weight, moving, axis=1),
            pair=self.pair_weight.weight[: 1 + n_past],
            invariant=data["invariant"],
            vectors=list(data["vectors"]),
        )

    def _edges(
        self, vector: jax.Array, data: dict[str, jax.Array], pairs: AllPairs | Neighbours
    ) -> Edges:
        """The edges with the points' vector (3, points) after the vectors that are data."""
        vectors = list(data["vectors"])
        own = _rows(pairs.receivers(vector))
        other = _rows(pairs.senders(vector))
        products = [
            _inner(vectors[0], own),
            _inner(vectors[0], other),
            _inner(own, other),
        ]
        weight = self.edge.weight
        moving = self._moving(len(data["past"]))
        still = np.delete(np.arange(weight.shape[1]), moving)
        edge = weight[:, np.concatenate([still, moving])]
        new = jnp.arcsinh(jnp.stack(products))
        invariant = jnp.concatenate([data["invariant"], new])
        vectors.append([b - a for a, b in zip(own, other, strict=True)])
        return Edges(edge, self.pair_weight.weight, invariant, vectors)

    def _messages(
        self, h: jax.Array, edges: Edges, data: dict[str, jax.Array], pairs: AllPairs | Neighbours
    ) -> jax.Array:
        """Messages (W, pairs), which fall to zero at a cutoff."""
        from_receiver = linear(self.receiver, h)
        own = pairs.receivers(from_receiver)
        from_sender = linear(self.sender, h)
        other = pairs.senders(from_sender)
        at_points = own + other
        at_edges = product(edges.edge, edges.invariant)
        hidden = silu(at_edges + at_points)
        m = silu(linear(self.message, hidden))
        if "factor" in data:
            return m * data["factor"]
        return m


class Network(Prepared):
    """Message passing on pairs; positions are in units of the points' extent.

    `layers` holds the weights of all layers along a first axis, so that one compiled layer is
    scanned.
    """

    embed: Linear
    layers: Layer
    extent: float
    identity: bool = eqx.field(static=True)
    max_radius: float = eqx.field(static=True)
    vertical: bool = eqx.field(static=True)
    # 1.5 times as fast on columns this long
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, for V past displacements and pairs P: (N - 1, N),
        or (E,) of neighbours.

        `vectors` (B, 1 + V, 3, P), relative position and displacements; `invariant` (B, 2 + 3 V,
        P); `factor` (B, P), falling to zero at a cutoff; `past` (B, V, 3, N); `point` (B, F, N),
        features; `senders`, `receivers`.
        """
        position = jnp.swapaxes(inputs["position"], 1, 2) / self.extent
        past = self._past(inputs["displacement"])
        listed = "senders" in inputs
        sender, receiver = _pair_index(inputs)
        relative = _at(position, receiver, listed) - _at(position, sender, listed)
        kept: dict[str, jax.Array] = {}
        if listed:
            shift = jnp.swapaxes(inputs["shift"], 1, 2)
            relative -= shift / self.extent
            bonded = inputs["bonded"]
            kept = {"senders": sender, "receivers": receiver}
        else:
            bonded = inputs["adjacency"][:, receiver, sender]
        own = _at(past, receiver, listed)
        other = _at(past, sender, listed)
        if self.max_radius:
            kept["factor"] = self._factor(relative)
        vectors = [relative[:, None], other - own]
        return kept | {
            "vectors": jnp.concatenate(vectors, axis=1),
            "invariant": _pair_invariants(relative[:, None], own, other, bonded[:, None]),
            "past": past,
            "point": self._point_features(past, scalars(inputs)),
        }

    def _past(self, displacement: jax.Array) -> jax.Array:
        """Displacements (B, V, 3, N), and the third axis as one more vector of each point."""
        past = jnp.swapaxes(displacement, 2, 3)
        if not self.vertical:
            return past
        batch, _, _, n_points = past.shape
        axes = jnp.eye(3, dtype=past.dtype)
        axis = axes[2][:, None]
        shape = (batch, 1, 3, n_points)
        of_points = jnp.broadcast_to(axis, shape)
        both = [past, of_points]
        return jnp.concatenate(both, axis=1)

    def _factor(self, relative: jax.Array) -> jax.Array:
        """A polynomial of the squared distance, smooth at distance 0, and zero with its first
        derivative at the cutoff."""
        unit = (self.extent / self.max_radius) ** 2
        squared = jnp.sum(relative**2, axis=1) * unit
        inside = jnp.maximum(1 - squared, 0)
        return inside**2

    def _point_features(self, past: jax.Array, shown: list[jax.Array]) -> jax.Array:
        """(B, F, N): invariants of the past (B, V, 3, N), the task's features (B, F, N), and the
        point's index."""
        batch, n_past, _, n_points = past.shape
        first, second = np.triu_indices(n_past)
        a = _axis_first(past[:, first])
        b = _axis_first(past[:, second])
        ones = jnp.ones_like(past, shape=(batch, 1, n_points))
        features = [_invariants(a, b), *shown, ones]
        if self.identity:
            index = jnp.eye(n_points, dtype=past.dtype)
            features.append(jnp.broadcast_to(index, (batch, n_points, n_points)))
        return jnp.concatenate(features, axis=1)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        _, vector = self.run(prepared)
        return vector

    def run(
        self, prepared: dict[str, jax.Array], every_layer: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Features (B, N, W) and vectors (B, N, 3) after the last layer, or after each of them,
        along a first axis."""
        n_points = prepared["point"].shape[2]
        pairs = _pairs(prepared, n_points)
        data = pairs.all_columns(prepared)
        most = NEIGHBOURS if self.max_radius else n_points
        count = max(1, min(n_points - 1, most))  # a single point has none
        weights, static = eqx.partition(self.layers, eqx.is_array)
        first_weights = jax.tree.map(lambda w: w[0], weights)
        rest_weights = jax.tree.map(lambda w: w[1:], weights)
        first = eqx.combine(first_weights, static)
        rest = eqx.combine(rest_weights, static)

        def exported(x: jax.Array) -> jax.Array:
            return jnp.moveaxis(pairs.samples(x), 1, 2)

        h = linear(self.embed, data["point"])
        state = first((h, None), data, pairs, count)
        if not every_layer:
            last = through(rest, state, data, pairs, count)
            return jax.tree.map(exported, last)
        _, states = through_each(rest, state, data, pairs, count)
        whole = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), state, states)
        return jax.tree.map(jax.vmap(exported), whole)


def _pairs(prepared: dict[str, jax.Array], n_points: int) -> AllPairs | Neighbours:
    """Lists of neighbours if there are any, else all pairs."""
    if "senders" in prepared:
        return Neighbours(prepared["senders"], prepared["receivers"], n_points)
    return AllPairs()


def _pair_index(inputs: dict[str, jax.Array]) -> tuple:
    """Senders and receivers of each sample, or of all pairs."""
    if "senders" in inputs:
        return inputs["senders"], inputs["receivers"]
    n_points = inputs["position"].shape[1]
    return AllPairs.index(n_points)


def _at(x: jax.Array, index: jax.Array | np.ndarray, listed: bool) -> jax.Array:
    """Values (B, ..., N) at the index of all pairs, or if `listed` at each sample's (B, E)."""
    if not listed:
        return x[..., index]

    def taken(sample: jax.Array, places: jax.Array | np.ndarray) -> jax.Array:
        return jnp.take(sample, places, axis=-1, mode="clip")

    return jax.vmap(taken)(x, index)


def _axis_first(x: jax.Array) -> jax.Array:
    """Vectors (B, V, 3, ...) as (3, B, V, ...)."""
    return jnp.moveaxis(x, 2, 0)


def _pair_invariants(
    relative: jax.Array, own: jax.Array, other: jax.Array, bonded: jax.Array
) -> jax.Array:
    """(B, 2 + 3 V, P) from relative positions (B, 1, 3, P), displacements (B, V, 3, P), bonds."""
    r = _axis_first(relative)
    own = _axis_first(own)
    other = _axis_first(other)
    squared = _invariants(r, r)
    return jnp.concatenate(
        [
            squared,
            bonded.astype(squared.dtype),
            _invariants(r, own),
            _invariants(r, other),
            _invariants(own, other),
        ],
        axis=1,
    )


def _invariants(a: jax.Array, b: jax.Array) -> jax.Array:
    """The inverse hyperbolic sine of inner products of vectors (3, ...).

    It grows like a logarithm: a rollout meets long vectors, whose inner products would grow with
    the square of the lengths that they determine.
    """
    inner = _inner(a, b)
    return jnp.arcsinh(inner)


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and the features after each layer by degree: 0, (B, N, W, 1); 1,
    vectors (B, N, 1, 3)."""
    prepared = network.prepare(inputs)
    features, vectors = network.run(prepared, every_layer=True)
    by_layer = []
    for h, vector in zip(features, vectors, strict=True):
        by_degree = {0: h[..., None], 1: vector[:, :, None]}
        by_layer.append(by_degree)
    return vectors[-1], numbered(by_layer)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    embed_key, layer_key = jax.random.split(key)
    n_past = shape.n_displacements + h.vertical
    n_products = n_past * (n_past + 1) // 2
    n_features = n_products + shape.n_scalars + 1 + h.identity * shape.n_points
    layer = partial(Layer, h.width, n_past + 1)
    layers = stacked(layer, h.layers, layer_key)
    embed = Linear(n_features, h.width, key=embed_key)
    return Network(
        embed=embed,
        layers=layers,
        extent=shape.statistics.extent,
        identity=h.identity,
        max_radius=h.max_radius,
        vertical=h.vertical,
    )
