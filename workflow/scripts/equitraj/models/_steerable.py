"""Steerable maps on columns: features by degree l are (channels, 2 l + 1, points or pairs, batch),
of parity (-1)^l.

A steerable linear map is the Clebsch-Gordan product of features with attributes (one channel of
each degree), with a weight for each pair of channels and each path of degrees (Brandstetter et al.,
ICLR 2022, eq. 8). It is linear in the features, so it is done in two steps: first a matrix for each
path, which may be applied to points, then the product with the attributes of the pairs that contain
these points. The matrices by which attributes multiply features are data, and are computed once.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._columns import added, silu
from equitraj.models._columns import product as matrix_product
from equitraj.models._irreps import wigner_3j

Features = dict[int, jax.Array]
Widths = dict[int, int]  # channels of each degree
Path = tuple[int, int, int]
Attributes = dict[str, jax.Array]  # of pairs or points, by path: see `couplings`


def paths(widths: Widths, lmax: int, out: Widths) -> list[Path]:
    """The degrees of features, of attributes up to `lmax`, and of their products, for each product
    with a weight.

    Their sum is even, because all have parity (-1)^l.
    """
    return [
        (l1, l2, l3)
        for l3 in out
        for l1 in widths
        for l2 in range(abs(l1 - l3), min(l1 + l3, lmax) + 1)
        if (l1 + l2 + l3) % 2 == 0
    ]


def name(path: Path) -> str:
    """The name of a path's weights."""
    return "{}x{}={}".format(*path)


class Steerable(eqx.Module):
    """A steerable linear map.

    Attributes: weights, a matrix (C_out, C_in) for each path; bias of the scalars; paths.
    """

    weights: dict[str, jax.Array]
    bias: jax.Array | None
    paths: tuple[Path, ...] = eqx.field(static=True)

    def __init__(
        self, widths: Widths, lmax: int, out: Widths, key: jax.Array, bias: bool = True
    ) -> None:
        self.paths = tuple(paths(widths, lmax, out))
        shapes = [(out[l3], widths[l1]) for l1, _, l3 in self.paths]
        sizes = [rows * columns for rows, columns in shapes]
        ends = np.cumsum(sizes)
        # all weights are drawn at once: one program to compile
        drawn = jax.random.normal(key, (ends[-1],))
        parts = jnp.split(drawn, ends[:-1])
        self.weights = {}
        for path, shape, part in zip(self.paths, shapes, parts, strict=True):
            fan_in = sum(widths[l1] for l1, _, l3 in self.paths if l3 == path[2])
            weight = part.reshape(shape)
            self.weights[name(path)] = weight * fan_in**-0.5
        self.bias = None
        if bias and 0 in out:
            self.bias = jnp.zeros(out[0])

    def mixed(self, x: Features) -> dict[Path, jax.Array]:
        """The channels of features mixed for each path, (C_out, 2 l1 + 1, ...)."""
        by_path: dict[Path, jax.Array] = {}
        for l1 in dict.fromkeys(path[0] for path in self.paths):
            own = [path for path in self.paths if path[0] == l1]
            weights = [self.weights[name(path)] for path in own]
            sizes = [len(weight) for weight in weights]
            ends = np.cumsum(sizes)[:-1]
            rows = matrix_product(jnp.concatenate(weights), x[l1])
            by_path |= zip(own, jnp.split(rows, ends), strict=True)
        return by_path

    def paired(self, mixed: dict[Path, jax.Array], attributes: Attributes) -> Features:
        """Products (C_out, 2 l3 + 1, ...) of the output of `mixed` with attributes, summed over
        paths, plus the bias."""
        terms = {path: product(path, x, attributes) for path, x in mixed.items()}
        total = {}
        for l3 in dict.fromkeys(path[2] for path in self.paths):
            total[l3] = added(term for path, term in terms.items() if path[2] == l3)
        if self.bias is not None:
            ones = [1] * (total[0].ndim - 1)
            total[0] = total[0] + self.bias.reshape(-1, *ones)
        return total

    def __call__(self, x: Features, attributes: Attributes) -> Features:
        """The map of features (C, 2 l + 1, ...) that have attributes."""
        mixed = self.mixed(x)
        return self.paired(mixed, attributes)


def product(path: Path, x: jax.Array, attributes: Attributes) -> jax.Array:
    """The Clebsch-Gordan product (C, 2 l3 + 1, ...) of features (C, 2 l1 + 1, ...) and
    attributes."""
    l1, l2, _ = path
    if l2 == 0:
        return x
    rows = jnp.split(x, 2 * l1 + 1, 1)
    matrix = attributes[name(path)]
    terms = []
    for row, column in zip(rows, matrix, strict=True):
        terms.append(row * column)
    return added(terms)


def couplings(harmonic: list[jax.Array], lmax: int) -> Attributes:
    """Attributes from harmonics (B, 2 l + 1, ...) by degree.

    For each path up to `lmax`, the matrix (B, 2 l1 + 1, 2 l3 + 1, ...) that multiplies features:
    the harmonics times the Wigner 3j tensor.
    """
    widths = dict.fromkeys(range(lmax + 1), 1)
    matrices = {}
    for path in paths(widths, lmax, widths):
        l1, l2, l3 = path
        if l2 == 0:
            continue
        y = harmonic[l2]
        scale = (2 * l3 + 1) ** 0.5
        tensor = scale * wigner_3j(l1, l2, l3)
        coefficients = jnp.asarray(tensor, y.dtype)
        matrix = jnp.einsum("mkn,bk...->bmn...", coefficients, y)
        matrices[name(path)] = matrix
    return matrices


def gated(widths: Widths) -> Widths:
    """The channels of a gate's input: one more scalar for each feature of higher degree."""
    n_scalars = sum(widths.values())
    return widths | {0: n_scalars}


def gate(x: Features, widths: Widths) -> Features:
    """Scalars through SiLU; features of higher degree times the logistic function of their gate."""
    ends = np.cumsum(list(widths.values()))[:-1]
    scalars, *gates = jnp.split(x[0], ends)
    degrees = list(widths)[1:]
    out = {0: silu(scalars)}
    for degree, value in zip(degrees, gates, strict=True):
        out[degree] = x[degree] * jax.nn.sigmoid(value)
    return out
