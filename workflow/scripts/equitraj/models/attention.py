"""A transformer over points. Its only built-in symmetry is the permutation of points.

A token is a point: its position, displacements and features. In each block every point attends to
all, which is equivariant under permutations as long as no token has a positional encoding (Vaswani
et al., NeurIPS 2017, without that encoding; Lee et al., Set Transformer, ICML 2019, the block SAB,
eqs. 5 to 7). Layers are normalised before each part of a block (Xiong et al., ICML 2020). The bond
of a pair of points and functions of its distance are added to its scores, with weights of each head
(Ying et al., Graphormer, NeurIPS 2021, eq. 6). Tokens, and so values, are coordinates: translations
are left to the method's alignment, and rotations to the data.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox.nn import Linear

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scaled, silu
from equitraj.models._prepared import Prepared
from equitraj.models._radial import near_gaussians
from equitraj.models._stacked import stacked, through

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of a point; heads of the attention, each with width / heads
    features, rounded up; layers, number of blocks; basis, Gaussians of the distance that add to
    scores, 0 for none."""

    width: Annotated[int, Range(1, 16_384)] = 32
    heads: Annotated[int, Range(1, 1024)] = 4
    layers: Annotated[int, Range(1, 64)] = 2
    basis: Annotated[int, Range(0, 1024)] = 8


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims permutations."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": True}


def normalised(x: jax.Array) -> jax.Array:
    """Columns (W, ...) with mean 0 and variance 1 over the features (Ba et al., 2016), without
    weights, which the next layer has."""
    centred = x - x.mean(0)
    variance = jnp.square(centred).mean(0)
    return centred * jax.lax.rsqrt(variance + 1e-5)


class Block(eqx.Module):
    """Attention to all points, then a perceptron at each: features (W, N, B) to new ones."""

    query_key_value: Linear
    joined: Linear
    pair: Linear
    hidden: Linear
    out: Linear

    def __init__(self, width: int, heads: int, n_pair: int, key: jax.Array) -> None:
        qkv_key, joined_key, pair_key, hidden_key, out_key = jax.random.split(key, 5)
        per_head = -(-width // heads)  # rounded up
        inner = heads * per_head
        self.query_key_value = Linear(width, 3 * inner, key=qkv_key)
        self.joined = Linear(inner, width, key=joined_key)
        self.pair = Linear(n_pair, heads, use_bias=False, key=pair_key)
        self.hidden = Linear(width, 2 * width, key=hidden_key)
        self.out = Linear(2 * width, width, key=out_key)

    def __call__(self, h: jax.Array, pairs: jax.Array) -> jax.Array:
        """New features (W, N, B) from features of that shape and `pairs` (P, N, N, B), the bonds
        and functions of the distances."""
        tokens = normalised(h)
        bias = linear(self.pair, pairs)
        h = h + linear(self.joined, self.attend(tokens, bias))
        hidden = linear(self.hidden, normalised(h))
        return h + linear(self.out, silu(hidden))

    def attend(self, h: jax.Array, bias: jax.Array) -> jax.Array:
        """Means (W', N, B) of the values of all points, head by head, weighted by the softmax of
        their scores."""
        heads = len(bias)
        points = h.shape[1:]
        by_head = linear(self.query_key_value, h).reshape(3, heads, -1, *points)
        query, key, value = by_head
        score = jnp.einsum("hcib,hcjb->hijb", query, key) / query.shape[1] ** 0.5
        weight = jax.nn.softmax(score + bias, axis=2)
        mean = jnp.einsum("hijb,hcjb->hcib", weight, value)
        return mean.reshape(-1, *points)


class Network(Prepared):
    """Blocks on tokens of points; `blocks` holds the weights of all blocks along a first axis."""

    embed: Linear
    blocks: Block
    output: Linear
    mean: tuple[float, ...]
    scale: float
    extent: float
    basis: int = eqx.field(static=True)
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}  # a tenth faster

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights: `token` (B, 3 (1 + V) + F, N), `pair` (B, 1 +
        basis, N, N)."""
        position = inputs["position"]
        mean = jnp.stack([jnp.asarray(m, position.dtype) for m in self.mean])
        standardised = (position - mean) / self.scale
        displacements = jnp.moveaxis(inputs["displacement"], 1, 0)
        parts = [standardised, *displacements]
        if "scalar" in inputs:
            parts.append(inputs["scalar"])
        pair = inputs["adjacency"][:, None]
        if self.basis:
            functions = self._functions(position)
            pair = jnp.concatenate([pair, functions], axis=1)
        token = jnp.concatenate(parts, axis=-1)
        return {
            "token": token.swapaxes(1, 2),
            "pair": pair,
        }

    def _functions(self, position: jax.Array) -> jax.Array:
        """Functions (B, basis, N, N) of the distances between positions (B, N, 3)."""
        apart = position[:, :, None] - position[:, None]
        distance = jnp.linalg.norm(apart, axis=-1) / self.extent
        functions = near_gaussians(distance, self.basis)
        return jnp.moveaxis(functions, 0, 1)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        token = jnp.moveaxis(prepared["token"], 0, -1)
        pair = jnp.moveaxis(prepared["pair"], 0, -1)
        start = linear(self.embed, token)
        h = through(self.blocks, start, pair)
        out = linear(self.output, normalised(h))
        return jnp.moveaxis(out, -1, 0).swapaxes(1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    h = hyperparameters
    embed_key, block_key, output_key = jax.random.split(key, 3)
    block = partial(Block, h.width, h.heads, 1 + h.basis)
    blocks = stacked(block, h.layers, block_key)
    n_features = 3 * (1 + shape.n_displacements) + shape.n_scalars
    embed = Linear(n_features, h.width, key=embed_key)
    # the first prediction is small compared with the extrapolation that it is added to
    output = scaled(Linear(h.width, 3, key=output_key), 0.1)
    statistics = shape.statistics
    return Network(
        embed=embed,
        blocks=blocks,
        output=output,
        mean=statistics.position_mean,
        scale=statistics.position_scale,
        extent=statistics.extent,
        basis=h.basis,
    )
