"""SEGNN: steerable E(3) equivariant message passing (Brandstetter et al., ICLR 2022, eqs. 8 to 13).

Messages and updates are steerable perceptrons: gates between linear maps that are Clebsch-Gordan
products with attributes. The attributes of a pair are the spherical harmonics of its relative
position; the attributes of a point are their mean over its pairs plus the harmonics of its
velocity, which is its newest displacement. Published figure: a mean squared error of 4.3e-3 on five
charged bodies, at degree 1 (EGNN: 7.1e-3).

Displacements enter as features of degree 1; the features that the task shows, and the inner
products of displacements, enter as scalars; distance and bond enter the messages. A point keeps its
position from layer to layer, so attributes and distances are data: `prepare` computes them once.
`apply` works on columns, over all pairs of two points.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._geometry import harmonics, of_points, polar
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared
from equitraj.models._stacked import numbered, stacked, through_each
from equitraj.models._steerable import (
    Attributes,
    Features,
    Steerable,
    Widths,
    couplings,
    gate,
    gated,
)

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, channels of each degree; lmax, highest degree of features and attributes;
    layers, number of message passings."""

    width: Annotated[int, Range(1, 4096)] = 16
    lmax: Annotated[int, Range(1, 6)] = 1
    layers: Annotated[int, Range(1, 64)] = 2


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Layer(eqx.Module):
    """One message passing (eqs. 10 to 13), which changes the points' features."""

    receiver: Steerable
    sender: Steerable
    edge: Steerable
    message: Steerable
    update: tuple[Steerable, Steerable]

    def __init__(self, widths: Widths, lmax: int, key: jax.Array) -> None:
        keys = iter(jax.random.split(key, 6))
        out = gated(widths)
        from_points = partial(Steerable, widths, lmax, out)
        self.receiver = from_points(next(keys))
        self.sender = from_points(next(keys), bias=False)
        self.edge = Steerable({0: 2}, lmax, out, next(keys), bias=False)
        self.message = from_points(next(keys))
        double = {degree: 2 * width for degree, width in widths.items()}
        hidden = Steerable(double, lmax, out, next(keys))
        last = Steerable(widths, lmax, widths, next(keys))
        self.update = (hidden, last)

    def __call__(
        self, x: Features, data: dict, widths: Widths, pairs: AllPairs, count: int
    ) -> Features:
        """New features (C, 2 l + 1, N, B) from `x` and `data`, the columns of `Network.prepare`."""
        received = self._messages(x, data, widths, pairs)
        both = {}
        for degree, message in received.items():
            mean = pairs.sum(message) / count
            both[degree] = jnp.concatenate([x[degree], mean])
        hidden, last = self.update
        new = perceptron(hidden, last, both, data["point "], widths)
        return {degree: x[degree] + value for degree, value in new.items()}

    def _messages(self, x: Features, data: dict, widths: Widths, pairs: AllPairs) -> Features:
        """Messages (C, 2 l + 1, N - 1, N, B) of the pairs."""
        attributes = data["pair "]
        own = self.receiver.mixed(x)
        other = self.sender.mixed(x)
        edge = self.edge.mixed({0: data["edge"][:, None]})
        mixed = {}
        for path in own:
            at_points = pairs.receivers(own[path]) + pairs.senders(other[path])
            mixed[path] = at_points + edge.get(path, 0)
        hidden = gate(self.receiver.paired(mixed, attributes), widths)
        return gate(self.message(hidden, attributes), widths)


def perceptron(
    hidden: Steerable, last: Steerable, x: Features, attributes: Attributes, widths: Widths
) -> Features:
    """Two steerable maps with a gate between them."""
    inner = hidden(x, attributes)
    activated = gate(inner, widths)
    return last(activated, attributes)


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis, so
    that one compiled layer is scanned."""

    embed: Steerable
    layers: Layer
    head: tuple[Steerable, Steerable]
    extent: float
    hyperparameters: Hyperparameters = eqx.field(static=True)
    # faster on columns this long
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, from `equitraj.data.features.network_inputs`.

        `pair ...` (B, 2 l1 + 1, 2 l3 + 1, N - 1, N) and `point ...` (the same, N), attributes by
        path; `edge` (B, 2, N - 1, N), distance and bond; `scalar` (B, F, N) and `vector` (B, V, 3,
        N), features of the points.
        """
        position = inputs["position"]
        past = inputs["displacement"]
        lmax = self.hyperparameters.lmax
        sender, receiver = AllPairs.index(position.shape[1])
        vector = (position[:, sender] - position[:, receiver]) / self.extent
        pair = _harmonics(vector, lmax)
        point = [y.sum(2) / max(1, y.shape[2]) for y in pair]
        if past.shape[1]:
            velocity = _harmonics(past[:, -1], lmax)
            point = [a + b for a, b in zip(point, velocity, strict=True)]
        squared = jnp.sum(vector**2, -1)
        bonded = inputs["adjacency"][:, receiver, sender].astype(squared.dtype)
        prepared = {}
        for kind, harmonic in (("pair", pair), ("point", point)):
            for path, matrix in couplings(harmonic, lmax).items():
                prepared[f"{kind} {path}"] = matrix
        prepared["edge"] = jnp.stack([jnp.arcsinh(squared), bonded], 1)
        return prepared | of_points(inputs)

    def features(self, prepared: dict[str, jax.Array]) -> tuple[jax.Array, Features]:
        """The output (3, N, B), and the features after each layer, by degree (layers, C, 2 l + 1,
        N, B)."""
        pairs = AllPairs()
        widths = _widths(self.hyperparameters)
        columns = pairs.all_columns(prepared)
        data = _by_kind(columns)
        scalar = columns["scalar"]
        vector = columns["vector"]
        x = {0: scalar[:, None]}
        if len(vector):
            x[1] = vector
        n_others = scalar.shape[1] - 1
        count = max(1, n_others)  # a single point has no other
        attributes = data["point "]
        start = self.embed(x, attributes)
        x, by_layer = through_each(self.layers, start, data, widths, pairs, count)
        hidden, last = self.head
        out = perceptron(hidden, last, x, attributes, widths)
        vectors = out[1]
        return vectors[0], by_layer

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        out, _ = self.features(prepared)
        return out.T


def _harmonics(vector: jax.Array, lmax: int) -> list[jax.Array]:
    """Harmonics of the directions of vectors (B, ..., 3), by degree."""
    _, unit = polar(vector)
    return harmonics(unit, lmax)


def _by_kind(columns: dict[str, jax.Array]) -> dict:
    """The attributes of pairs and of points, each by path, and the columns of the edges."""
    data: dict = {"pair ": {}, "point ": {}, "edge": columns["edge"]}
    for kind in ("pair ", "point "):
        for name, value in columns.items():
            if name.startswith(kind):
                path = name.split()[1]
                data[kind][path] = value
    return data


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and the features (B, N, C, 2 l + 1) after each layer, by degree in
    e3nn's basis."""
    prepared = network.prepare(inputs)
    _, features = network.features(prepared)
    by_point = {}
    for degree, x in features.items():
        by_point[degree] = jnp.moveaxis(x, (4, 3), (1, 2))
    by_layer = []
    for i in range(network.hyperparameters.layers):
        of_layer = {degree: x[i] for degree, x in by_point.items()}
        by_layer.append(of_layer)
    return network.apply(prepared), numbered(by_layer)


def _widths(h: Hyperparameters) -> Widths:
    """The channels of each degree."""
    degrees = range(h.lmax + 1)
    return dict.fromkeys(degrees, h.width)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    n_past = shape.n_displacements
    widths = _widths(h)
    embed_key, layer_key, hidden_key, last_key = jax.random.split(key, 4)
    n_products = n_past * (n_past + 1) // 2
    inputs = {0: 1 + shape.n_scalars + n_products}
    if n_past:
        inputs[1] = n_past
    layer = partial(Layer, widths, h.lmax)
    layers = stacked(layer, h.layers, layer_key)
    hidden = Steerable(widths, h.lmax, gated(widths), hidden_key)
    last = Steerable(widths, h.lmax, {1: 1}, last_key, bias=False)
    # the first prediction is small compared with the extrapolation that it is added to
    last = jax.tree.map(lambda w: 0.1 * w, last)
    embed = Steerable(inputs, h.lmax, widths, embed_key)
    return Network(
        embed=embed,
        layers=layers,
        head=(hidden, last),
        extent=shape.statistics.extent,
        hyperparameters=h,
    )
