"""The gated equivariant convolutions of `e3nn_network` (e3nn.nn.models.gate_points_2101; Geiger and
Smidt, arXiv:2207.09453), the same function of the same weights, built to train fast.

Three things make it fast. Functions of the positions alone are computed once (`prepare`). Radial
networks are functions of one number: in training each is evaluated at Chebyshev nodes, and the
weights of all pairs are one matrix product of its coefficients with Chebyshev polynomials of their
distances; predictions evaluate it directly. Pairs are dense, or a list of neighbours, with the
batch as the last axis, so that every operation is a long contiguous loop.
"""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Pattern, Range
from equitraj.data.features import Shape
from equitraj.models import _radial
from equitraj.models._block import Block, undirected
from equitraj.models._convolution import Layer, static_layers, weight_shapes
from equitraj.models._gated import (
    SILU,
    activated,
    by_point,
    linear,
    messages,
    pairs_of,
)
from equitraj.models._geometry import named_harmonics, pair_vectors, polar
from equitraj.models._irreps import parse
from equitraj.models._pairs import Neighbours
from equitraj.models._stacked import numbered

FRAMEWORK = "jax"
GPU = True  # its training profits from one
ALL_PAIRS = "max_radius"
NAME = re.compile(r"weights\['(.+)'\]")  # of an array of the network
BLOCK = 32  # points up to which all pairs are a block, whatever the cutoff


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: irreps_hidden, features of the hidden layers, of degrees up to 2; lmax of the
    spherical harmonics of an edge; layers, number of gated convolutions; max_radius, cutoff in the
    data's units (0 for 3.5 times the points' extent); number_of_basis radial functions;
    radial_layers and radial_neurons of the radial networks; nodes, number of distances at which
    these are evaluated in training (0 for all distances); num_neighbors, whose root divides sums
    over neighbours (0 for the number of other points)."""

    irreps_hidden: Annotated[
        str,
        Pattern(
            r"(\s*([1-9]\d{0,3}x)?[0-2][eoy]\s*(\+(?!\s*$)|$))+",
            "irreps of degrees up to 2 (higher: e3nn_network)",
        ),
    ] = "5x0e + 5x0o + 5x1e + 5x1o"
    lmax: Annotated[int, Range(1, 11)] = 3
    layers: Annotated[int, Range(1, 64)] = 3
    max_radius: Annotated[float, Range(0)] = 0.0
    number_of_basis: Annotated[int, Range(1, 1024)] = 10
    radial_layers: Annotated[int, Range(0, 64)] = 1
    radial_neurons: Annotated[int, Range(1, 16_384)] = 128
    nodes: Annotated[int, Range(0, 1024)] = 64
    num_neighbors: Annotated[float, Range(0)] = 0.0


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units, for so many points that neighbour lists save time; None for
    all pairs."""
    if shape.n_points <= BLOCK:
        return None
    return hyperparameters.max_radius or None


class Network(eqx.Module):
    """Attributes: weights, by e3nn's names; radius, the cutoff; the rest is static."""

    weights: dict[str, jax.Array]
    radius: float
    layers: tuple[Layer, ...] = eqx.field(static=True)
    hyperparameters: Hyperparameters = eqx.field(static=True)
    num_neighbors: float = eqx.field(static=True)
    # a tenth faster; compilation takes a third longer
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def prepare(self, inputs: dict[str, jax.Array], direct: bool = False) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, from `equitraj.data.features.network_inputs`.

        `harmonic1`... (B, 2 l + 1, pairs) and `radial` (B, nodes, pairs), polynomials times the
        cutoff; with `direct` (or without nodes) `basis` (B, functions, pairs) and `cutoff` (B,
        pairs) in place of `radial`.
        """
        length, unit = polar(pair_vectors(inputs))
        distance = jnp.where(length > 0, length, 1)  # polynomials have no derivative at 0
        falling = _radial.cutoff(distance, self._radius(distance))
        share = jnp.where(length > 0, falling, 0) / self.num_neighbors**0.5
        if "senders" not in inputs:
            distance = undirected(distance)
            share = undirected(share)
        kept = ("scalar", "displacement", "senders", "receivers")
        features = {name: inputs[name] for name in kept if name in inputs}
        return features | self._harmonics(unit) | self._distances(distance, share, direct)

    def _radius(self, like: jax.Array) -> jax.Array:
        """The cutoff in the precision of an array."""
        return jnp.asarray(self.radius, like.dtype)

    def _harmonics(self, unit: jax.Array) -> dict[str, jax.Array]:
        """Harmonics of unit vectors, from degree 1 to the highest that a layer uses."""
        used = [l2 for layer in self.layers for _, l2, _ in layer.convolution.groups]
        return named_harmonics(unit, max(used))

    def _distances(
        self, distance: jax.Array, share: jax.Array, direct: bool
    ) -> dict[str, jax.Array]:
        """Functions of the distances, as in `prepare`."""
        h = self.hyperparameters
        radius = self._radius(distance)
        if direct or not h.nodes:
            basis = _radial.gaussians(distance, radius, h.number_of_basis)
            return {
                "basis": jnp.moveaxis(basis, 0, 1),
                "cutoff": share,
            }
        polynomials = _radial.polynomials(distance, radius, h.nodes)
        radial = polynomials * share
        return {"radial": jnp.moveaxis(radial, 0, 1)}

    def radial_network(self, name: str, x: jax.Array) -> jax.Array:
        """The outputs (outputs, ...) of a layer's radial network, from its basis functions
        (functions, ...)."""
        for i in range(self.hyperparameters.radial_layers + 1):
            key = f"{name}.fc.layer{i}.weight"
            weight = self.weights[key]
            n_inputs = weight.shape[0]
            scaled = weight.T / n_inputs**0.5
            if i > 0:
                through_silu = jax.nn.silu(x)
                x = SILU * through_silu
            x = jnp.tensordot(scaled, x, 1)
        return x

    def coefficients(self, name: str, dtype: jnp.dtype) -> jax.Array:
        """The coefficients (outputs, nodes) that interpolate a layer's radial network."""
        h = self.hyperparameters
        nodes, to_coefficients = _radial.nodes(h.nodes)
        distance = jnp.asarray(nodes, dtype)
        matrix = jnp.asarray(to_coefficients, dtype)
        basis = _radial.gaussians(distance, jnp.ones((), dtype), h.number_of_basis)
        return self.radial_network(name, basis) @ matrix

    def _weights_of_pairs(self, layer: Layer, columns: dict[str, jax.Array]) -> jax.Array:
        """The radial network's outputs for all pairs, in the order of the convolution's groups."""
        order = layer.convolution.order
        if "basis" in columns:
            basis = columns["basis"]
            outputs = self.radial_network(layer.name, basis)
            cutoff = columns["cutoff"]
            return outputs[order] * cutoff
        radial = columns["radial"]
        coefficients = self.coefficients(layer.name, radial.dtype)
        ordered = coefficients[order]
        return jnp.tensordot(ordered, radial, 1)

    def outputs(
        self, prepared: dict[str, jax.Array]
    ) -> tuple[list[dict[int, jax.Array]], Block | Neighbours]:
        """The features after each layer, (C, 2 l + 1, points) by degree, and the pairs, which map
        between these columns and samples."""
        displacement = prepared["displacement"]
        n_points = displacement.shape[2]
        pairs = pairs_of(prepared, n_points)
        columns = pairs.all_columns(prepared)
        x = _features_of_points(prepared, pairs)
        names = sorted(name for name in columns if name.startswith("harmonic"))
        named = [columns[name] for name in names]
        harmonic = [None, *named]
        by_layer = []
        for layer in self.layers:
            weight = self._weights_of_pairs(layer, columns)
            x = self._convolved(layer, x, weight, harmonic, pairs)
            by_layer.append(x)
        return by_layer, pairs

    def _convolved(
        self,
        layer: Layer,
        x: dict[int, jax.Array],
        weight: jax.Array,
        harmonic: list,
        pairs: Block | Neighbours,
    ) -> dict[int, jax.Array]:
        """The features after a layer; `weight` has the radial network's outputs for all pairs."""
        weights = [self.weights.get(f"{layer.name}.{key}.weight") for key in ("sc", "lin1", "lin2")]
        own_weight, inner_weight, outer_weight = weights
        convolution = layer.convolution
        sent = linear(convolution.inner.matrices, inner_weight, x)
        received = messages(convolution, weight, sent, harmonic, pairs)
        outer = linear(convolution.outer.matrices, outer_weight, received)
        own = linear(convolution.own.matrices, own_weight, x)
        degrees = sorted({*outer, *own})
        total: dict[int, jax.Array] = {}
        for degree in degrees:
            # each degree is in one of them at least
            total[degree] = cast(jax.Array, outer.get(degree, 0) + own.get(degree, 0))
        if layer.gate is None:
            return total
        return activated(layer.gate, total)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        by_layer, pairs = self.outputs(prepared)
        vector = by_layer[-1][1][0]
        return pairs.samples(vector).swapaxes(1, 2)

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`; radial networks
        are evaluated directly."""
        prepared = self.prepare(inputs, direct=True)
        return self.apply(prepared)

    def diagnostics(self) -> dict[str, jax.Array]:
        """The largest error of an interpolated radial network, relative to its largest value, in
        float64."""
        h = self.hyperparameters
        weights = {name: weight.astype("float64") for name, weight in self.weights.items()}
        double = eqx.tree_at(lambda n: n.weights, self, weights)
        errors = [jnp.zeros(())]
        if h.nodes:
            errors += [double.interpolation_error(layer.name) for layer in self.layers]
        return {"radial_interpolation_error": jnp.stack(errors).max()}

    def interpolation_error(self, name: str) -> jax.Array:
        """The largest error of the interpolant of a layer's radial network, relative to the
        network's largest value."""
        h = self.hyperparameters
        distance = jnp.linspace(0, 1, 2048)
        one = jnp.ones(())
        basis = _radial.gaussians(distance, one, h.number_of_basis)
        exact = self.radial_network(name, basis)
        coefficients = self.coefficients(name, distance.dtype)
        interpolated = coefficients @ _radial.polynomials(distance, one, h.nodes)
        return jnp.abs(interpolated - exact).max() / jnp.abs(exact).max()


def _features_of_points(
    prepared: dict[str, jax.Array], pairs: Block | Neighbours
) -> dict[int, jax.Array]:
    """The first features by degree: displacements and scalars, or ones where there are neither."""
    past = jnp.moveaxis(prepared["displacement"], 2, 3)
    batch, n_past, _, n_points = past.shape
    x = {}
    if n_past:
        x[1] = pairs.columns(past)
    if "scalar" in prepared:
        scalar = prepared["scalar"].swapaxes(1, 2)
        columns = pairs.columns(scalar)
        x[0] = columns[:, None]
    if not x:
        ones = jnp.ones_like(past, shape=(batch, 1, 1, n_points))
        x[0] = pairs.columns(ones)
    return x


def adopted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of e3nn's `Network` (its other arrays are constants) by this network's names; arrays
    that have these names already are returned unchanged."""
    foreign = {}
    for name, value in arrays.items():
        if name.endswith(".weight"):
            foreign[f"weights['{name}']"] = value
    return foreign or arrays


def exported(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of this network under the names of e3nn's `Network`.

    They are for its `load_state_dict(..., strict=False)`, which ignores unknown names.

    Raises:
        ValueError: an array belongs to another network.
    """
    renamed = {}
    for name, value in arrays.items():
        match = NAME.fullmatch(name)
        if match is None:
            raise ValueError(
                f"{name}: no weight of gate_points; expected a name like weights['...']"
            )
        renamed[match[1]] = value
    return renamed


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and the features (B, N, C, 2 l + 1) after each layer, by degree in
    e3nn's basis."""
    prepared = network.prepare(inputs, direct=True)
    by_layer, pairs = network.outputs(prepared)
    features = [by_point(x, pairs) for x in by_layer]
    *hidden, output = features
    by_name = numbered(hidden)
    by_name["output"] = output
    return output[1][:, :, 0], by_name


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    irreps = [(shape.n_scalars, 0, 1), (shape.n_displacements, 1, -1)]
    inputs = tuple(block for block in irreps if block[0] > 0)
    static = static_layers(inputs or ((1, 0, 1),), parse(h.irreps_hidden), h.lmax, h.layers)
    radial = [h.number_of_basis, *[h.radial_neurons] * h.radial_layers]
    shapes = weight_shapes(static, radial)
    sizes = [int(np.prod(size)) for size in shapes.values()]
    # all weights are drawn at once: one program to compile
    drawn = jax.random.normal(key, (sum(sizes),))
    parts = jnp.split(drawn, np.cumsum(sizes)[:-1])
    weights = {}
    for (name, size), part in zip(shapes.items(), parts, strict=True):
        weights[name] = part.reshape(size)
    radius = h.max_radius or 3.5 * shape.statistics.extent
    return Network(
        weights=weights,
        radius=radius,
        layers=static,
        hyperparameters=h,
        num_neighbors=h.num_neighbors or max(shape.n_points - 1, 1),
    )
