"""The gated equivariant convolutions of `e3nn_network` (e3nn.nn.models.gate_points_2101; Geiger and
Smidt, arXiv:2207.09453), the same function of the same weights, built to train fast.

Three things make it fast. What depends on positions alone is computed once (`prepare`). The radial
networks are functions of one number: in training each is evaluated at Chebyshev nodes, and the
weights of all pairs are one matrix product of its coefficients with Chebyshev polynomials of their
distances; predictions evaluate it directly. Pairs are dense, or a list of neighbours, with the
batch as the last axis, so that every operation is a long contiguous loop.
"""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Pattern, Range
from equitraj.data.features import Shape
from equitraj.models import _radial
from equitraj.models._block import Block, undirected
from equitraj.models._convolution import Layer, static_layers, weight_shapes
from equitraj.models._gated import SILU, activated, linear, messages
from equitraj.models._geometry import harmonics, pair_vectors, polar
from equitraj.models._irreps import parse
from equitraj.models._pairs import Neighbours

FRAMEWORK = "jax"
GPU = True  # its training profits from one
ALL_PAIRS = "max_radius"
BLOCK = 32  # points up to which all pairs are a block, whatever the cutoff


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: irreps_hidden, features of the hidden layers, of degrees up to 2; lmax of the
    spherical harmonics of an edge; layers, number of gated convolutions; max_radius, cutoff in the
    data's units (0 for 3.5 times the points' extent); number_of_basis radial functions;
    radial_layers and radial_neurons of the radial networks; nodes, at which these are evaluated in
    training (0 to evaluate them at every distance); num_neighbors, by the root of which sums over
    neighbours are divided (0 for all other points)."""

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
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units where there are so many points that neighbour lists pay; None
    for all pairs."""
    return (hyperparameters.max_radius or None) if shape.n_points > BLOCK else None


class Network(eqx.Module):
    """Attributes: weights, by e3nn's names; radius, the cutoff; the rest is static."""

    weights: dict[str, jax.Array]
    radius: float
    layers: tuple[Layer, ...] = eqx.field(static=True)
    hyperparameters: Hyperparameters = eqx.field(static=True)
    num_neighbors: float = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # a tenth faster, compiled a third longer

    def prepare(self, inputs: dict[str, jax.Array], direct: bool = False) -> dict[str, jax.Array]:
        """What does not depend on weights, from the arrays of
        `equitraj.data.features.network_inputs`.

        `harmonic1`... (B, 2 l + 1, pairs) and `radial` (B, nodes, pairs), polynomials times the
        cutoff; with `direct` (or without nodes) `basis` (B, functions, pairs) and `cutoff` (B,
        pairs) in place of it.
        """
        distance, unit = polar(pair_vectors(inputs))
        distance, apart = (
            jnp.where(distance > 0, distance, 1),
            distance > 0,
        )  # polynomials have no derivative at 0
        share = (
            jnp.where(apart, _radial.cutoff(distance, self._radius(distance)), 0)
            / self.num_neighbors**0.5
        )
        if "senders" not in inputs:
            distance, share = undirected(distance), undirected(share)
        features = {
            k: inputs[k] for k in ("scalar", "displacement", "senders", "receivers") if k in inputs
        }
        return features | self._harmonics(unit) | self._distances(distance, share, direct)

    def _radius(self, like: jax.Array) -> jax.Array:
        return jnp.asarray(self.radius, like.dtype)

    def _harmonics(self, unit: jax.Array) -> dict[str, jax.Array]:
        lmax = max(l2 for layer in self.layers for _, l2, _ in layer.convolution.groups)
        return {f"harmonic{degree}": y for degree, y in enumerate(harmonics(unit, lmax)) if degree}

    def _distances(self, r: jax.Array, share: jax.Array, direct: bool) -> dict[str, jax.Array]:
        h, radius = self.hyperparameters, self._radius(r)
        if direct or not h.nodes:
            basis = _radial.gaussians(r, radius, h.number_of_basis)
            return {"basis": jnp.moveaxis(basis, 0, 1), "cutoff": share}
        return {"radial": jnp.moveaxis(_radial.polynomials(r, radius, h.nodes) * share, 0, 1)}

    def radial_network(self, name: str, x: jax.Array) -> jax.Array:
        """(outputs, ...) of a layer's radial network, from its basis functions (functions, ...)."""
        for i in range(self.hyperparameters.radial_layers + 1):
            weight = self.weights[f"{name}.fc.layer{i}.weight"]
            x = jnp.tensordot(
                weight.T / weight.shape[0] ** 0.5, SILU * jax.nn.silu(x) if i else x, 1
            )
        return x

    def coefficients(self, name: str, dtype: jnp.dtype) -> jax.Array:
        """(outputs, nodes) of the interpolant of a layer's radial network."""
        at, matrix = (jnp.asarray(v, dtype) for v in _radial.nodes(self.hyperparameters.nodes))
        basis = _radial.gaussians(at, jnp.ones((), dtype), self.hyperparameters.number_of_basis)
        return self.radial_network(name, basis) @ matrix

    def _weights_of_pairs(self, layer: Layer, p: dict[str, jax.Array]) -> jax.Array:
        order = np.concatenate([weights for _, weights in layer.convolution.groups.values()])
        if "basis" in p:
            return self.radial_network(layer.name, p["basis"])[order] * p["cutoff"]
        return jnp.tensordot(
            self.coefficients(layer.name, p["radial"].dtype)[order], p["radial"], 1
        )

    def outputs(
        self, prepared: dict[str, jax.Array]
    ) -> tuple[list[dict[int, jax.Array]], Block | Neighbours]:
        """What each layer hands on, (C, 2 l + 1, points) by degree, and the pairs, which know these
        columns."""
        n_points, index = (
            prepared["displacement"].shape[2],
            [prepared.get(k) for k in ("senders", "receivers")],
        )
        pairs = Block(n_points) if index[0] is None else Neighbours(*index, n_points)
        p = {
            k: pairs.columns(v)
            for k, v in prepared.items()
            if k not in ("senders", "receivers", "scalar")
        }
        past = jnp.moveaxis(prepared["displacement"], 2, 3)  # (B, V, 3, N)
        x = {1: pairs.columns(past)} if past.shape[1] else {}
        if "scalar" in prepared:
            x[0] = pairs.columns(prepared["scalar"].swapaxes(1, 2))[:, None]
        x = x or {0: pairs.columns(jnp.ones_like(past, shape=(len(past), 1, 1, n_points)))}
        harmonic = [None, *(p[name] for name in sorted(p) if name.startswith("harmonic"))]
        found = []
        for layer in self.layers:
            x = self._convolved(layer, x, self._weights_of_pairs(layer, p), harmonic, pairs)
            found.append(x)
        return found, pairs

    def _convolved(
        self, layer: Layer, x: dict, weight: jax.Array, harmonic: list, pairs: Block | Neighbours
    ) -> dict:
        weights = {k: self.weights.get(f"{layer.name}.{k}.weight") for k in ("sc", "lin1", "lin2")}
        convolution = layer.convolution
        sent = linear(convolution.inner[0], weights["lin1"], x)
        received = messages(convolution, weight, sent, harmonic, pairs)
        outer = linear(convolution.outer[0], weights["lin2"], received)
        own = linear(convolution.own[0], weights["sc"], x)
        total = {d: outer.get(d, 0) + own.get(d, 0) for d in sorted({*outer, *own})}
        return activated(layer.gate, total) if layer.gate else total

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from what `prepare` returned."""
        found, pairs = self.outputs(prepared)
        return pairs.samples(found[-1][1][0]).swapaxes(1, 2)

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`; radial networks
        evaluated directly."""
        return self.apply(self.prepare(inputs, direct=True))

    def diagnostics(self) -> dict[str, jax.Array]:
        """The largest error of an interpolated radial network, relative to its largest value, in
        float64."""
        h, errors = self.hyperparameters, [jnp.zeros(())]
        double = eqx.tree_at(
            lambda n: n.weights, self, {k: v.astype("float64") for k, v in self.weights.items()}
        )
        at, one = jnp.linspace(0, 1, 2048), jnp.ones(())
        for layer in self.layers if h.nodes else ():
            exact = double.radial_network(layer.name, _radial.gaussians(at, one, h.number_of_basis))
            found = double.coefficients(layer.name, at.dtype) @ _radial.polynomials(
                at, one, h.nodes
            )
            errors.append(jnp.abs(found - exact).max() / jnp.abs(exact).max())
        return {"radial_interpolation_error": jnp.stack(errors).max()}


NAME = re.compile(r"weights\['(.*)'\]")


def adopted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of e3nn's `Network` (its other arrays are constants) by this network's names; these
    as they are."""
    foreign = {
        f"weights['{name}']": value for name, value in arrays.items() if name.endswith(".weight")
    }
    return foreign or arrays


def exported(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of this network by the names of e3nn's `Network`, for its `load_state_dict(...,
    strict=False)`."""
    return {NAME.fullmatch(name)[1]: value for name, value in arrays.items()}


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and what each layer hands on by degree, (B, N, C, 2 l + 1) in e3nn's
    basis."""
    outputs, pairs = network.outputs(network.prepare(inputs, direct=True))
    names = [*(f"layer {i + 1}" for i in range(len(outputs) - 1)), "output"]
    by_point = [
        {d: jnp.moveaxis(pairs.samples(v), 3, 1) for d, v in out.items()} for out in outputs
    ]
    return by_point[-1][1][:, :, 0], dict(zip(names, by_point, strict=True))


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    given = tuple(
        block for block in ((shape.n_scalars, 0, 1), (shape.n_displacements, 1, -1)) if block[0]
    )
    static = static_layers(given or ((1, 0, 1),), parse(h.irreps_hidden), h.lmax, h.layers)
    shapes = weight_shapes(static, [h.number_of_basis, *[h.radial_neurons] * h.radial_layers])
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    drawn = jnp.split(
        jax.random.normal(key, (sum(sizes),)), np.cumsum(sizes)[:-1]
    )  # at once: one program to compile
    weights = {name: part.reshape(shapes[name]) for name, part in zip(shapes, drawn, strict=True)}
    radius = h.max_radius or 3.5 * shape.statistics.extent
    return Network(weights, radius, static, h, h.num_neighbors or max(shape.n_points - 1, 1))
