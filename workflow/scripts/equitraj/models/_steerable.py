"""Steerable maps on columns: features by degree l are (channels, 2 l + 1, points or pairs, batch), of parity (-1)^l.

A steerable linear map is the Clebsch-Gordan product of features with attributes (one channel of each degree), with a
weight for each pair of channels and each path of degrees (Brandstetter et al., ICLR 2022, eq. 8). It is linear in the
features, so it is done in two steps: a matrix for each path, which may be applied to points, and a contraction with the
attributes of the pairs that these points are part of.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._columns import product, silu
from equitraj.models._irreps import wigner_3j

Features = dict[int, jax.Array]
Widths = dict[int, int]  # channels of each degree
Path = tuple[int, int, int]


def paths(widths: Widths, lmax: int, out: Widths) -> list[Path]:
    """Degrees (features, attributes up to `lmax`, products) whose product has a weight; l1 + l2 + l3 is even, because
    all have parity (-1)^l."""
    return [
        (l1, l2, l3)
        for l3 in out
        for l1 in widths
        for l2 in range(abs(l1 - l3), min(l1 + l3, lmax) + 1)
        if (l1 + l2 + l3) % 2 == 0
    ]


class Steerable(eqx.Module):
    """The weights of a steerable linear map, by the degree of its features; those of the paths are stacked."""

    weights: dict[str, jax.Array]
    bias: jax.Array | None
    paths: tuple[Path, ...] = eqx.field(static=True)
    out: tuple[tuple[int, int], ...] = eqx.field(static=True)

    def __init__(self, widths: Widths, lmax: int, out: Widths, key: jax.Array, bias: bool = True) -> None:
        self.paths, self.out = tuple(paths(widths, lmax, out)), tuple(out.items())
        fan = {l3: sum(widths[path[0]] for path in self.paths if path[2] == l3) for l3 in out}
        self.weights = {}
        for (l1, width), one in zip(widths.items(), jax.random.split(key, len(widths)), strict=True):
            scale = [np.full(out[l3], fan[l3] ** -0.5) for first, _, l3 in self.paths if first == l1]
            if scale:
                scale = jnp.asarray(np.concatenate(scale))
                self.weights[str(l1)] = scale[:, None] * jax.random.normal(one, (len(scale), width))
        self.bias = jnp.zeros(out[0]) if bias and 0 in out else None

    def mixed(self, x: Features) -> dict[Path, jax.Array]:
        """The features' channels mixed, for each path (C_out, 2 l1 + 1, ...)."""
        out, found = dict(self.out), {}
        for l1, weight in self.weights.items():
            own = [path for path in self.paths if path[0] == int(l1)]
            ends = np.cumsum([out[l3] for *_, l3 in own])[:-1]
            found |= zip(own, jnp.split(product(weight, x[int(l1)]), ends), strict=True)
        return found

    def contracted(self, mixed: dict[Path, jax.Array], attributes: Features) -> Features:
        """Clebsch-Gordan products of what `mixed` gave and attributes (2 l + 1, ...), summed over paths."""
        found = {}
        for degree, _ in self.out:
            rows = [
                sum(component(path, mixed[path], attributes, n) for path in self.paths if path[2] == degree)
                for n in range(2 * degree + 1)
            ]
            found[degree] = jnp.stack(rows, 1)
        if self.bias is not None:
            found[0] = found[0] + self.bias.reshape(-1, *[1] * (found[0].ndim - 1))
        return found

    def __call__(self, x: Features, attributes: Features) -> Features:
        """The map of features (C, 2 l + 1, ...) and attributes (2 l + 1, ...)."""
        return self.contracted(self.mixed(x), attributes)


def component(path: Path, x: jax.Array, attributes: Features, n: int) -> jax.Array:
    """Component n (C, ...) of the product of features (C, 2 l1 + 1, ...) and attributes: a sum over the few entries of
    the Wigner 3j tensor that are not zero."""
    l1, l2, l3 = path
    tensor = (2 * l3 + 1) ** 0.5 * wigner_3j(l1, l2, l3)[..., n]
    terms = [(float(tensor[m, k]), m, k) for m, k in np.argwhere(np.abs(tensor) > 1e-12)]
    return sum(factor * (attributes[l2][k] * x[:, m] if l2 else x[:, m]) for factor, m, k in terms)


def gated(widths: Widths) -> Widths:
    """The channels that a gate takes: one more scalar for each feature of higher degree."""
    return widths | {0: sum(widths.values())}


def gate(x: Features, widths: Widths) -> Features:
    """Scalars through SiLU; features of higher degree times the logistic function of their gates."""
    ends = np.cumsum(list(widths.values()))[:-1]
    scalars, *gates = jnp.split(x[0], ends)
    higher = zip(list(widths)[1:], gates, strict=True)
    return {0: silu(scalars)} | {degree: x[degree] * jax.nn.sigmoid(g) for degree, g in higher}
