"""The chapter's network in e3nn-jax as it is: its own harmonics, tensor product, linear maps and
gate, on all pairs."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np

OUT = e3nn.Irreps("1x1o")
LMAX, LAYERS, RADIUS, BASIS, NEURONS, POINTS = 3, 3, 3.5, 10, 128, 12
SENDERS, RECEIVERS = (index.astype(np.int32) for index in np.nonzero(~np.eye(POINTS, dtype=bool)))


class Network(NamedTuple):
    """Attributes: init, a key to weights; apply, weights and positions (N, 3) to displacements (N,
    3)."""

    init: Callable
    apply: Callable


class Maps(NamedTuple):
    """Linear maps of a layer: of a point's own features, before and after the sum over its
    neighbours; and the number of channels that a message has."""

    own: e3nn.FunctionalLinear
    inner: e3nn.FunctionalLinear
    outer: e3nn.FunctionalLinear
    channels: int


def maps(irreps: e3nn.Irreps, out: e3nn.Irreps) -> Maps:
    """The maps of a convolution from `irreps` to `out`."""
    harmonics = e3nn.Irreps.spherical_harmonics(LMAX)
    sent = e3nn.tensor_product(irreps, harmonics, filter_ir_out=[ir for _, ir in out]).regroup()
    linear = e3nn.FunctionalLinear
    return Maps(linear(irreps, out), linear(irreps, irreps), linear(sent, out), sent.num_irreps)


def draw(key: jax.Array, layer: Maps) -> dict:
    """Weights of a layer."""
    keys = iter(jax.random.split(key, 64))
    weights = {
        name: [
            jax.random.normal(next(keys), i.path_shape) * i.weight_std
            for i in getattr(layer, name).instructions
        ]
        for name in ("own", "inner", "outer")
    }
    return weights | {
        "radial": [
            jax.random.normal(next(keys), (BASIS, NEURONS)) / BASIS**0.5,
            jax.random.normal(next(keys), (NEURONS, layer.channels)) / NEURONS**0.5,
        ]
    }


def convolve(
    layer: Maps, weights: dict, x: e3nn.IrrepsArray, harmonics: e3nn.IrrepsArray, basis: jax.Array
):
    """A convolution of features of points, with what depends on pairs."""
    mixed = (
        e3nn.normalize_function(jax.nn.silu)(basis @ weights["radial"][0]) @ weights["radial"][1]
    )
    out = [ir for _, ir in layer.outer.irreps_out]
    linear = {
        name: jax.vmap(partial(getattr(layer, name), weights[name]))
        for name in ("own", "inner", "outer")
    }
    sent = e3nn.tensor_product(linear["inner"](x)[SENDERS], harmonics, filter_ir_out=out).regroup()
    summed = e3nn.scatter_sum(sent * mixed, dst=RECEIVERS, output_size=POINTS) / (POINTS - 1) ** 0.5
    return linear["own"](x) + linear["outer"](summed)


def before_gate(irreps: e3nn.Irreps) -> e3nn.Irreps:
    """Five of each hidden scalar and vector that a convolution of `irreps` can reach, and the
    vectors' gates."""
    reached = [ir for _, ir in e3nn.tensor_product(irreps, e3nn.Irreps.spherical_harmonics(LMAX))]
    scalars, vectors = (
        [f"5x{ir}" for ir in both if ir in reached] for both in (("0e", "0o"), ("1e", "1o"))
    )
    return e3nn.Irreps(" + ".join([*scalars, f"{5 * len(vectors)}x0e", *vectors]))


def network() -> Network:
    """Gated convolutions and a last one to a vector."""
    layers, irreps = [], e3nn.Irreps("0e")
    for _ in range(LAYERS):
        gated = before_gate(irreps)
        layers.append(maps(irreps, gated))
        irreps = e3nn.gate(e3nn.IrrepsArray(gated, jnp.zeros(gated.dim))).irreps
    layers.append(maps(irreps, OUT))

    def apply(weights: list, position: jax.Array) -> jax.Array:
        vector = position[SENDERS] - position[RECEIVERS]
        length = jnp.linalg.norm(vector, axis=1)
        harmonics = e3nn.spherical_harmonics(
            range(LMAX + 1), e3nn.IrrepsArray("1o", vector), True, "component"
        )
        harmonics = harmonics * e3nn.soft_envelope(length, RADIUS)[:, None]
        basis = e3nn.soft_one_hot_linspace(
            length, start=0.0, end=RADIUS, number=BASIS, basis="gaussian", cutoff=False
        )
        x = e3nn.IrrepsArray("0e", jnp.ones((POINTS, 1)))
        for i, (layer, own) in enumerate(zip(layers, weights, strict=True)):
            x = convolve(layer, own, x, harmonics, basis * BASIS**0.5)
            x = e3nn.gate(x) if i < LAYERS else x
        return x.array

    def init(key: jax.Array) -> list[dict]:
        return [
            draw(own, layer)
            for own, layer in zip(jax.random.split(key, len(layers)), layers, strict=True)
        ]

    return Network(init, apply)
