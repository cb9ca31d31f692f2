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
Block = tuple[Irrep, list[int]]  # an irrep, and which channels of its degree are of it
SELF, NEIGHBOURS = (
    sin(pi / 8),
    cos(pi / 8),
)  # shares of a point itself and of its neighbours in what is handed on


def blocks(irreps: Irreps) -> list[Block]:
    """The blocks of `irreps`, the channels of each degree counted in their order."""
    count, found = Counter(), []
    for mul, degree, p in irreps:
        found.append(((degree, p), list(range(count[degree], count[degree] + mul))))
        count[degree] += mul
    return found


@dataclass(frozen=True)
class Matrix:
    """Where the entries (C_in, C_out) of a linear map stand in its flat weights; their factors,
    zero for no path."""

    index: np.ndarray
    factor: np.ndarray


def linear(
    inputs: list[Block], outputs: list[Block], share: float = 1.0
) -> tuple[dict[int, Matrix], int]:
    """The matrices by degree of e3nn's linear map, and its number of weights.

    These are (mul_in, mul_out) for each pair of blocks of one irrep, in order. A factor is `share`
    over the square root of the number of channels that a channel is made of.
    """
    sizes = [Counter(), Counter()]
    for size, part in zip(sizes, (inputs, outputs), strict=True):
        for (degree, _), channels in part:
            size[degree] += len(channels)
    found = {
        d: Matrix(*(np.zeros((sizes[0][d], sizes[1][d]), t) for t in (int, float)))
        for d in sizes[0] & sizes[1]
    }
    first = 0
    for irrep, rows in inputs:
        for other, columns in outputs:
            if irrep == other:
                place = np.ix_(rows, columns)
                found[irrep[0]].index[place] = first + np.arange(len(rows) * len(columns)).reshape(
                    len(rows), -1
                )
                found[irrep[0]].factor[place] = (
                    share * sum(len(c) for ir, c in inputs if ir == irrep) ** -0.5
                )
                first += len(rows) * len(columns)
    return {degree: matrix for degree, matrix in found.items() if matrix.factor.any()}, first


@dataclass(frozen=True)
class Path:
    """Senders' features times harmonics, of degrees (l1, l2), as features of the irrep `out`.

    Attributes: degrees (l1, l2, l3); out; channels of degree l1; weights, an output of the radial
    network for each.
    """

    degrees: tuple[int, int, int]
    out: Irrep
    channels: tuple[int, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """From `irreps_in` of the senders, times harmonics up to degree `lmax`, to `irreps_out` of the
    receivers."""

    irreps_in: Irreps
    lmax: int
    irreps_out: Irreps

    @cached_property
    def paths(self) -> list[Path]:
        """In the order of their weights."""
        wanted, found, first = {(d, p) for _, d, p in self.irreps_out}, [], 0
        for irrep, channels in blocks(self.irreps_in):
            for l2 in range(self.lmax + 1):
                for out in products(irrep, (l2, (-1) ** l2)):
                    if out in wanted:
                        weights = tuple(range(first, first + len(channels)))
                        found.append(Path((irrep[0], l2, out[0]), out, tuple(channels), weights))
                        first += len(channels)
        return found

    @property
    def n_radial(self) -> int:
        """Number of outputs of the radial network."""
        return sum(len(path.weights) for path in self.paths)

    @cached_property
    def groups(self) -> dict[tuple[int, int, int], tuple[list[int], list[int]]]:
        """By degrees (l1, l2, l3), the channels and the weights of all their paths side by side."""
        found: dict[tuple[int, int, int], tuple[list[int], list[int]]] = {}
        for path in self.paths:
            channels, weights = found.setdefault(path.degrees, ([], []))
            channels.extend(path.channels)
            weights.extend(path.weights)
        return dict(sorted(found.items(), key=lambda group: (group[0][2], group[0])))

    def _middle(self) -> list[Block]:
        """The channels of all paths in the order in which the outer map takes them, counted as in
        `groups`."""
        first, count = {}, Counter()
        for degrees, (channels, _) in self.groups.items():
            first[degrees] = count[degrees[2]]
            count[degrees[2]] += len(channels)
        found = []
        for path in self.paths:
            start = first[path.degrees]
            found.append((path.out, list(range(start, start + len(path.channels)))))
            first[path.degrees] += len(path.channels)
        return sorted(found, key=lambda block: block[0])

    @cached_property
    def own(self) -> tuple[dict[int, Matrix], int]:
        """The map of a point's own features to what it hands on."""
        return linear(blocks(self.irreps_in), blocks(self.irreps_out), SELF)

    @cached_property
    def inner(self) -> tuple[dict[int, Matrix], int]:
        """The map of the senders' features before they are multiplied."""
        return linear(blocks(self.irreps_in), blocks(self.irreps_in))

    @cached_property
    def outer(self) -> tuple[dict[int, Matrix], int]:
        """The map of the products, summed over the senders; what a point's own features do not
        reach, it has whole."""
        found, count = linear(self._middle(), blocks(self.irreps_out))
        for degree, matrix in found.items():
            share = np.ones(matrix.factor.shape[1])
            if degree in self.own[0]:
                share[self.own[0][degree].factor.any(0)] = NEIGHBOURS
            matrix.factor[:] *= share
        return found, count


@dataclass(frozen=True)
class Gate:
    """Scalars through an activation; features of higher degree, each times a gate: a scalar through
    another activation.

    Attributes: irreps of the scalars, of the gates (all of one irrep) and of the features that they
    multiply.
    """

    scalars: Irreps
    gates: Irreps
    gated: Irreps

    @cached_property
    def _order(self) -> list[tuple[Irrep, int, int, int]]:
        """Irrep, part, place in that part and multiplicity of each block, in the order in which the
        gate takes them."""
        parts = [simplified(part) for part in (self.scalars, self.gates, self.gated)]
        found = [
            ((d, p), i, place, mul)
            for i, part in enumerate(parts)
            for place, (mul, d, p) in enumerate(part)
        ]
        return sorted(found)

    @cached_property
    def irreps_in(self) -> Irreps:
        """What the gate takes: all three parts, sorted."""
        return simplified(tuple((mul, *irrep) for irrep, *_, mul in self._order))

    def channels(self, part: int, degree: int) -> list[int]:
        """The channels of a degree that are scalars (part 0), gates (1) or gated (2), in the order
        of that part."""
        placed = blocks(tuple((mul, *irrep) for irrep, *_, mul in self._order))
        chosen = [
            (place, channels)
            for ((d, _), channels), (_, i, place, _) in zip(placed, self._order, strict=True)
            if i == part and d == degree
        ]
        return [channel for _, channels in sorted(chosen) for channel in channels]

    @cached_property
    def irreps_out(self) -> Irreps:
        """What it hands on: scalars, then the gated features in their own order."""
        parity = self.gates[0][2] if self.gates else 1
        return self.scalars + tuple((mul, d, p * parity) for mul, d, p in simplified(self.gated))


def gate(irreps_in: Irreps, hidden: Irreps, lmax: int) -> Gate:
    """The gate of a layer: of `hidden`, what harmonics up to `lmax` can make of `irreps_in`."""
    edge = [(degree, (-1) ** degree) for degree in range(lmax + 1)]
    reached = {out for _, d, p in irreps_in for other in edge for out in products((d, p), other)}
    kept = tuple(block for block in hidden if block[1:] in reached)
    gated = tuple(block for block in kept if block[1])
    parity = 1 if (0, 1) in reached else -1
    return Gate(
        tuple(b for b in kept if not b[1]), tuple((mul, 0, parity) for mul, *_ in gated), gated
    )


class Layer(NamedTuple):
    """What is static of a layer. Attributes: name of its weights, convolution, gate (None for the
    last)."""

    name: str
    convolution: Convolution
    gate: Gate | None


def static_layers(irreps: Irreps, hidden: Irreps, lmax: int, count: int) -> tuple[Layer, ...]:
    """`count` gated convolutions, and one to a vector."""
    layers = []
    for i in range(count):
        gates = gate(irreps, hidden, lmax)
        layers.append(Layer(f"layers.{i}.first", Convolution(irreps, lmax, gates.irreps_in), gates))
        irreps = gates.irreps_out
    return (*layers, Layer(f"layers.{count}", Convolution(irreps, lmax, ((1, 1, -1),)), None))


def weight_shapes(layers: tuple[Layer, ...], radial: list[int]) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights by e3nn's names; `radial` has the sizes of the radial networks, without
    their outputs."""
    found = {}
    for name, convolution, _ in layers:
        pairs = pairwise([*radial, convolution.n_radial])
        shapes = {f"fc.layer{i}.weight": shape for i, shape in enumerate(pairs)}
        maps = {
            "sc.weight": convolution.own,
            "lin1.weight": convolution.inner,
            "lin2.weight": convolution.outer,
        }
        shapes |= {key: (count,) for key, (_, count) in maps.items() if count}
        found |= {f"{name}.{key}": shape for key, shape in shapes.items()}
    return found
