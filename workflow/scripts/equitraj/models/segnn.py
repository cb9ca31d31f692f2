"""SEGNN: steerable E(3) equivariant message passing (Brandstetter et al., ICLR 2022, eqs. 8 to 13).

Messages and updates are steerable perceptrons: linear maps that are Clebsch-Gordan products with
attributes, and gates. The attributes of a pair are the spherical harmonics of its relative
position; those of a point are the mean of these over its pairs plus the harmonics of its velocity,
which is its newest displacement. Published figure: a mean squared error of 4.3e-3 on five charged
bodies, at degree 1 (EGNN: 7.1e-3).

Displacements enter as features of degree 1, what the task shows of a point and the inner products
of its displacements as scalars; distance and bond feed the messages. A point keeps its place from
layer to layer, so attributes and distances are data: `prepare` computes them once. `apply` works on
columns, over all pairs of two points.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._geometry import harmonics, of_points, polar
from equitraj.models._pairs import AllPairs
from equitraj.models._prepared import Prepared
from equitraj.models._steerable import Features, Steerable, Widths, couplings, gate, gated

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
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Layer(eqx.Module):
    """One message passing: points' features to new ones (eqs. 10 to 13)."""

    receiver: Steerable
    sender: Steerable
    edge: Steerable
    message: Steerable
    update: tuple[Steerable, Steerable]

    def __init__(self, widths: Widths, lmax: int, key: jax.Array) -> None:
        keys, double = (
            jax.random.split(key, 6),
            {degree: 2 * width for degree, width in widths.items()},
        )
        self.receiver = Steerable(widths, lmax, gated(widths), keys[0])
        self.sender = Steerable(widths, lmax, gated(widths), keys[1], bias=False)
        self.edge = Steerable({0: 2}, lmax, gated(widths), keys[2], bias=False)
        self.message = Steerable(widths, lmax, gated(widths), keys[3])
        self.update = (
            Steerable(double, lmax, gated(widths), keys[4]),
            Steerable(widths, lmax, widths, keys[5]),
        )

    def __call__(
        self, x: Features, data: dict, widths: Widths, pairs: AllPairs, count: int
    ) -> Features:
        """Features (C, 2 l + 1, N, B) to new ones; `data` are the columns of `Network.prepare`."""
        own, other, edge = (
            self.receiver.mixed(x),
            self.sender.mixed(x),
            self.edge.mixed({0: data["edge"][:, None]}),
        )
        first = {
            path: pairs.receivers(own[path]) + pairs.senders(other[path]) + edge.get(path, 0)
            for path in own
        }
        message = gate(self.receiver.paired(first, data["pair "]), widths)
        message = gate(self.message(message, data["pair "]), widths)
        both = {
            degree: jnp.concatenate([x[degree], pairs.sum(m) / count])
            for degree, m in message.items()
        }
        new = self.update[1](gate(self.update[0](both, data["point "]), widths), data["point "])
        return {degree: x[degree] + value for degree, value in new.items()}


class Network(Prepared):
    """Message passing on all pairs; `layers` holds the weights of all layers along a first axis, so
    that one compiled layer is scanned."""

    embed: Steerable
    layers: Layer
    head: tuple[Steerable, Steerable]
    extent: float
    hyperparameters: Hyperparameters = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # faster on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, from the arrays of
        `equitraj.data.features.network_inputs`.

        `pair ...` (B, 2 l1 + 1, 2 l3 + 1, N - 1, N) and `point ...` (the same, N), attributes by
        path; `edge` (B, 2, N - 1, N), distance and bond; `scalar` (B, F, N) and `vector` (B, V, 3,
        N), features of the points.
        """
        position, past, lmax = inputs["position"], inputs["displacement"], self.hyperparameters.lmax
        sender, receiver = AllPairs.index(position.shape[1])
        vector = (position[:, sender] - position[:, receiver]) / self.extent
        pair = harmonics(polar(vector)[1], lmax)
        point = [y.sum(2) / max(1, y.shape[2]) for y in pair]
        if past.shape[1]:
            point = [
                a + b for a, b in zip(point, harmonics(polar(past[:, -1])[1], lmax), strict=True)
            ]
        squared = jnp.sum(vector**2, -1)
        bonded = inputs["adjacency"][:, receiver, sender].astype(squared.dtype)
        attributes = {
            f"{kind} {path}": matrix
            for kind, harmonic in (("pair", pair), ("point", point))
            for path, matrix in couplings(harmonic, lmax).items()
        }
        return (
            attributes | {"edge": jnp.stack([jnp.arcsinh(squared), bonded], 1)} | of_points(inputs)
        )

    def features(self, prepared: dict[str, jax.Array]) -> tuple[jax.Array, Features]:
        """The output (3, N, B), and what each layer hands on, by degree (layers, C, 2 l + 1, N, B)."""
        pairs, h = AllPairs(), self.hyperparameters
        p = {name: pairs.columns(value) for name, value in prepared.items()}
        data = {
            kind: {k.split()[1]: v for k, v in p.items() if k.startswith(kind)}
            for kind in ("pair ", "point ")
        }
        data["edge"] = p["edge"]
        x = {0: p["scalar"][:, None]} | ({1: p["vector"]} if p["vector"].shape[0] else {})
        weights, static = eqx.partition(self.layers, eqx.is_array)
        widths, count = _widths(h), max(1, p["scalar"].shape[1] - 1)  # a single point has no other

        def step(x: Features, layer: Layer) -> tuple:
            x = eqx.combine(layer, static)(x, data, widths, pairs, count)
            return x, x

        x, found = jax.lax.scan(step, self.embed(x, data["point "]), weights)
        return self.head[1](gate(self.head[0](x, data["point "]), widths), data["point "])[1][
            0
        ], found

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from what `prepare` returned."""
        return jnp.moveaxis(self.features(prepared)[0], (0, 1, 2), (2, 1, 0))


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and what each layer hands on by degree, (B, N, C, 2 l + 1) in e3nn's
    basis."""
    prepared = network.prepare(inputs)
    by_point = {
        d: jnp.moveaxis(v, (4, 3), (1, 2)) for d, v in network.features(prepared)[1].items()
    }
    names = range(network.hyperparameters.layers)
    return network.apply(prepared), {
        f"layer {i + 1}": {d: v[i] for d, v in by_point.items()} for i in names
    }


def _widths(h: Hyperparameters) -> Widths:
    return dict.fromkeys(range(h.lmax + 1), h.width)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h, n_past, widths = hyperparameters, shape.n_displacements, _widths(hyperparameters)
    keys = jax.random.split(key, 4)
    given = {0: 1 + shape.n_scalars + n_past * (n_past + 1) // 2} | ({1: n_past} if n_past else {})
    layers = eqx.filter_vmap(lambda k: Layer(widths, h.lmax, k))(
        jax.random.split(keys[1], h.layers)
    )
    last = Steerable(widths, h.lmax, {1: 1}, keys[3], bias=False)
    # the first prediction is small beside the extrapolation that it is added to
    head = Steerable(widths, h.lmax, gated(widths), keys[2]), jax.tree.map(lambda w: 0.1 * w, last)
    return Network(
        Steerable(given, h.lmax, widths, keys[0]), layers, head, shape.statistics.extent, h
    )
