"""A multilayer perceptron on all coordinates and displacements at once, without any built-in
symmetry."""

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
    """The model claims no symmetry."""
    return {"rotation": False, "reflection": False, "translation": False, "permutation": False}


class Network(eqx.Module):
    """A map from standardised positions and displacements of all points to residuals of all
    points."""

    mlp: eqx.nn.MLP
    mean: tuple[float, ...]
    scale: float
    # twice as fast; compilation takes a third longer
    compiler_options: ClassVar = {"xla_cpu_use_fusion_emitters": True}

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from `position` (B, N, 3), `displacement` (B, K - 1, N, 3) and `scalar` (B, N,
        F) if any."""
        position = inputs["position"]
        mean = jnp.stack([jnp.asarray(m, position.dtype) for m in self.mean])
        standardised = (position - mean) / self.scale
        parts = [standardised, inputs["displacement"]]
        if "scalar" in inputs:
            parts.append(inputs["scalar"])
        flat = [part.reshape(len(position), -1) for part in parts]
        features = jnp.concatenate(flat, axis=1)
        residual = jax.vmap(self.mlp)(features)
        return residual.reshape(position.shape)


def build(hyperparameters: Hyperparameters, shape: Shape, key: jax.Array) -> Network:
    """A network for samples of this shape, with weights drawn from `key`."""
    n_features = 3 * (1 + shape.n_displacements) + shape.n_scalars
    mlp = eqx.nn.MLP(
        in_size=shape.n_points * n_features,
        out_size=3 * shape.n_points,
        width_size=hyperparameters.width,
        depth=hyperparameters.depth,
        activation=jax.nn.silu,
        key=key,
    )
    statistics = shape.statistics
    return Network(mlp, statistics.position_mean, statistics.position_scale)
