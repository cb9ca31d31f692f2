"""Dense batches for torch networks.

They hold the arrays of `equitraj.data.features.network_inputs` as tensors. A network with the
methods `graphs` and `batch` takes graphs instead (see `graphs.py`).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from equitraj.data.features import TURNED, check_output
from equitraj.training.outcome import Arrays

CHUNK = 256  # samples that are prepared at once
PREPARED_BYTES = 2**29  # upper bound of what is prepared once; more is prepared in each step


def is_dense(network: torch.nn.Module) -> bool:
    """Return whether a network takes dense batches, not graphs."""
    return not hasattr(network, "graphs")


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return copies of the arrays as tensors; an array that all samples share is stored once."""
    return {name: _tensor(value) for name, value in inputs.items()}


def _tensor(array: np.ndarray) -> torch.Tensor:
    is_shared = len(array) > 1 and array.strides[0] == 0
    if not is_shared:
        return torch.tensor(array)
    first = torch.tensor(array[:1])
    return first.expand(array.shape)


def tensor_as(array: np.ndarray, dtype: str) -> torch.Tensor:
    """Return a copy of an array as a tensor of this dtype."""
    values = array.astype(dtype)
    return torch.tensor(values)


def moved(inputs: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Return the tensors on a device."""
    on_device = {}
    for name, value in inputs.items():
        on_device[name] = value.to(device)
    return on_device


def multiplied(matrix: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Return the products of matrices (..., 3, 3) and vectors (..., 3)."""
    column = vector[..., None]
    return (matrix @ column)[..., 0]


def points(output: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return an output (B, N, 3) as (B * N, 3), the shape that networks on graphs return.

    Raises:
        ValueError: the output has another shape.
    """
    position = inputs["position"]
    check_output(output.shape, position.shape)
    return output.flatten(0, 1)


@dataclass
class Dense:
    """A batch of B samples, with the attribute names of a batch of graphs.

    Attributes:
        inputs: tensors by name, or what the network's `prepare` computed from them.
        y: (B * N, 3), the target.
        rotation: (B, 3, 3), the reference frames.
        weight: (B,), the weights of the reference frames.
        prepared: whether `inputs` come from `prepare`.
    """

    inputs: dict[str, torch.Tensor]
    y: torch.Tensor
    rotation: torch.Tensor
    weight: torch.Tensor
    prepared: bool = False

    @classmethod
    def of(cls, arrays: Arrays, dtype: str) -> "Dense":
        """All samples and reference frames of `arrays`, side by side."""
        target = tensor_as(arrays.target, dtype)
        rotation = tensor_as(arrays.rotation, dtype)
        weight = tensor_as(arrays.weight, dtype)
        return cls(
            inputs=tensors(arrays.inputs),
            y=target.flatten(0, 1),
            rotation=rotation.flatten(0, 1),
            weight=weight.flatten(),
        )

    @property
    def num_graphs(self) -> int:
        """Number of samples."""
        return len(self.weight)

    @property
    def target(self) -> torch.Tensor:
        """The target (B, N, 3)."""
        shape = (self.num_graphs, -1)
        return self.y.unflatten(0, shape)

    def take(self, index: torch.Tensor | slice) -> "Dense":
        """Return the samples at `index`."""
        inputs = {name: value[index] for name, value in self.inputs.items()}
        target = self.target[index]
        return replace(
            self,
            inputs=inputs,
            y=target.flatten(0, 1),
            rotation=self.rotation[index],
            weight=self.weight[index],
        )

    def to(self, device: torch.device) -> "Dense":
        """Return the batch on a device."""
        return replace(
            self,
            inputs=moved(self.inputs, device),
            y=self.y.to(device),
            rotation=self.rotation.to(device),
            weight=self.weight.to(device),
        )

    def turned(self, turn: torch.Tensor) -> "Dense":
        """Turn each sample and its reference frame by its rotation (B, 3, 3)."""
        inputs = turned(turn, self.inputs)
        target = torch.einsum("bij,bnj->bni", turn, self.target)
        rotation = turn @ self.rotation
        return replace(self, inputs=inputs, y=target.flatten(0, 1), rotation=rotation)

    @torch.no_grad()
    def prepare(self, network: torch.nn.Module) -> "Dense":
        """Compute once what does not depend on weights.

        The batch stays as it is if the network has no `prepare`, or if memory does not suffice.
        """
        prepare = getattr(network, "prepare", None)
        if prepare is None:
            return self
        one = prepare(self.take(slice(1)).inputs)
        bytes_of_one = sum(value.nbytes for value in one.values())
        if bytes_of_one * self.num_graphs > PREPARED_BYTES:
            return self
        parts = []
        for start in range(0, self.num_graphs, CHUNK):
            chunk = self.take(slice(start, start + CHUNK))
            parts.append(prepare(chunk.inputs))
        inputs = {name: torch.cat([part[name] for part in parts]) for name in one}
        return replace(self, inputs=inputs, prepared=True)

    def output(self, network: torch.nn.Module) -> torch.Tensor:
        """Return the network's output as (B * N, 3).

        Raises:
            ValueError: its shape is not (B, N, 3).
        """
        output: torch.Tensor
        if self.prepared:
            # the network's own `apply`, not the one of torch.nn.Module
            output = network.apply(self.inputs)  # type: ignore[arg-type, assignment]
        else:
            output = network(self.inputs)
        n_points = len(self.y) // self.num_graphs
        check_output(output.shape, (self.num_graphs, n_points, 3))
        return output.flatten(0, 1)


def turned(turn: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the inputs with their vectors turned by rotations (B, 3, 3)."""
    vectors = {}
    for name in TURNED:
        if name in inputs:
            vectors[name] = torch.einsum("bij,b...j->b...i", turn, inputs[name])
    return inputs | vectors
