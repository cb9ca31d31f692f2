"""NequIP: interaction blocks of equivariant convolutions (Batzner et al., Nature Communications 13,
2453 (2022)).

A block (the paper's fig. 1c) is a linear self-interaction, the convolution of eq. 8 (senders'
features times spherical harmonics, weighted by a radial network of the distance), another
self-interaction, a self-connection that depends on the attributes of the point, a gate, and the
ResNet update of eq. 4. The inputs of the radial network are Bessel functions times a polynomial
envelope (Gasteiger et al., ICLR 2020, eqs. 7 and 8).

Here displacements enter as features of degree 1; the features that the task shows, and the inner
products of displacements, enter as scalars; bonds enter as one more radial function. The output is
a vector of each point, a linear map of its features of degree 1, in place of an energy. The
frequencies of the Bessel functions are fixed, while the published code trains them; so the
functions are data, and are computed once with the harmonics (`prepare`). Published figure: a mean
absolute error of 8.2 meV/A for forces of aspirin (revised MD17, 1,000 structures, l = 3).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models import _radial
from equitraj.models._block import Block, undirected
from equitraj.models._columns import product, silu
from equitraj.models._convolution import Convolution, Gate, blocks, gate
from equitraj.models._convolution import linear as linear_map
from equitraj.models._gated import (
    activated,
    by_point,
    linear,
    messages,
    pairs_of,
)
from equitraj.models._geometry import named_harmonics, of_points, pair_vectors, polar
from equitraj.models._irreps import Irreps
from equitraj.models._pairs import Neighbours
from equitraj.models._prepared import Prepared
from equitraj.models._stacked import numbered

FRAMEWORK = "jax"
ALL_PAIRS = "max_radius"
GPU = True  # its training profits from one
BLOCK = 32  # points up to which all pairs are a block, whatever the cutoff
VECTOR: Irreps = ((1, 1, -1),)


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, channels of each degree; lmax, highest degree of features and harmonics;
    layers, number of interaction blocks; parity, whether each degree has features of both
    parities, not of (-1)^l alone; number_of_basis Bessel functions; radial_neurons in the
    hidden layer of a radial network; max_radius, cutoff in the data's units (0 for all pairs, with
    a cutoff of 3.5 times the points' extent)."""

    width: Annotated[int, Range(1, 4096)] = 16
    lmax: Annotated[int, Range(1, 4)] = 2
    layers: Annotated[int, Range(1, 64)] = 3
    parity: bool = False
    number_of_basis: Annotated[int, Range(1, 1024)] = 8
    radial_neurons: Annotated[int, Range(1, 16_384)] = 32
    max_radius: Annotated[float, Range(0)] = 0.0


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units, for so many points that neighbour lists save time; None for
    all pairs."""
    if shape.n_points <= BLOCK:
        return None
    return hyperparameters.max_radius or None


class Interaction(eqx.Module):
    """An interaction block, which changes features by degree (C, 2 l + 1, points).

    Attributes: radial, two matrices without bias, so that messages vanish where the envelope is
    zero; inner and outer, weights of the self-interactions; own (A, weights) of the
    self-connection, for A attributes of a point.
    """

    radial: tuple[jax.Array, jax.Array]
    inner: jax.Array
    outer: jax.Array
    own: jax.Array
    convolution: Convolution = eqx.field(static=True)
    gate: Gate = eqx.field(static=True)

    def __call__(
        self,
        x: dict[int, jax.Array],
        basis: jax.Array,
        harmonic: list,
        attributes: jax.Array,
        pairs: Block | Neighbours,
        count: float,
    ) -> dict[int, jax.Array]:
        """New features from `x`, radial functions (functions, pairs), harmonics and attributes
        (A, points)."""
        convolution = self.convolution
        weight = self._radial_weights(basis)
        own = convolution.own.matrices
        sent = linear(convolution.inner.matrices, self.inner, x)
        received = messages(convolution, weight, sent, harmonic, pairs)
        outer = self.outer / count**0.5
        new = linear(convolution.outer.matrices, outer, received)
        for attribute, own_weight in zip(attributes, self.own, strict=True):
            for degree, value in linear(own, own_weight, x).items():
                new[degree] = new.get(degree, 0) + attribute * value
        new = activated(self.gate, new)
        if convolution.irreps_in != self.gate.irreps_out:
            return new
        return {degree: x[degree] + value for degree, value in new.items()}

    def _radial_weights(self, basis: jax.Array) -> jax.Array:
        """The radial network's outputs in the order of the convolution's groups."""
        first, second = self.radial
        order = self.convolution.order
        last = second[order]
        hidden = silu(product(first, basis))
        return product(last, hidden)


class Network(Prepared):
    """Attributes: embed, matrices by degree from the inputs of a point to its features; layers;
    output, weights of the last features of degree 1; radius, the cutoff; extent, the unit of
    length."""

    embed: dict[str, jax.Array]
    layers: tuple[Interaction, ...]
    output: jax.Array
    radius: float
    extent: float
    hyperparameters: Hyperparameters = eqx.field(static=True)
    # faster on columns this long
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, from `equitraj.data.features.network_inputs`.

        `harmonic1`... (B, 2 l + 1, pairs); `basis` (B, functions, pairs); `scalar` (B, F, N) and
        `vector` (B, V, 3, N).
        """
        h = self.hyperparameters
        listed = "senders" in inputs
        length, unit = polar(pair_vectors(inputs))
        distance = length / self.extent
        scaled_radius = self.radius / self.extent
        radius = jnp.asarray(scaled_radius, distance.dtype)
        prepared = named_harmonics(unit, h.lmax)
        inside = _radial.envelope(distance / radius)
        envelope = jnp.where(distance > 0, inside, 0)
        if listed:
            bonded = inputs["bonded"].astype(distance.dtype)
            prepared["senders"] = inputs["senders"]
            prepared["receivers"] = inputs["receivers"]
        else:
            adjacency = inputs["adjacency"].astype(distance.dtype)
            distance = undirected(distance)
            envelope = undirected(envelope)
            bonded = undirected(adjacency)
        functions = _radial.bessel(distance, radius, h.number_of_basis)
        basis = jnp.concatenate([functions, bonded[None]]) * envelope
        prepared["basis"] = jnp.moveaxis(basis, 0, 1)
        return prepared | of_points(inputs)

    def features(
        self, prepared: dict[str, jax.Array]
    ) -> tuple[list[dict[int, jax.Array]], Block | Neighbours]:
        """The features after each block, (C, 2 l + 1, points) by degree, and the pairs, which map
        between these columns and samples."""
        n_points = prepared["scalar"].shape[2]
        pairs = pairs_of(prepared, n_points)
        columns = pairs.all_columns(prepared)
        scalar = columns["scalar"]
        inputs = {
            "0": scalar[:, None],
            "1": columns["vector"],
        }
        x = {}
        for degree, weight in self.embed.items():
            x[int(degree)] = product(weight, inputs[degree])
        degrees = range(1, self.hyperparameters.lmax + 1)
        named = [columns[f"harmonic{degree}"] for degree in degrees]
        harmonic = [None, *named]
        n_attributes = len(self.layers[0].own)
        attributes = scalar[:n_attributes]
        count = max(1, n_points - 1)
        by_layer = []
        for layer in self.layers:
            x = layer(x, columns["basis"], harmonic, attributes, pairs, count)
            by_layer.append(x)
        return by_layer, pairs

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        by_layer, pairs = self.features(prepared)
        irreps = self.layers[-1].gate.irreps_out
        last = linear_map(blocks(irreps), blocks(VECTOR))
        out = linear(last.matrices, self.output, by_layer[-1])
        vector = out[1][0]
        return pairs.samples(vector).swapaxes(1, 2)


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and the features (B, N, C, 2 l + 1) after each block, by degree in
    e3nn's basis."""
    prepared = network.prepare(inputs)
    by_layer, pairs = network.features(prepared)
    features = [by_point(x, pairs) for x in by_layer]
    return network.apply(prepared), numbered(features)


def hidden(h: Hyperparameters) -> Irreps:
    """The irreps of the features."""
    irreps = []
    for degree in range(h.lmax + 1):
        parity = (-1) ** degree
        irreps.append((h.width, degree, parity))
        if h.parity:
            irreps.append((h.width, degree, -parity))
    return tuple(irreps)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    keys = iter(jax.random.split(key, 5 * h.layers + 3))

    def normal(*size: int) -> jax.Array:
        return jax.random.normal(next(keys), size)

    n_past = shape.n_displacements
    n_attributes = 1 + shape.n_scalars
    n_scalars = n_attributes + n_past * (n_past + 1) // 2
    n_functions = h.number_of_basis + 1
    embed = {"0": normal(h.width, n_scalars) / n_scalars**0.5}
    irreps: Irreps = ((h.width, 0, 1),)
    if n_past:
        embed["1"] = normal(h.width, n_past) / n_past**0.5
        irreps += ((h.width, 1, -1),)
    layers = []
    for _ in range(h.layers):
        gates = gate(irreps, hidden(h), h.lmax)
        convolution = Convolution(irreps, h.lmax, gates.irreps_in)
        first = normal(h.radial_neurons, n_functions) / n_functions**0.5
        second = normal(convolution.n_radial, h.radial_neurons) / h.radial_neurons**0.5
        inner = normal(convolution.inner.n_weights)
        outer = normal(convolution.outer.n_weights)
        own = normal(n_attributes, convolution.own.n_weights) / n_attributes**0.5
        layer = Interaction(
            radial=(first, second),
            inner=inner,
            outer=outer,
            own=own,
            convolution=convolution,
            gate=gates,
        )
        layers.append(layer)
        irreps = gates.irreps_out
    # the first prediction is small compared with the extrapolation that it is added to
    last = linear_map(blocks(irreps), blocks(VECTOR))
    output = 0.1 * normal(last.n_weights)
    extent = shape.statistics.extent
    radius = h.max_radius or 3.5 * extent
    return Network(
        embed=embed,
        layers=tuple(layers),
        output=output,
        radius=radius,
        extent=extent,
        hyperparameters=h,
    )
