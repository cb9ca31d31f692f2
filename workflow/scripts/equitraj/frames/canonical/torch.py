"""A learned reference frame around a torch network, the same as in `canonical/jax.py`."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from equitraj.data.features import TURNED, Shape
from equitraj.frames import UNDETERMINED

if TYPE_CHECKING:
    from torch_geometric.data import Data


class VectorNetwork(nn.Module):
    """Rotations (B, 3, 3) that turn with the input."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.extent = shape.statistics.extent
        n_vectors = 1 + shape.n_displacements
        self.upper = np.triu_indices(n_vectors)
        n_invariants = len(self.upper[0])
        self.mlp = nn.Sequential(
            nn.Linear(n_invariants + shape.n_scalars, width),
            nn.SiLU(),
            nn.Linear(width, 2 * n_vectors),
        )

    def forward(self, position: Tensor, displacement: Tensor, scalar: Tensor) -> Tensor:
        """The rotations (B, 3, 3) of a batch.

        Args:
            position: (B, N, 3).
            displacement: (B, N, K - 1, 3).
            scalar: (B, N, F).
        """
        scaled = position[:, :, None] / self.extent
        vectors = torch.cat([scaled, displacement], 2)
        row, column = self.upper
        products = vectors[:, :, row] * vectors[:, :, column]
        invariants = torch.arcsinh(products.sum(-1))
        features = torch.cat([invariants, scalar], -1)
        weight = self.mlp(features).unflatten(-1, (2, -1))
        first, second = torch.einsum("bnak,bnkc->abc", weight, vectors)
        return gram_schmidt(first, second)


def gram_schmidt(first: Tensor, second: Tensor) -> Tensor:
    """Rows e1 along `first` (B, 3), e2 along the rest of `second`, e3 = e1 x e2.

    A row is zero if it has no direction.
    """
    scale = first.norm(dim=-1) + second.norm(dim=-1)
    e1 = _unit(first, 0 * scale)
    component = (second * e1).sum(-1, keepdim=True)
    rest = second - component * e1
    e2 = _unit(rest, UNDETERMINED * scale)
    e3 = torch.linalg.cross(e1, e2)
    return torch.stack([e1, e2, e3], 1)


def _unit(vector: Tensor, smallest: Tensor) -> Tensor:
    squared = vector.square().sum(-1, keepdim=True)
    tiny = torch.finfo(vector.dtype).tiny
    threshold = smallest[:, None].square().clamp(min=tiny)
    known = squared > threshold
    length = torch.where(known, squared, 1.0).sqrt()
    return torch.where(known, vector / length, 0.0)


class Canonical(nn.Module):
    """A network in a learned reference frame."""

    def __init__(self, network: nn.Module, width: int, shape: Shape) -> None:
        super().__init__()
        self.network = network
        self.frame = VectorNetwork(width, shape)
        self.shape = shape
        if hasattr(network, "graphs"):
            self.batch = network.batch
            self.graphs = network.graphs

    def forward(self, data: "Data | dict[str, Tensor]") -> Tensor:
        """The network's output, back in the axes of the inputs.

        It is (B * N, 3) for a batch of graphs, or (B, N, 3) for a dense one.
        """
        if isinstance(data, dict):
            return self._dense(data)
        return self._on_graphs(data)

    def _dense(self, inputs: dict[str, Tensor]) -> Tensor:
        position = inputs["position"]
        past = inputs["displacement"].swapaxes(1, 2)
        scalar = inputs.get("scalar", position[..., :0])
        rotation = self.frame(position, past, scalar)
        turned = dict(inputs)
        for name in TURNED:
            if name in inputs:
                turned[name] = torch.einsum("bij,b...j->b...i", rotation, inputs[name])
        output = self.network(turned)
        return torch.einsum("bij,bni->bnj", rotation, output)

    def _on_graphs(self, data: "Data") -> Tensor:
        position = data.pos.unflatten(0, (-1, self.shape.n_points))
        batch_shape = position.shape[:2]
        x = data.pos[:, :0] if data.x is None else data.x
        x = x.unflatten(0, batch_shape)
        n_scalars = self.shape.n_scalars
        scalar = x[..., :n_scalars]
        vectors = x[..., n_scalars:].unflatten(-1, (-1, 3))
        rotation = self.frame(position, vectors, scalar)
        turned = data.clone()
        turned.pos = torch.einsum("bij,bnj->bni", rotation, position).flatten(0, 1)
        if data.x is not None:
            moved = torch.einsum("bij,bnkj->bnki", rotation, vectors).flatten(2)
            turned.x = torch.cat([scalar, moved], -1).flatten(0, 1)
        output = self.network(turned).unflatten(0, batch_shape)
        predicted = torch.einsum("bij,bni->bnj", rotation, output)
        return predicted.flatten(0, 1)


def wrap(network: nn.Module, width: int, shape: Shape) -> Canonical:
    """Return `network` in a reference frame learned by a vector network of this width."""
    return Canonical(network, width, shape)
