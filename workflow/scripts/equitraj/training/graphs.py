"""Graphs of torch-geometric for networks that offer `graphs` and `batch`: collated once, then only
indexed."""

from dataclasses import dataclass

import torch
from torch_geometric.data import Batch
from torch_geometric.data.collate import collate

from equitraj.training.outcome import Arrays


@dataclass
class Graphs:
    """S graphs, side by side in one.

    Attributes: whole, their attributes concatenated; start (S + 1,), where each graph begins in an
    attribute; step (S,), what a graph adds to an attribute of those that follow it in a batch, as
    the number of its points to edges.
    """

    whole: Batch
    start: dict[str, torch.Tensor]
    step: dict[str, torch.Tensor]

    @classmethod
    def of(cls, network: torch.nn.Module, arrays: Arrays, dtype: str) -> "Graphs":
        """All samples and frames of `arrays`; each graph carries its target, frame and weight."""
        graphs = network.graphs(arrays.inputs)
        y, rotation, weight = (
            torch.tensor(v.astype(dtype)) for v in (arrays.target, arrays.rotation, arrays.weight)
        )
        rotation, weight = rotation.flatten(0, 1), weight.flatten()
        for i, graph in enumerate(graphs):
            graph.y, graph.rotation, graph.weight = y[i], rotation[i : i + 1], weight[i : i + 1]
        whole, start, _ = collate(Batch, graphs, increment=False)
        step = {
            key: torch.as_tensor([graph.__inc__(key, graph[key]) for graph in graphs])
            for key in start
        }
        return cls(whole, start, {key: value for key, value in step.items() if value.any()})

    @property
    def num_graphs(self) -> int:
        """S."""
        return self.whole.num_graphs

    def to(self, device: torch.device) -> "Graphs":
        """The same on a device."""
        start, step = (
            {k: v.to(device) for k, v in part.items()} for part in (self.start, self.step)
        )
        return Graphs(self.whole.to(device), start, step)

    def take(self, index: torch.Tensor) -> Batch:
        """The batch of the graphs at `index` (B,), as `Batch.from_data_list` makes it."""
        index = index.to(self.whole.ptr.device)
        batch, nodes = Batch(), self.whole.ptr.diff()[index]
        for key in self.start:
            batch[key] = self._part(key, index)
        if "num_nodes" in self.whole:
            batch.num_nodes = int(nodes.sum())
        batch.batch = torch.arange(len(index), device=nodes.device).repeat_interleave(nodes)
        batch.ptr = torch.nn.functional.pad(nodes.cumsum(0), (1, 0))
        return batch

    def _part(self, key: str, index: torch.Tensor) -> torch.Tensor | list:
        value, start = self.whole[key], self.start[key]
        if not isinstance(value, torch.Tensor):
            return [value[i] for i in index.tolist()]
        count = start.diff()[index]
        place = (start[index] - (count.cumsum(0) - count)).repeat_interleave(count)
        place += torch.arange(len(place), device=place.device)
        part = value.index_select(self.whole.__cat_dim__(key, value) or 0, place)
        if key not in self.step:
            return part
        step = self.step[key][index]
        return part + (step.cumsum(0) - step).repeat_interleave(count)


def turned(batch: Batch, turn: torch.Tensor, n_scalars: int) -> Batch:
    """Each graph turned, in place, by its rotation (B, 3, 3), its frame with it."""
    rotation = turn[batch.batch]
    batch.rotation = turn @ batch.rotation
    batch.pos, batch.y = ((rotation @ v[..., None])[..., 0] for v in (batch.pos, batch.y))
    if batch.x is not None:
        vectors = batch.x[:, n_scalars:].reshape(len(batch.x), -1, 3) @ rotation.mT
        batch.x = torch.cat([batch.x[:, :n_scalars], vectors.flatten(1)], dim=1)
    return batch
