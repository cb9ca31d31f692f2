"""A torch model on graphs of torch-geometric, as a user would add it: messages from distances along
bonds."""

from dataclasses import dataclass

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import scatter

FRAMEWORK = "torch"


@dataclass(frozen=True)
class Hyperparameters:
    """Attributes: width, units in the hidden layer of the network of an edge; radius, how far apart
    its points are."""

    width: int = 8
    radius: float = 2.0


def claims(hyperparameters):
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Network(torch.nn.Module):
    """Each point is moved along its relative positions to its neighbours, by a network of their
    length."""

    def __init__(self, width, radius, n_displacements):
        super().__init__()
        self.radius = radius
        self.edge = torch.nn.Sequential(
            torch.nn.Linear(1, width), torch.nn.SiLU(), torch.nn.Linear(width, 1)
        )
        self.own = torch.nn.Parameter(torch.zeros(n_displacements))

    def graphs(self, inputs):
        """A graph for each sample, from the arrays of network_inputs: x holds scalars, then
        vectors, of each point."""
        graphs = []
        for position, past in zip(inputs["position"], inputs["displacement"], strict=True):
            pos, x = torch.tensor(position), torch.tensor(past).swapaxes(0, 1).flatten(1)
            near = (torch.cdist(pos, pos) < self.radius).fill_diagonal_(False)
            graphs.append(Data(pos=pos, x=x, edge_index=near.nonzero().T))
        return graphs

    def batch(self, inputs):
        """The same as one graph of separate parts."""
        return Batch.from_data_list(self.graphs(inputs))

    def forward(self, data):
        """(B * N, 3)."""
        source, target = data.edge_index
        relative = (data.pos[source] - data.pos[target]) / self.radius
        length = relative.square().sum(-1, keepdim=True)
        pull = scatter(
            self.edge(length) * (1 - length) ** 2 * relative, target, dim_size=len(data.pos)
        )
        return pull + torch.einsum("k,nkc->nc", self.own, data.x.unflatten(1, (-1, 3)))


def build(hyperparameters, shape):
    """A network for samples of this shape."""
    return Network(hyperparameters.width, hyperparameters.radius, shape.n_displacements)
