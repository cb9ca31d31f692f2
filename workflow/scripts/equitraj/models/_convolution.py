"""The bookkeeping of e3nn's gated convolutions (`e3nn.nn.models.gate_points_2101`): which weight
belongs to which path.

Features of one degree l are held in one array (channels, 2 l + 1, points), whatever their parity,
so that a linear map is one matrix for each degree, zero between parities. All of this is static: it
is done once, when a program is traced.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from equitraj.models._irreps import Irreps, products, simplified

Irrep = tuple[int, int]
Degrees = tuple[int, int, int]
Block = tuple[Irrep, list[int]]  # an irrep, and the numbers of its channels within its degree

# shares of a point and of its neighbours in the output of a layer
SELF = sin(pi / 8)
NEIGHBOURS = cos(pi / 8)


def blocks(irreps: Irreps) -> list[Block]:
    """The blocks of `irreps`, with the channels of each degree numbered in their order."""
    numbered: list[Block] = []
    count: Counter[int] = Counter()
    for mul, degree, parity in irreps:
        irrep = (degree, parity)
        first = count[degree]
        channels = range(first, first + mul)
        numbered.append((irrep, list(channels)))
        count[degree] += mul
    return numbered


@dataclass(frozen=True)
class Matrix:
    """The entries (C_in, C_out) of a linear map.

    Attributes: index of each entry in the flat weights; factor of each entry, zero without a path.
    """

    index: np.ndarray
    factor: np.ndarray


class Map(NamedTuple):
    """A linear map of features.

    Attributes: matrices by degree; n_weights, number of its weights.
    """

    matrices: dict[int, Matrix]
    n_weights: int


def _n_channels(part: list[Block]) -> Counter[int]:
    """The number of channels of each degree."""
    count: Counter[int] = Counter()
    for (degree, _), channels in part:
        count[degree] += len(channels)
    return count


def _zeros(inputs: list[Block], outputs: list[Block]) -> dict[int, Matrix]:
    """Matrices without a path, by degree."""
    n_in = _n_channels(inputs)
    n_out = _n_channels(outputs)
    matrices = {}
    for degree in n_in & n_out:
        shape = (n_in[degree], n_out[degree])
        index = np.zeros(shape, int)
        factor = np.zeros(shape, float)
        matrices[degree] = Matrix(index, factor)
    return matrices


def linear(inputs: list[Block], outputs: list[Block], share: float = 1.0) -> Map:
    """The linear map of e3nn.

    The weights are (mul_in, mul_out) for each pair of blocks of one irrep, in order. A factor is
    `share` over the square root of the number of channels that enter an output channel.
    """
    matrices = _zeros(inputs, outputs)
    n_weights = 0
    for irrep, rows in inputs:
        for other, columns in outputs:
            if irrep != other:
                continue
            matrix = matrices[irrep[0]]
            place = np.ix_(rows, columns)
            size = len(rows) * len(columns)
            index = n_weights + np.arange(size)
            matrix.index[place] = index.reshape(len(rows), -1)
            fan_in = sum(len(channels) for ir, channels in inputs if ir == irrep)
            matrix.factor[place] = share * fan_in**-0.5
            n_weights += size
    used = {degree: matrix for degree, matrix in matrices.items() if matrix.factor.any()}
    return Map(used, n_weights)


@dataclass(frozen=True)
class Path:
    """The product of the senders' features with harmonics, as features of the irrep `out`.

    Attributes: degrees (l1, l2, l3) of features, harmonics and product; out; channels of degree l1;
    weights, an output of the radial network for each channel.
    """

    degrees: Degrees
    out: Irrep
    channels: tuple[int, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """A convolution from features `irreps_in` of the senders, times harmonics up to degree `lmax`,
    to features `irreps_out` of the receivers."""

    irreps_in: Irreps
    lmax: int
    irreps_out: Irreps

    @cached_property
    def paths(self) -> list[Path]:
        """The paths in the order of their weights."""
        wanted = {(degree, parity) for _, degree, parity in self.irreps_out}
        paths = []
        first = 0
        for irrep, channels in blocks(self.irreps_in):
            for out, l2 in self._products(irrep):
                if out not in wanted:
                    continue
                end = first + len(channels)
                weights = tuple(range(first, end))
                degrees = (irrep[0], l2, out[0])
                path = Path(degrees, out, tuple(channels), weights)
                paths.append(path)
                first = end
        return paths

    def _products(self, irrep: Irrep) -> list[tuple[Irrep, int]]:
        """The irreps in the products of one with the harmonics, and the harmonics' degrees."""
        reached = []
        for l2 in range(self.lmax + 1):
            harmonic = (l2, (-1) ** l2)
            for out in products(irrep, harmonic):
                reached.append((out, l2))
        return reached

    @property
    def n_radial(self) -> int:
        """The number of outputs of the radial network."""
        total = 0
        for path in self.paths:
            total += len(path.weights)
        return total

    @cached_property
    def groups(self) -> dict[Degrees, tuple[list[int], list[int]]]:
        """The channels and the weights of all paths of the same degrees (l1, l2, l3), joined."""
        joined: dict[Degrees, tuple[list[int], list[int]]] = {}
        for path in self.paths:
            channels, weights = joined.setdefault(path.degrees, ([], []))
            channels.extend(path.channels)
            weights.extend(path.weights)
        order = sorted(joined, key=lambda degrees: (degrees[2], degrees))
        return {degrees: joined[degrees] for degrees in order}

    @cached_property
    def order(self) -> np.ndarray:
        """The index of the radial network's outputs in the order of `groups`."""
        joined = [weights for _, weights in self.groups.values()]
        return np.concatenate(joined)

    def _middle(self) -> list[Block]:
        """The channels of all paths in the order in which the outer map takes them, numbered as in
        `groups`."""
        first = {}
        count: Counter[int] = Counter()
        for degrees, (channels, _) in self.groups.items():
            first[degrees] = count[degrees[2]]
            count[degrees[2]] += len(channels)
        middle = []
        for path in self.paths:
            start = first[path.degrees]
            end = start + len(path.channels)
            middle.append((path.out, list(range(start, end))))
            first[path.degrees] = end
        return sorted(middle, key=lambda block: block[0])

    @cached_property
    def own(self) -> Map:
        """The map from a point's features to its own part of the output."""
        inputs = blocks(self.irreps_in)
        outputs = blocks(self.irreps_out)
        return linear(inputs, outputs, SELF)

    @cached_property
    def inner(self) -> Map:
        """The map of the senders' features before the product with harmonics."""
        inputs = blocks(self.irreps_in)
        return linear(inputs, inputs)

    @cached_property
    def outer(self) -> Map:
        """The map of the products, summed over the senders.

        Its share is 1 for channels that the point's own features do not reach.
        """
        outputs = blocks(self.irreps_out)
        outer = linear(self._middle(), outputs)
        own = self.own.matrices
        for degree, matrix in outer.matrices.items():
            n_outputs = matrix.factor.shape[1]
            share = np.ones(n_outputs)
            if degree in own:
                reached = own[degree].factor.any(0)
                share[reached] = NEIGHBOURS
            matrix.factor[:] *= share
        return outer


class _Part(NamedTuple):
    """A block of a gate's input.

    Attributes: irrep; part, 0 for scalars, 1 for gates, 2 for gated; place in that part;
    multiplicity.
    """

    irrep: Irrep
    part: int
    place: int
    mul: int


@dataclass(frozen=True)
class Gate:
    """A nonlinearity: scalars go through an activation; features of higher degree are multiplied by
    gates, which are scalars through another activation.

    Attributes: irreps of the scalars, of the gates (all of one irrep) and of the gated features.
    """

    scalars: Irreps
    gates: Irreps
    gated: Irreps

    @cached_property
    def _order(self) -> list[_Part]:
        """The blocks of the input in their order."""
        order = []
        parts = (self.scalars, self.gates, self.gated)
        for part, irreps in enumerate(parts):
            for place, (mul, degree, parity) in enumerate(simplified(irreps)):
                order.append(_Part((degree, parity), part, place, mul))
        return sorted(order)

    @cached_property
    def _blocks_in(self) -> Irreps:
        """The irreps of the input, block by block."""
        irreps = []
        for block in self._order:
            irreps.append((block.mul, *block.irrep))
        return tuple(irreps)

    @cached_property
    def irreps_in(self) -> Irreps:
        """The irreps of the input: all three parts, sorted."""
        return simplified(self._blocks_in)

    def channels(self, part: int, degree: int) -> list[int]:
        """The channels of a degree that are scalars (part 0), gates (1) or gated (2), in the order
        of that part."""
        chosen = []
        numbered = blocks(self._blocks_in)
        for (irrep, channels), block in zip(numbered, self._order, strict=True):
            if block.part == part and irrep[0] == degree:
                chosen.append((block.place, channels))
        chosen.sort()
        return [channel for _, channels in chosen for channel in channels]

    @cached_property
    def irreps_out(self) -> Irreps:
        """The irreps of the output: scalars, then the gated features in their own order."""
        sign = 1
        if self.gates:
            sign = self.gates[0][2]
        irreps = list(self.scalars)
        for mul, degree, parity in simplified(self.gated):
            irreps.append((mul, degree, parity * sign))
        return tuple(irreps)


def gate(irreps_in: Irreps, hidden: Irreps, lmax: int) -> Gate:
    """The gate of a layer, for those irreps of `hidden` that products of `irreps_in` with harmonics
    up to `lmax` contain."""
    reached: set[Irrep] = set()
    for _, degree, p in irreps_in:
        for l2 in range(lmax + 1):
            harmonic = (l2, (-1) ** l2)
            reached.update(products((degree, p), harmonic))
    scalars = []
    gated = []
    for block in hidden:
        if block[1:] not in reached:
            continue
        if block[1] == 0:
            scalars.append(block)
        else:
            gated.append(block)
    parity = 1 if (0, 1) in reached else -1
    gates = tuple((mul, 0, parity) for mul, *_ in gated)
    return Gate(tuple(scalars), gates, tuple(gated))


class Layer(NamedTuple):
    """The static part of a layer.

    Attributes: name of its weights; convolution; gate, None in the last layer.
    """

    name: str
    convolution: Convolution
    gate: Gate | None


def static_layers(irreps: Irreps, hidden: Irreps, lmax: int, count: int) -> tuple[Layer, ...]:
    """`count` gated convolutions, then one to a vector."""
    layers = []
    for i in range(count):
        gates = gate(irreps, hidden, lmax)
        convolution = Convolution(irreps, lmax, gates.irreps_in)
        name = f"layers.{i}.first"
        layers.append(Layer(name, convolution, gates))
        irreps = gates.irreps_out
    vector = ((1, 1, -1),)
    last = Convolution(irreps, lmax, vector)
    name = f"layers.{count}"
    layers.append(Layer(name, last, None))
    return tuple(layers)


def weight_shapes(layers: tuple[Layer, ...], radial: list[int]) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights by e3nn's names; `radial` has the sizes of the radial networks'
    layers without their outputs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, convolution, _ in layers:
        sizes = [*radial, convolution.n_radial]
        for i, shape in enumerate(pairwise(sizes)):
            shapes[f"{name}.fc.layer{i}.weight"] = shape
        maps = {
            "sc": convolution.own,
            "lin1": convolution.inner,
            "lin2": convolution.outer,
        }
        for key, linear_map in maps.items():
            if linear_map.n_weights:
                shapes[f"{name}.{key}.weight"] = (linear_map.n_weights,)
    return shapes
