"""A learned frame around a torch network: a vector network, orthonormalised; the same as in
`canonical/jax.py`."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from equitraj.data.features import TURNED, Shape
from equitraj.frames import UNDETERMINED

if TYPE_CHECKING:
    from torch_geometric.data import Data


class VectorNetwork(torch.nn.Module):
    """Rotations (B, 3, 3) that turn with the input."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.extent, n_vectors = shape.statistics.extent, 1 + shape.n_displacements
        self.upper = np.triu_indices(n_vectors)
        n_inputs = len(self.upper[0]) + shape.n_scalars
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, width), torch.nn.SiLU(), torch.nn.Linear(width, 2 * n_vectors)
        )

    def forward(
        self, position: torch.Tensor, displacement: torch.Tensor, scalar: torch.Tensor
    ) -> torch.Tensor:
        """(B, 3, 3) from `position` (B, N, 3), `displacement` (B, N, K - 1, 3) and `scalar` (B, N,
        F)."""
        vectors = torch.cat([position[:, :, None] / self.extent, displacement], 2)
        invariants = torch.arcsinh(
            (vectors[:, :, self.upper[0]] * vectors[:, :, self.upper[1]]).sum(-1)
        )
        weight = self.mlp(torch.cat([invariants, scalar], -1)).unflatten(-1, (2, -1))
        first, second = torch.einsum("bnak,bnkc->abc", weight, vectors)
        return gram_schmidt(first, second)


def gram_schmidt(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Rows e1 along `first` (B, 3), e2 along the rest of `second`, e3 = e1 x e2; zero where there
    is no direction."""
    scale = first.norm(dim=-1) + second.norm(dim=-1)
    e1 = _unit(first, 0 * scale)
    e2 = _unit(second - (second * e1).sum(-1, keepdim=True) * e1, UNDETERMINED * scale)
    return torch.stack([e1, e2, torch.linalg.cross(e1, e2)], 1)


def _unit(vector: torch.Tensor, smallest: torch.Tensor) -> torch.Tensor:
    squared = vector.square().sum(-1, keepdim=True)
    known = squared > smallest[:, None].square().clamp(min=torch.finfo(vector.dtype).tiny)
    return torch.where(known, vector / torch.where(known, squared, 1.0).sqrt(), 0.0)


class Canonical(torch.nn.Module):
    """A network in a learned frame."""

    def __init__(self, network: torch.nn.Module, width: int, shape: Shape) -> None:
        super().__init__()
        self.network, self.frame, self.shape = network, VectorNetwork(width, shape), shape
        if hasattr(network, "graphs"):
            self.batch, self.graphs = network.batch, network.graphs

    def forward(self, data: "Data | dict[str, torch.Tensor]") -> torch.Tensor:
        """(B * N, 3) from a batch of graphs, or (B, N, 3) from a dense one, back in the axes of the
        inputs."""
        return self._dense(data) if isinstance(data, dict) else self._on_graphs(data)

    def _dense(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        position, vectors = inputs["position"], inputs["displacement"].swapaxes(1, 2)
        rotation = self.frame(position, vectors, inputs.get("scalar", position[..., :0]))
        names = [name for name in TURNED if name in inputs]
        turned = inputs | {k: torch.einsum("bij,b...j->b...i", rotation, inputs[k]) for k in names}
        return torch.einsum("bij,bni->bnj", rotation, self.network(turned))

    def _on_graphs(self, data: "Data") -> torch.Tensor:
        position = data.pos.unflatten(0, (-1, self.shape.n_points))
        x = data.pos[:, :0] if data.x is None else data.x
        x = x.unflatten(0, position.shape[:2])
        scalar, vectors = (
            x[..., : self.shape.n_scalars],
            x[..., self.shape.n_scalars :].unflatten(-1, (-1, 3)),
        )
        rotation = self.frame(position, vectors, scalar)
        turned = data.clone()
        turned.pos = torch.einsum("bij,bnj->bni", rotation, position).flatten(0, 1)
        if data.x is not None:
            moved = torch.einsum("bij,bnkj->bnki", rotation, vectors).flatten(2)
            turned.x = torch.cat([scalar, moved], -1).flatten(0, 1)
        output = self.network(turned).unflatten(0, position.shape[:2])
        return torch.einsum("bij,bni->bnj", rotation, output).flatten(0, 1)


def wrap(network: torch.nn.Module, width: int, shape: Shape) -> Canonical:
    """`network` in a frame learned by a vector network of this width."""
    return Canonical(network, width, shape)
