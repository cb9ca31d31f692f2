"""Forward-mode derivatives of JAX networks, compiled once for output and layers and for every
direction."""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np

from equitraj.data.features import Shape
from equitraj.models import _irreps
from equitraj.prediction import predictor
from equitraj.training.jax import with_arrays
from equitraj.training.method import Method


def network(method: Method, shape: Shape, arrays: dict[str, np.ndarray]) -> eqx.Module:
    """The method's network with these weights in float64."""
    return with_arrays(predictor._jax_network(predictor._built(method), shape), arrays, "float64")


def generators(degree: int) -> np.ndarray:
    """(3, 2 l + 1, 2 l + 1) in e3nn's basis, in which a JAX network shows its features of higher
    degree."""
    return _irreps.generators(degree)


def linearised(
    network: eqx.Module,
    inputs: dict[str, np.ndarray],
    tangents: dict[str, np.ndarray],
    layers: Callable | None,
) -> tuple:
    """Output and layers of `layers(network, inputs)`, or the output alone and {}, and their
    derivatives.

    The values (B, ...) are those at the inputs (B, ...), the derivatives (G, B, ...) along tangents
    (G, B, ...).
    """
    n_samples, n_points = inputs["position"].shape[:2]
    parts, size = [], predictor.samples_in_call(n_points, "adjacency" in inputs)
    for start in range(0, n_samples, size):
        # every chunk has the same size, so that it is compiled once
        index = np.minimum(np.arange(start, start + size), n_samples - 1)
        chunk, moved = (
            {k: v[index] for k, v in inputs.items()},
            {k: v[:, index] for k, v in tangents.items()},
        )
        along = range(len(tangents["position"]))
        parts.append(
            [_compiled(network, chunk, {k: v[g] for k, v in moved.items()}, layers) for g in along]
        )
    value = jax.tree.map(lambda *p: np.concatenate(p)[:n_samples], *(part[0][0] for part in parts))
    changes = [[change for _, change in part] for part in parts]
    stacked = [jax.tree.map(lambda *p: np.stack(p), *change) for change in changes]
    return value, jax.tree.map(lambda *p: np.concatenate(p, 1)[:, :n_samples], *stacked)


@eqx.filter_jit
def _compiled(network: eqx.Module, inputs: dict, tangents: dict, layers: Callable | None) -> tuple:
    still = {k: v for k, v in inputs.items() if k not in tangents}
    apply = layers or (lambda network, inputs: (network(inputs), {}))
    run = lambda moving: apply(network, still | moving)  # noqa: E731
    return jax.jvp(run, ({k: inputs[k] for k in tangents},), (tangents,))
