"""A transformer over points, which knows of no geometry but that points may be renamed.

A token is a point: its position, displacements and features. In each block every point attends to
all, which is equivariant under permutations as long as no token is told its place (Vaswani et al.,
NeurIPS 2017, without positional encoding; Lee et al., Set Transformer, ICML 2019, the block SAB,
eqs. 5 to 7). Layers are normalised before each part of a block (Xiong et al., ICML 2020). What a
pair of points is to each other, their bond and functions of their distance, is added to its scores
with weights of each head (Ying et al., Graphormer, NeurIPS 2021, eq. 6). Tokens and so values are
coordinates: translations are left to the method's alignment, and rotations to the data.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scaled, silu
from equitraj.models._prepared import Prepared
from equitraj.models._radial import near_gaussians

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of a point; heads of the attention, which share them, rounded up;
    layers, number of blocks; basis, Gaussians of the distance that add to scores, 0 for none."""

    width: Annotated[int, Range(1, 16_384)] = 32
    heads: Annotated[int, Range(1, 1024)] = 4
    layers: Annotated[int, Range(1, 64)] = 2
    basis: Annotated[int, Range(0, 1024)] = 8


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Permutations."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": True}


def normalised(x: jax.Array) -> jax.Array:
    """Columns (W, ...) with mean 0 and variance 1 over the features (Ba et al., 2016); what follows
    has weights."""
    x = x - x.mean(0)
    return x * jax.lax.rsqrt(jnp.square(x).mean(0) + 1e-5)


class Block(eqx.Module):
    """Attention to all points, then a perceptron at each: features (W, N, B) to new ones."""

    query_key_value: eqx.nn.Linear
    joined: eqx.nn.Linear
    pair: eqx.nn.Linear
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, width: int, heads: int, n_pair: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 5)
        inner = heads * -(-width // heads)
        self.query_key_value = eqx.nn.Linear(width, 3 * inner, key=keys[0])
        self.joined = eqx.nn.Linear(inner, width, key=keys[1])
        self.pair = eqx.nn.Linear(n_pair, heads, use_bias=False, key=keys[2])
        self.hidden = eqx.nn.Linear(width, 2 * width, key=keys[3])
        self.out = eqx.nn.Linear(2 * width, width, key=keys[4])

    def __call__(self, h: jax.Array, pairs: jax.Array) -> jax.Array:
        """Features (W, N, B) to new ones; `pairs` (P, N, N, B), what pairs are to each other."""
        h = h + linear(self.joined, self.attend(normalised(h), linear(self.pair, pairs)))
        return h + linear(self.out, silu(linear(self.hidden, normalised(h))))

    def attend(self, h: jax.Array, bias: jax.Array) -> jax.Array:
        """Means (W', N, B) of the values of all points, head by head, weighted by the softmax of
        their scores."""
        heads, points = len(bias), h.shape[1:]
        query, key, value = linear(self.query_key_value, h).reshape(3, heads, -1, *points)
        score = jnp.einsum("hcib,hcjb->hijb", query, key) / query.shape[1] ** 0.5
        weight = jax.nn.softmax(score + bias, axis=2)
        return jnp.einsum("hijb,hcjb->hcib", weight, value).reshape(-1, *points)


class Network(Prepared):
    """Blocks on tokens of points; `blocks` holds the weights of all blocks along a first axis."""

    embed: eqx.nn.Linear
    blocks: Block
    output: eqx.nn.Linear
    mean: tuple[float, ...]
    scale: float
    extent: float
    basis: int = eqx.field(static=True)
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}  # a tenth faster

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights: `token` (B, 3 (1 + V) + F, N), `pair` (B, 1 + basis, N,
        N)."""
        position = inputs["position"]
        mean = jnp.stack([jnp.asarray(m, position.dtype) for m in self.mean])
        scalar = [inputs["scalar"]] if "scalar" in inputs else []
        token = [
            (position - mean) / self.scale,
            *jnp.moveaxis(inputs["displacement"], 1, 0),
            *scalar,
        ]
        pair = inputs["adjacency"][:, None]
        if self.basis:
            apart = jnp.linalg.norm(position[:, :, None] - position[:, None], axis=-1) / self.extent
            pair = jnp.concatenate(
                [pair, jnp.moveaxis(near_gaussians(apart, self.basis), 0, 1)], axis=1
            )
        return {"token": jnp.concatenate(token, axis=-1).swapaxes(1, 2), "pair": pair}

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        token, pair = (jnp.moveaxis(prepared[name], 0, -1) for name in ("token", "pair"))
        weights, static = eqx.partition(self.blocks, eqx.is_array)

        def step(h: jax.Array, block: Block) -> tuple:
            return eqx.combine(block, static)(h, pair), None

        h, _ = jax.lax.scan(step, linear(self.embed, token), weights)
        return jnp.moveaxis(linear(self.output, normalised(h)), -1, 0).swapaxes(1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, block_key, output_key = jax.random.split(key, 3)
    width, heads, basis = hyperparameters.width, hyperparameters.heads, hyperparameters.basis
    make = eqx.filter_vmap(lambda k: Block(width, heads, 1 + basis, k))
    blocks = make(jax.random.split(block_key, hyperparameters.layers))
    embed = eqx.nn.Linear(3 * (1 + shape.n_displacements) + shape.n_scalars, width, key=embed_key)
    # the first prediction is small beside the extrapolation that it is added to
    output = scaled(eqx.nn.Linear(width, 3, key=output_key), 0.1)
    known = shape.statistics
    return Network(
        embed, blocks, output, known.position_mean, known.position_scale, known.extent, basis
    )
