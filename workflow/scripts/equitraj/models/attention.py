"""A transformer over points, which knows of no geometry but that points may be renamed.

A token is a point: its position, displacements and features. In each block every point attends to all, which is
equivariant under permutations as long as no token is told its place (Vaswani et al., NeurIPS 2017, without positional
encoding; Lee et al., Set Transformer, ICML 2019, the block SAB, eqs. 5 to 7). Layers are normalised before each part of
a block (Xiong et al., ICML 2020). A bond adds a learned number to the scores of its two points in each head (Ying et
al., Graphormer, NeurIPS 2021, eq. 6). Tokens hold coordinates, so that translations belong to the method's alignment.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape
from equitraj.models._columns import linear, scaled, silu

FRAMEWORK = "jax"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, features of a point, a multiple of heads; heads of the attention; layers, number of blocks."""

    width: Annotated[int, Range(1, 16_384)] = 32
    heads: Annotated[int, Range(1, 1024)] = 4
    layers: Annotated[int, Range(1, 64)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"attention: width: {self.width}; expected a multiple of the {self.heads} heads")


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Permutations."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": True}


def normalised(x: jax.Array) -> jax.Array:
    """Columns (W, ...) with mean 0 and variance 1 over the features (Ba et al., 2016); what follows has weights."""
    x = x - x.mean(0)
    return x * jax.lax.rsqrt(jnp.square(x).mean(0) + 1e-5)


class Block(eqx.Module):
    """Attention to all points, then a perceptron at each: features (W, N, B) to new ones."""

    query_key_value: eqx.nn.Linear
    joined: eqx.nn.Linear
    bond: jax.Array
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, width: int, heads: int, key: jax.Array) -> None:
        keys = jax.random.split(key, 4)
        self.query_key_value = eqx.nn.Linear(width, 3 * width, key=keys[0])
        self.joined = eqx.nn.Linear(width, width, key=keys[1])
        self.bond = jnp.zeros(heads)
        self.hidden = eqx.nn.Linear(width, 2 * width, key=keys[2])
        self.out = eqx.nn.Linear(2 * width, width, key=keys[3])

    def __call__(self, h: jax.Array, adjacency: jax.Array) -> jax.Array:
        """Features (W, N, B) to new ones; `adjacency` (N, N, B)."""
        h = h + linear(self.joined, self.attend(normalised(h), adjacency))
        return h + linear(self.out, silu(linear(self.hidden, normalised(h))))

    def attend(self, h: jax.Array, adjacency: jax.Array) -> jax.Array:
        """Means (W, N, B) of the values of all points, weighted by the softmax of their scores."""
        heads, points = len(self.bond), h.shape[1:]
        query, key, value = linear(self.query_key_value, h).reshape(3, heads, -1, *points)
        score = jnp.einsum("hcib,hcjb->hijb", query, key) / query.shape[1] ** 0.5
        weight = jax.nn.softmax(score + self.bond[:, None, None, None] * adjacency, axis=2)
        return jnp.einsum("hijb,hcjb->hcib", weight, value).reshape(-1, *points)


class Network(eqx.Module):
    """Blocks on tokens of points; `blocks` holds the weights of all blocks along a first axis."""

    embed: eqx.nn.Linear
    blocks: Block
    output: eqx.nn.Linear
    mean: tuple[float, ...]
    scale: float
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def tokens(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(3 (1 + V) + F, N, B): standardised position, displacements and features of each point."""
        position = inputs["position"]
        position = (position - jnp.stack([jnp.asarray(m, position.dtype) for m in self.mean])) / self.scale
        past = jnp.moveaxis(inputs["displacement"], 1, 0)
        scalar = [inputs["scalar"]] if "scalar" in inputs else []
        parts = [position, *past, *scalar]
        return jnp.moveaxis(jnp.concatenate(parts, axis=-1), 0, -1).swapaxes(0, 1)

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        adjacency = jnp.moveaxis(inputs["adjacency"], 0, -1)
        weights, static = eqx.partition(self.blocks, eqx.is_array)

        def step(h: jax.Array, block: Block) -> tuple:
            return eqx.combine(block, static)(h, adjacency), None

        h, _ = jax.lax.scan(step, linear(self.embed, self.tokens(inputs)), weights)
        return jnp.moveaxis(linear(self.output, normalised(h)), -1, 0).swapaxes(1, 2)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    embed_key, block_key, output_key = jax.random.split(key, 3)
    width, heads, statistics = hyperparameters.width, hyperparameters.heads, shape.statistics
    blocks = eqx.filter_vmap(lambda k: Block(width, heads, k))(jax.random.split(block_key, hyperparameters.layers))
    embed = eqx.nn.Linear(3 * (1 + shape.n_displacements) + shape.n_scalars, width, key=embed_key)
    # the first prediction is small beside the extrapolation that it is added to
    output = scaled(eqx.nn.Linear(width, 3, key=output_key), 0.1)
    return Network(embed, blocks, output, statistics.position_mean, statistics.position_scale)
