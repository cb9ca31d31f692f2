"""Forward-mode derivatives of JAX networks, compiled once for output, layers and directions."""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np

from equitraj.data.features import Shape
from equitraj.models import _irreps
from equitraj.prediction import predictor
from equitraj.training.method import Method


def network(method: Method, shape: Shape, arrays: dict[str, np.ndarray]) -> Callable:
    """Return the method's network with these weights in float64."""
    return predictor.jax_network(method, shape, arrays, "float64")


def generators(degree: int) -> np.ndarray:
    """Return the generators (3, 2 l + 1, 2 l + 1) of a degree l in e3nn's basis.

    JAX networks use this basis for features of higher degree.
    """
    return _irreps.generators(degree)


def linearised(
    network: Callable,
    inputs: dict[str, np.ndarray],
    tangents: dict[str, np.ndarray],
    layers: Callable | None,
) -> tuple:
    """Return output and layers of `layers(network, inputs)`, and their derivatives.

    Without `layers` there are the output and {}. The inputs and the values are (B, ...), the
    tangents and the derivatives along them (G, B, ...).
    """
    n_samples, n_points = inputs["position"].shape[:2]
    size = predictor.samples_in_call(n_points, "adjacency" in inputs)
    n_generators = len(tangents["position"])
    values = []
    changes = []
    for start in range(0, n_samples, size):
        # every chunk has the same size, so that it is compiled once
        index = np.minimum(np.arange(start, start + size), n_samples - 1)
        chunk = {name: array[index] for name, array in inputs.items()}
        derivatives = []
        for g in range(n_generators):
            along = {name: array[g][index] for name, array in tangents.items()}
            value, derivative = _compiled(network, chunk, along, layers)
            derivatives.append(derivative)
        values.append(value)
        changes.append(jax.tree.map(_stacked, *derivatives))
    value = jax.tree.map(lambda *parts: np.concatenate(parts)[:n_samples], *values)
    change = jax.tree.map(lambda *parts: np.concatenate(parts, 1)[:, :n_samples], *changes)
    return value, change


def _stacked(*parts: np.ndarray) -> np.ndarray:
    return np.stack(parts)


@eqx.filter_jit
def _compiled(network: Callable, inputs: dict, tangents: dict, layers: Callable | None) -> tuple:
    still = {name: array for name, array in inputs.items() if name not in tangents}
    point = {name: inputs[name] for name in tangents}

    def run(moving: dict) -> tuple:
        if layers is None:
            return network(still | moving), {}
        return layers(network, still | moving)

    return jax.jvp(run, (point,), (tangents,))
