"""Forward-mode derivatives of torch networks, dense or on graphs.

The edges of graphs do not change: which points are neighbours is piecewise constant.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from e3nn import o3
from torch.utils._pytree import tree_map

from equitraj.data.features import Shape
from equitraj.prediction import predictor
from equitraj.training.dense import is_dense, tensors
from equitraj.training.method import Method
from equitraj.training.torch import set_arrays


def network(method: Method, shape: Shape, arrays: dict[str, np.ndarray]) -> torch.nn.Module:
    """Return the method's network with these weights in float64."""
    shared = predictor.torch_network(method, shape, "float64")
    own = copy.deepcopy(shared)
    set_arrays(own, arrays)
    return own


def generators(degree: int) -> np.ndarray:
    """Return the generators (3, 2 l + 1, 2 l + 1) of a degree l (x, y, z) in e3nn's basis."""
    torch.set_default_dtype(torch.float64)
    tensor = o3.so3_generators(degree)
    return tensor.numpy()


@torch.no_grad()
def linearised(
    network: torch.nn.Module,
    inputs: dict[str, np.ndarray],
    tangents: dict[str, np.ndarray],
    layers: Callable | None,
) -> tuple:
    """Return output and layers of `layers(network, graph)`, and their derivatives.

    Without `layers` there are the output and {}. The inputs and the values are (B, ...), the
    tangents and the derivatives along them (G, B, ...).
    """
    torch.set_default_dtype(torch.float64)
    n_samples, n_points = inputs["position"].shape[:2]
    size = predictor.samples_in_call(n_points, "adjacency" in inputs)
    values = []
    changes = []
    for start in range(0, n_samples, size):
        chunk = slice(start, start + size)
        part = {name: array[chunk] for name, array in inputs.items()}
        along = {name: array[:, chunk] for name, array in tangents.items()}
        value, change = _linearised(network, part, along, layers)
        values.append(value)
        changes.append(change)
    return tree_map(_joined, *values), tree_map(_joined_changes, *changes)


def _joined(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


def _joined_changes(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts, 1)


def _linearised(
    network: torch.nn.Module, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    prepare = _dense if is_dense(network) else _on_graphs
    run, at, along = prepare(network, inputs, tangents, layers)

    def derivative(*step: torch.Tensor) -> tuple:
        outputs = torch.func.jvp(run, at, step)
        return outputs[1]

    change = torch.vmap(derivative)(*along)
    leading = inputs["position"].shape[:2]

    def by_sample(value: torch.Tensor) -> np.ndarray:
        return value.numpy().reshape(*leading, *value.shape[1:])

    def by_direction(value: torch.Tensor) -> np.ndarray:
        return value.numpy().reshape(len(value), *leading, *value.shape[2:])

    return tree_map(by_sample, run(*at)), tree_map(by_direction, change)


def _on_graphs(
    network: predictor.Network, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    """Return a function of the moving tensors, these tensors, and their tangents (G, ...).

    The function returns output and layers.
    """
    graph = network.batch(inputs)
    names = [name for name in ("pos", "x") if getattr(graph, name, None) is not None]
    still = {}
    if "scalar" in inputs:
        still["scalar"] = np.zeros_like(inputs["scalar"])
    # everything in a graph except its edges is linear in the inputs
    steps = []
    for direction in range(len(tangents["position"])):
        step = {name: array[direction] for name, array in tangents.items()}
        steps.append(network.batch(step | still))

    def run(*values: torch.Tensor) -> tuple:
        moving = dict(zip(names, values, strict=True))
        moved = graph.clone().update(moving)
        return layers(network, moved) if layers else (network(moved), {})

    at = tuple(graph[name] for name in names)
    along = tuple(torch.stack([step[name] for step in steps]) for name in names)
    return run, at, along


def _dense(
    network: torch.nn.Module, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    """Return the same for a network that takes dense batches."""
    batch = tensors(inputs)
    along = tensors(tangents)

    def run(*moving: torch.Tensor) -> tuple:
        moved = batch | dict(zip(along, moving, strict=True))
        outputs = layers(network, moved) if layers else (network(moved), {})
        return tree_map(_by_point, outputs)

    at = tuple(batch[name] for name in along)
    return run, at, tuple(along.values())


def _by_point(value: torch.Tensor) -> torch.Tensor:
    return value.flatten(0, 1)
