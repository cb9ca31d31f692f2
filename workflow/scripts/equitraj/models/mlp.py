"""A multilayer perceptron on all coordinates and displacements at once: it knows of no symmetry."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from equitraj.base.allowed import Checked, Range
from equitraj.data.features import Shape

FRAMEWORK = "jax"


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: width, units in each hidden layer; depth, number of hidden layers."""

    width: Annotated[int, Range(1, 16_384)] = 128
    depth: Annotated[int, Range(0, 64)] = 2


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """None."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": False}


class Network(eqx.Module):
    """Standardised positions and displacements of all points in, residuals of all points out."""

    mlp: eqx.nn.MLP
    mean: tuple[float, ...]
    scale: float
    compiler_options: ClassVar = {
        "xla_cpu_use_fusion_emitters": True
    }  # twice as fast, compiled a third longer

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from `position` (B, N, 3), `displacement` (B, K - 1, N, 3) and `scalar` (B, N,
        F) if any."""
        position = (
            inputs["position"]
            - jnp.stack([jnp.asarray(m, inputs["position"].dtype) for m in self.mean])
        ) / self.scale
        parts = [
            position,
            inputs["displacement"],
            *([inputs["scalar"]] if "scalar" in inputs else []),
        ]
        flat = jnp.concatenate([part.reshape(len(position), -1) for part in parts], axis=1)
        return jax.vmap(self.mlp)(flat).reshape(position.shape)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    n_inputs = shape.n_points * (3 * (1 + shape.n_displacements) + shape.n_scalars)
    mlp = eqx.nn.MLP(
        n_inputs,
        3 * shape.n_points,
        hyperparameters.width,
        hyperparameters.depth,
        jax.nn.silu,
        key=key,
    )
    return Network(mlp, shape.statistics.position_mean, shape.statistics.position_scale)
