"""A torch network whose output is in the data's own units, as one in the units that the training
loop counts in."""

import torch


class InUnits(torch.nn.Module):
    """A network times a factor; on graphs where the network is."""

    def __init__(self, network: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor
        if hasattr(network, "graphs"):
            self.batch, self.graphs = network.batch, network.graphs
        if hasattr(network, "prepare"):
            self.prepare = network.prepare

    def forward(self, inputs: object) -> torch.Tensor:
        """What the network returns for the same, times the factor."""
        return self.factor * self.network(inputs)

    def apply(self, prepared: dict[str, torch.Tensor]) -> torch.Tensor:
        """The same from what the network's `prepare` returned, where it offers that."""
        return self.factor * self.network.apply(prepared)


def wrap(network: torch.nn.Module, factor: float) -> InUnits:
    """`network` times `factor`."""
    return InUnits(network, factor)
