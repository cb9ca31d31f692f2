"""NequIP: interaction blocks of equivariant convolutions (Batzner et al., Nature Communications 13,
2453 (2022)).

A block (the paper's fig. 1c) is a linear self-interaction, the convolution of eq. 8 (senders'
features times spherical harmonics, weighted by a radial network of the distance), another
self-interaction, a self-connection that depends on what kind of point it is, a gate, and the ResNet
update of eq. 4. The radial network sees Bessel functions times a polynomial envelope (Gasteiger et
al., ICLR 2020, eqs. 7 and 8).

Here displacements enter as features of degree 1, what the task shows of a point and the inner
products of its displacements as scalars, bonds as one more radial function; the output is a vector
of each point, read off its features of degree 1, in place of an energy. Bessel functions keep their
frequencies, which the published code trains; so they are data, and are computed once with the
harmonics (`prepare`). Published figure: a mean absolute error of 8.2 meV/A for forces of aspirin
(revised MD17, 1,000 structures, l = 3).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models import _radial
from equitraj.models._block import Block, undirected
from equitraj.models._columns import product, silu
from equitraj.models._convolution import Convolution, Gate, blocks, gate
from equitraj.models._convolution import linear as linear_map
from equitraj.models._gated import activated, linear, messages
from equitraj.models._geometry import harmonics, of_points, pair_vectors, polar
from equitraj.models._irreps import Irreps
from equitraj.models._pairs import Neighbours
from equitraj.models._prepared import Prepared

FRAMEWORK = "jax"
ALL_PAIRS = "max_radius"
GPU = True  # its training profits from one
BLOCK = 32  # points up to which all pairs are a block, whatever the cutoff
VECTOR: Irreps = ((1, 1, -1),)


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, channels of each degree; lmax, highest degree of features and harmonics;
    layers, number of interaction blocks; parity, whether there are features of both parities of
    each degree, in place of (-1)^l alone; number_of_basis Bessel functions; radial_neurons in the
    hidden layer of a radial network; max_radius, cutoff in the data's units (0 for all pairs, and
    3.5 times the points' extent)."""

    width: Annotated[int, Range(1, 4096)] = 16
    lmax: Annotated[int, Range(1, 4)] = 2
    layers: Annotated[int, Range(1, 64)] = 3
    parity: bool = False
    number_of_basis: Annotated[int, Range(1, 1024)] = 8
    radial_neurons: Annotated[int, Range(1, 16_384)] = 32
    max_radius: Annotated[float, Range(0)] = 0.0


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units where there are so many points that neighbour lists pay; None
    for all pairs."""
    return (hyperparameters.max_radius or None) if shape.n_points > BLOCK else None


class Interaction(eqx.Module):
    """An interaction block: features by degree (C, 2 l + 1, points) to new ones.

    Attributes: radial, two matrices without bias, so that no message is left where the envelope is
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
        self, x: dict, basis: jax.Array, harmonic: list, attributes: jax.Array, pairs, count: float
    ) -> dict:
        """New features of `x`, from radial functions (functions, pairs), harmonics and attributes
        (A, points)."""
        order = np.concatenate([weights for _, weights in self.convolution.groups.values()])
        weight = product(self.radial[1][order], silu(product(self.radial[0], basis)))
        sent = linear(self.convolution.inner[0], self.inner, x)
        received = messages(self.convolution, weight, sent, harmonic, pairs)
        new = linear(self.convolution.outer[0], self.outer / count**0.5, received)
        for attribute, own in zip(attributes, self.own, strict=True):
            for degree, value in linear(self.convolution.own[0], own, x).items():
                new[degree] = new.get(degree, 0) + attribute * value
        new = activated(self.gate, new)
        same = self.convolution.irreps_in == self.gate.irreps_out
        return {degree: x[degree] + value for degree, value in new.items()} if same else new


class Network(Prepared):
    """Attributes: embed, matrices from what is known of a point to its features, by degree; layers;
    output, weights of the last features of degree 1; radius, the cutoff, and extent, the unit of
    length."""

    embed: dict[str, jax.Array]
    layers: tuple[Interaction, ...]
    output: jax.Array
    radius: float
    extent: float
    hyperparameters: Hyperparameters = eqx.field(static=True)
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # faster on columns this long

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights, from the arrays of
        `equitraj.data.features.network_inputs`.

        `harmonic1`... (B, 2 l + 1, pairs); `basis` (B, functions, pairs); `scalar` (B, F, N) and
        `vector` (B, V, 3, N).
        """
        distance, unit = polar(pair_vectors(inputs))
        distance, radius = (
            distance / self.extent,
            jnp.asarray(self.radius / self.extent, distance.dtype),
        )
        found = {
            f"harmonic{d}": y for d, y in enumerate(harmonics(unit, self.hyperparameters.lmax)) if d
        }
        envelope = jnp.where(distance > 0, _radial.envelope(distance / radius), 0)
        bonded = (inputs["bonded"] if "senders" in inputs else inputs["adjacency"]).astype(
            distance.dtype
        )
        if "senders" not in inputs:
            distance, envelope, bonded = map(undirected, (distance, envelope, bonded))
        functions = _radial.bessel(distance, radius, self.hyperparameters.number_of_basis)
        basis = jnp.concatenate([functions, bonded[None]]) * envelope
        index = {k: inputs[k] for k in ("senders", "receivers") if k in inputs}
        return index | found | {"basis": jnp.moveaxis(basis, 0, 1)} | of_points(inputs)

    def features(
        self, prepared: dict[str, jax.Array]
    ) -> tuple[list[dict[int, jax.Array]], Block | Neighbours]:
        """What each block hands on, (C, 2 l + 1, points) by degree, and the pairs, which know these
        columns."""
        n_points, index = (
            prepared["scalar"].shape[2],
            [prepared.get(k) for k in ("senders", "receivers")],
        )
        pairs = Block(n_points) if index[0] is None else Neighbours(*index, n_points)
        p = {k: pairs.columns(v) for k, v in prepared.items() if k not in ("senders", "receivers")}
        known = {0: p["scalar"][:, None], 1: p["vector"]}
        x = {
            int(degree): product(weight, known[int(degree)])
            for degree, weight in self.embed.items()
        }
        harmonic = [
            None,
            *(p[f"harmonic{degree}"] for degree in range(1, self.hyperparameters.lmax + 1)),
        ]
        attributes, found = p["scalar"][: len(self.layers[0].own)], []
        for layer in self.layers:
            x = layer(x, p["basis"], harmonic, attributes, pairs, max(1, n_points - 1))
            found.append(x)
        return found, pairs

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from what `prepare` returned."""
        found, pairs = self.features(prepared)
        matrices = linear_map(blocks(self.layers[-1].gate.irreps_out), blocks(VECTOR))[0]
        return pairs.samples(linear(matrices, self.output, found[-1])[1][0]).swapaxes(1, 2)


def layers(
    network: Network, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, dict[int, jax.Array]]]:
    """The output (B, N, 3), and what each block hands on by degree, (B, N, C, 2 l + 1) in e3nn's
    basis."""
    prepared = network.prepare(inputs)
    found, pairs = network.features(prepared)
    by_point = [{d: jnp.moveaxis(pairs.samples(v), 3, 1) for d, v in out.items()} for out in found]
    return network.apply(prepared), {
        f"layer {i + 1}": features for i, features in enumerate(by_point)
    }


def hidden(h: Hyperparameters) -> Irreps:
    """The irreps of the features."""
    natural = [(h.width, degree, (-1) ** degree) for degree in range(h.lmax + 1)]
    return (
        tuple(b for mul, d, p in natural for b in ((mul, d, p), (mul, d, -p)))
        if h.parity
        else tuple(natural)
    )


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h, keys = hyperparameters, iter(jax.random.split(key, 5 * hyperparameters.layers + 3))
    normal = lambda *size: jax.random.normal(next(keys), size)  # noqa: E731
    n_past = shape.n_displacements
    n_scalars = 1 + shape.n_scalars + n_past * (n_past + 1) // 2
    embed = {"0": normal(h.width, n_scalars) / n_scalars**0.5}
    if n_past:
        embed["1"] = normal(h.width, n_past) / n_past**0.5
    irreps = tuple((h.width, int(degree), (-1) ** int(degree)) for degree in embed)
    layers = []
    for _ in range(h.layers):
        gates = gate(irreps, hidden(h), h.lmax)
        convolution, functions = Convolution(irreps, h.lmax, gates.irreps_in), h.number_of_basis + 1
        radial = (
            normal(h.radial_neurons, functions) / functions**0.5,
            normal(convolution.n_radial, h.radial_neurons) / h.radial_neurons**0.5,
        )
        maps = [normal(convolution.inner[1]), normal(convolution.outer[1])]
        own = normal(1 + shape.n_scalars, convolution.own[1]) / (1 + shape.n_scalars) ** 0.5
        layers.append(Interaction(radial, *maps, own, convolution, gates))
        irreps = gates.irreps_out
    # the first prediction is small beside the extrapolation that it is added to
    output = 0.1 * normal(linear_map(blocks(irreps), blocks(VECTOR))[1])
    radius = h.max_radius or 3.5 * shape.statistics.extent
    return Network(embed, tuple(layers), output, radius, shape.statistics.extent, h)
