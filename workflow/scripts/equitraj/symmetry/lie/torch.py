"""Forward-mode derivatives of torch networks, dense or on graphs.

The edges of graphs stay as they are: which points are neighbours is piecewise constant.
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
    """The method's network with these weights in float64."""
    made = copy.deepcopy(predictor._torch_network(predictor._built(method), shape, "float64"))
    set_arrays(made, arrays)
    return made


def generators(degree: int) -> np.ndarray:
    """X of the rotations about x, y and z on the features of a degree l, (3, 2 l + 1, 2 l + 1), in
    e3nn's basis."""
    torch.set_default_dtype(torch.float64)
    return o3.so3_generators(degree).numpy()


@torch.no_grad()
def linearised(
    network: torch.nn.Module,
    inputs: dict[str, np.ndarray],
    tangents: dict[str, np.ndarray],
    layers: Callable | None,
) -> tuple:
    """Output and layers of `layers(network, graph)`, or the output alone and {}, and their
    derivatives.

    The values (B, ...) are those at the inputs (B, ...), the derivatives (G, B, ...) along tangents
    (G, B, ...).
    """
    torch.set_default_dtype(torch.float64)
    n_samples, n_points = inputs["position"].shape[:2]
    parts, size = [], predictor.samples_in_call(n_points, "adjacency" in inputs)
    for start in range(0, n_samples, size):
        chunk = slice(start, start + size)
        moved = {k: v[:, chunk] for k, v in tangents.items()}
        parts.append(_linearised(network, {k: v[chunk] for k, v in inputs.items()}, moved, layers))
    value, change = zip(*parts, strict=True)
    return tree_map(lambda *p: np.concatenate(p), *value), tree_map(
        lambda *p: np.concatenate(p, 1), *change
    )


def _linearised(
    network: torch.nn.Module, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    leading = inputs["position"].shape[:2]
    run, at, along = (_dense if is_dense(network) else _on_graphs)(
        network, inputs, tangents, layers
    )
    change = torch.vmap(lambda *step: torch.func.jvp(run, at, step)[1])(*along)
    by_point = lambda n: lambda v: v.numpy().reshape(*v.shape[:n], *leading, *v.shape[n + 1 :])  # noqa: E731
    return tree_map(by_point(0), run(*at)), tree_map(by_point(1), change)


def _on_graphs(
    network: torch.nn.Module, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    """Output and layers as a function of what moves, where it is, and the directions (G, ...) along
    which it moves."""
    graph = network.batch(inputs)
    names = [name for name in ("pos", "x") if getattr(graph, name, None) is not None]
    scalar = {"scalar": np.zeros_like(inputs["scalar"])} if "scalar" in inputs else {}
    # all that a graph holds is linear in its inputs, but for the edges
    steps = [
        network.batch({k: v[i] for k, v in tangents.items()} | scalar)
        for i in range(len(tangents["position"]))
    ]

    def run(*parts: torch.Tensor) -> tuple:
        moved = graph.clone().update(dict(zip(names, parts, strict=True)))
        return layers(network, moved) if layers else (network(moved), {})

    return (
        run,
        tuple(graph[k] for k in names),
        tuple(torch.stack([step[k] for step in steps]) for k in names),
    )


def _dense(
    network: torch.nn.Module, inputs: dict, tangents: dict, layers: Callable | None
) -> tuple:
    """The same for a network that takes dense batches."""
    given, along = tensors(inputs), tensors(tangents)

    def run(*parts: torch.Tensor) -> tuple:
        moved = given | dict(zip(along, parts, strict=True))
        found = layers(network, moved) if layers else (network(moved), {})
        return tree_map(lambda v: v.flatten(0, 1), found)

    return run, tuple(given[k] for k in along), tuple(along.values())
