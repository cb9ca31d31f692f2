"""JAX networks with weights drawn anew, so that each of them counts: some are zero or small at
first."""

from types import ModuleType

import equinox as eqx
import jax
import numpy as np

from equitraj.data.features import Shape


def drawn(model: ModuleType, shape: Shape, dtype: str = "float64", **options) -> eqx.Module:
    """A network of weights whose variance is one over the number of their inputs; nothing is
    compiled for it."""
    planned = eqx.filter_eval_shape(
        model.build, model.Hyperparameters(**options), shape, jax.random.key(0)
    )
    rng = np.random.default_rng(1)
    is_weight = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)  # noqa: E731
    weights, rest = eqx.partition(planned, is_weight)
    draw = lambda w: jax.device_put((rng.normal(size=w.shape) / w.shape[-1] ** 0.5).astype(dtype))  # noqa: E731
    return eqx.combine(jax.tree.map(draw, weights), rest)


apply = eqx.filter_jit(lambda network, inputs: network(inputs))
