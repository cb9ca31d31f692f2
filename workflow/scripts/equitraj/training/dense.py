"""Dense batches for torch networks: the arrays of `equitraj.data.features.network_inputs`, as tensors.

A network that offers `graphs` and `batch` is fed with graphs; any other with these.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from equitraj.data.features import TURNED, check_output
from equitraj.training.outcome import Arrays


def is_dense(network: torch.nn.Module) -> bool:
    """Whether a network takes dense batches, and no graphs."""
    return not hasattr(network, "graphs")


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The arrays as tensors of their own."""
    return {name: torch.tensor(value) for name, value in inputs.items()}


def points(output: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """An output (B, N, 3) as (B * N, 3), which is what graphs give.

    Raises:
        ValueError: the output has another shape.
    """
    check_output(output.shape, inputs["position"].shape)
    return output.flatten(0, 1)


@dataclass
class Dense:
    """A batch of B samples with the names that the loop knows from a batch of graphs.

    Attributes: inputs, by name; y (B * N, 3), the target; rotation (B, 3, 3), the frames; weight (B,), their weights.
    """

    inputs: dict[str, torch.Tensor]
    y: torch.Tensor
    rotation: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(cls, arrays: Arrays, dtype: str) -> "Dense":
        """All samples and frames of `arrays`, side by side."""
        inputs = tensors({k: v.astype(dtype if v.dtype.kind == "f" else v.dtype) for k, v in arrays.inputs.items()})
        y, rotation, weight = (torch.tensor(v.astype(dtype)) for v in (arrays.target, arrays.rotation, arrays.weight))
        return cls(inputs, y.flatten(0, 1), rotation.flatten(0, 1), weight.flatten())

    @property
    def num_graphs(self) -> int:
        """Number of samples."""
        return len(self.weight)

    def take(self, index: torch.Tensor) -> "Dense":
        """The samples at `index`."""
        y = self.y.unflatten(0, (self.num_graphs, -1))[index].flatten(0, 1)
        return Dense({k: v[index] for k, v in self.inputs.items()}, y, self.rotation[index], self.weight[index])

    def to(self, device: torch.device) -> "Dense":
        """The same on a device."""
        rest = (v.to(device) for v in (self.y, self.rotation, self.weight))
        return Dense({k: v.to(device) for k, v in self.inputs.items()}, *rest)

    def turned(self, turn: torch.Tensor) -> "Dense":
        """Each sample turned by its rotation (B, 3, 3), its frame with it."""
        y = torch.einsum("bij,bnj->bni", turn, self.y.unflatten(0, (self.num_graphs, -1))).flatten(0, 1)
        return replace(self, inputs=turned(turn, self.inputs), y=y, rotation=turn @ self.rotation)


def turned(turn: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs with their vectors turned by rotations (B, 3, 3)."""
    return inputs | {k: torch.einsum("bij,b...j->b...i", turn, inputs[k]) for k in TURNED if k in inputs}
