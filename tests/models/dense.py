"""A dense torch model, as a user would add it: pair forces from distances, on all pairs at once."""

from dataclasses import dataclass

import torch

FRAMEWORK = "torch"


@dataclass(frozen=True)
class Hyperparameters:
    """Attributes: width, units in the hidden layer of the pair network."""

    width: int = 8


def claims(hyperparameters):
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class Network(torch.nn.Module):
    """Each point is moved along its relative positions, by a network of their length."""

    def __init__(self, width, n_displacements, extent):
        super().__init__()
        self.extent = extent
        self.pair = torch.nn.Sequential(
            torch.nn.Linear(1, width), torch.nn.SiLU(), torch.nn.Linear(width, 1)
        )
        self.own = torch.nn.Parameter(torch.zeros(n_displacements))

    def forward(self, inputs):
        """(B, N, 3) from the arrays of network_inputs."""
        relative = (inputs["position"][:, :, None] - inputs["position"][:, None]) / self.extent
        weight = self.pair(relative.square().sum(-1, keepdim=True))
        return (weight * relative).mean(2) + torch.einsum(
            "k,bknc->bnc", self.own, inputs["displacement"]
        )


def build(hyperparameters, shape):
    """A network for samples of this shape."""
    return Network(hyperparameters.width, shape.n_displacements, shape.statistics.extent)
