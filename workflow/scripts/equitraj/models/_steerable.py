"""Steerable maps on columns: features by degree l are (channels, 2 l + 1, points or pairs, batch),
of parity (-1)^l.

A steerable linear map is the Clebsch-Gordan product of features with attributes (one channel of
each degree), with a weight for each pair of channels and each path of degrees (Brandstetter et al.,
ICLR 2022, eq. 8). It is linear in the features, so it is done in two steps: a matrix for each path,
which may be applied to points, and the product with the attributes of the pairs that these points
are part of. How attributes multiply features is data, and is computed once.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._columns import product as matrix_product
from equitraj.models._columns import silu
from equitraj.models._irreps import wigner_3j

Features = dict[int, jax.Array]
Widths = dict[int, int]  # channels of each degree
Path = tuple[int, int, int]
Attributes = dict[str, jax.Array]  # of pairs or points, by path: see `couplings`


def paths(widths: Widths, lmax: int, out: Widths) -> list[Path]:
    """Degrees of features, of attributes up to `lmax`, and of their products, for each product that
    has a weight.

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
    """Of the weights of a path."""
    return "{}x{}={}".format(*path)


class Steerable(eqx.Module):
    """A steerable linear map: `weights`, a matrix (C_out, C_in) for each path, and a bias of the
    scalars."""

    weights: dict[str, jax.Array]
    bias: jax.Array | None
    paths: tuple[Path, ...] = eqx.field(static=True)

    def __init__(
        self, widths: Widths, lmax: int, out: Widths, key: jax.Array, bias: bool = True
    ) -> None:
        self.paths, self.weights = tuple(paths(widths, lmax, out)), {}
        shapes = [(out[l3], widths[l1]) for l1, _, l3 in self.paths]
        ends = np.cumsum([rows * columns for rows, columns in shapes])
        drawn = jnp.split(
            jax.random.normal(key, (ends[-1],)), ends[:-1]
        )  # at once: one program to compile
        for path, shape, values in zip(self.paths, shapes, drawn, strict=True):
            fan = sum(widths[l1] for l1, _, l3 in self.paths if l3 == path[2])
            self.weights[name(path)] = values.reshape(shape) * fan**-0.5
        self.bias = jnp.zeros(out[0]) if bias and 0 in out else None

    def mixed(self, x: Features) -> dict[Path, jax.Array]:
        """The channels of features mixed for each path, (C_out, 2 l1 + 1, ...)."""
        found = {}
        for l1 in dict.fromkeys(path[0] for path in self.paths):
            own = {path: self.weights[name(path)] for path in self.paths if path[0] == l1}
            ends = np.cumsum([len(weight) for weight in own.values()])[:-1]
            rows = matrix_product(jnp.concatenate([*own.values()]), x[l1])
            found |= zip(own, jnp.split(rows, ends), strict=True)
        return found

    def paired(self, mixed: dict[Path, jax.Array], attributes: Attributes) -> Features:
        """Products of what `mixed` gave with attributes, summed over paths, and the bias: (C_out, 2
        l3 + 1, ...)."""
        terms, found = {path: product(path, x, attributes) for path, x in mixed.items()}, {}
        for l3 in dict.fromkeys(path[2] for path in self.paths):
            found[l3] = sum(term for path, term in terms.items() if path[2] == l3)
        if self.bias is not None:
            found[0] = found[0] + self.bias.reshape(-1, *[1] * (found[0].ndim - 1))
        return found

    def __call__(self, x: Features, attributes: Attributes) -> Features:
        """The map of features (C, 2 l + 1, ...) that have attributes."""
        return self.paired(self.mixed(x), attributes)


def product(path: Path, x: jax.Array, attributes: Attributes) -> jax.Array:
    """Clebsch-Gordan product (C, 2 l3 + 1, ...) of features (C, 2 l1 + 1, ...) and attributes."""
    if path[1] == 0:
        return x
    rows = zip(jnp.split(x, 2 * path[0] + 1, 1), attributes[name(path)], strict=True)
    return sum(row * matrix for row, matrix in rows)


def couplings(harmonic: list[jax.Array], lmax: int) -> Attributes:
    """Attributes from harmonics (B, 2 l + 1, ...) by degree: for each path up to `lmax` the matrix
    (B, 2 l1 + 1, 2 l3 + 1, ...) with which it multiplies features, the harmonics times the Wigner
    3j tensor."""
    widths, found = dict.fromkeys(range(lmax + 1), 1), {}
    for l1, l2, l3 in paths(widths, lmax, widths):
        if l2:
            tensor = jnp.asarray((2 * l3 + 1) ** 0.5 * wigner_3j(l1, l2, l3), harmonic[l2].dtype)
            found[name((l1, l2, l3))] = jnp.einsum("mkn,bk...->bmn...", tensor, harmonic[l2])
    return found


def gated(widths: Widths) -> Widths:
    """The channels that a gate takes: one more scalar for each feature of higher degree."""
    return widths | {0: sum(widths.values())}


def gate(x: Features, widths: Widths) -> Features:
    """Scalars through SiLU; features of higher degree times the logistic function of their gates."""
    ends = np.cumsum(list(widths.values()))[:-1]
    scalars, *gates = jnp.split(x[0], ends)
    higher = zip(list(widths)[1:], gates, strict=True)
    return {0: silu(scalars)} | {degree: x[degree] * jax.nn.sigmoid(g) for degree, g in higher}
