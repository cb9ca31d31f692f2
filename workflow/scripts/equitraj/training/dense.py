"""Dense batches for torch networks: the arrays of `equitraj.data.features.network_inputs`, as
tensors.

A network that offers `graphs` and `batch` is fed with graphs (`graphs.py`); any other with these.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from equitraj.data.features import TURNED, check_output
from equitraj.training.outcome import Arrays

CHUNK = 256  # samples that are prepared at once
PREPARED_BYTES = 2**29  # what is larger is prepared again in each step


def is_dense(network: torch.nn.Module) -> bool:
    """Whether a network takes dense batches, and no graphs."""
    return not hasattr(network, "graphs")


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The arrays as tensors of their own; what all samples share is kept once."""
    shared = {name: len(value) > 1 and value.strides[0] == 0 for name, value in inputs.items()}
    return {
        k: torch.tensor(v[:1]).expand(v.shape) if shared[k] else torch.tensor(v)
        for k, v in inputs.items()
    }


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

    Attributes: inputs, by name, or what the network's `prepare` made of them; y (B * N, 3), the
    target; rotation (B, 3, 3), the frames; weight (B,), their weights; prepared, which of the two
    the inputs are.
    """

    inputs: dict[str, torch.Tensor]
    y: torch.Tensor
    rotation: torch.Tensor
    weight: torch.Tensor
    prepared: bool = False

    @classmethod
    def of(cls, arrays: Arrays, dtype: str) -> "Dense":
        """All samples and frames of `arrays`, side by side."""
        y, rotation, weight = (
            torch.tensor(v.astype(dtype)) for v in (arrays.target, arrays.rotation, arrays.weight)
        )
        return cls(
            tensors(arrays.inputs), y.flatten(0, 1), rotation.flatten(0, 1), weight.flatten()
        )

    @property
    def num_graphs(self) -> int:
        """Number of samples."""
        return len(self.weight)

    def take(self, index: torch.Tensor | slice) -> "Dense":
        """The samples at `index`."""
        y = self.y.unflatten(0, (self.num_graphs, -1))[index].flatten(0, 1)
        inputs = {k: v[index] for k, v in self.inputs.items()}
        return replace(
            self, inputs=inputs, y=y, rotation=self.rotation[index], weight=self.weight[index]
        )

    def to(self, device: torch.device) -> "Dense":
        """The same on a device."""
        y, rotation, weight = (v.to(device) for v in (self.y, self.rotation, self.weight))
        inputs = {k: v.to(device) for k, v in self.inputs.items()}
        return replace(self, inputs=inputs, y=y, rotation=rotation, weight=weight)

    def turned(self, turn: torch.Tensor) -> "Dense":
        """Each sample turned by its rotation (B, 3, 3), its frame with it."""
        y = torch.einsum("bij,bnj->bni", turn, self.y.unflatten(0, (self.num_graphs, -1))).flatten(
            0, 1
        )
        return replace(self, inputs=turned(turn, self.inputs), y=y, rotation=turn @ self.rotation)

    @torch.no_grad()
    def prepare(self, network: torch.nn.Module) -> "Dense":
        """With what the network computes from samples alone, where it offers `prepare` and memory
        allows."""
        if not hasattr(network, "prepare"):
            return self
        one = network.prepare(self.take(slice(1)).inputs)
        if sum(v.nbytes for v in one.values()) * self.num_graphs > PREPARED_BYTES:
            return self
        chunks = (self.take(slice(i, i + CHUNK)) for i in range(0, self.num_graphs, CHUNK))
        parts = [network.prepare(chunk.inputs) for chunk in chunks]
        return replace(
            self, inputs={k: torch.cat([part[k] for part in parts]) for k in one}, prepared=True
        )

    def output(self, network: torch.nn.Module) -> torch.Tensor:
        """What the network returns, (B * N, 3).

        Raises:
            ValueError: it has another shape than (B, N, 3).
        """
        found = network.apply(self.inputs) if self.prepared else network(self.inputs)
        check_output(found.shape, (self.num_graphs, len(self.y) // self.num_graphs, 3))
        return found.flatten(0, 1)


def turned(turn: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs with their vectors turned by rotations (B, 3, 3)."""
    return inputs | {
        k: torch.einsum("bij,b...j->b...i", turn, inputs[k]) for k in TURNED if k in inputs
    }
