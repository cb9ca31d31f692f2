"""Wrapper of a torch network that converts the units of its output.

The network's output is in the data's own units, the wrapper's in the units of the training loop.
"""

import torch


class InUnits(torch.nn.Module):
    """A network times a factor; it takes graphs where the network does."""

    def __init__(self, network: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.network = network
        self.factor = factor
        if hasattr(network, "graphs"):
            self.batch = network.batch
            self.graphs = network.graphs
        if hasattr(network, "prepare"):
            self.prepare = network.prepare

    def forward(self, inputs: object) -> torch.Tensor:
        """Return the network's output times the factor."""
        output = self.network(inputs)
        return self.factor * output

    # torch.nn.Module has another method of this name
    def apply(self, prepared: dict[str, torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        """Return the output from the result of the network's `prepare`, where it has that."""
        output: torch.Tensor = self.network.apply(prepared)  # type: ignore[arg-type, assignment]
        return self.factor * output


def wrap(network: torch.nn.Module, factor: float) -> InUnits:
    """Return `network` times `factor`."""
    return InUnits(network, factor)
