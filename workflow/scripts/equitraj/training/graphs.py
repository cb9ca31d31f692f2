"""Graphs of torch-geometric for networks with the methods `graphs` and `batch`.

All graphs are collated once; a batch is then taken from them by index.
"""

from dataclasses import dataclass

import torch
from torch_geometric.data import Batch
from torch_geometric.data.collate import collate

from equitraj.training.dense import moved, multiplied, tensor_as
from equitraj.training.outcome import Arrays


@dataclass
class Graphs:
    """S graphs side by side in one batch.

    Attributes:
        whole: the attributes of all graphs, concatenated.
        start: by attribute, (S + 1,) indices at which the entries of each graph begin.
        step: by attribute, (S,) increments that a graph adds to the entries of the graphs after it
            in a batch, such as its number of points for edges.
    """

    whole: Batch
    start: dict[str, torch.Tensor]
    step: dict[str, torch.Tensor]

    @classmethod
    def of(cls, network: torch.nn.Module, arrays: Arrays, dtype: str) -> "Graphs":
        """All samples and reference frames of `arrays`.

        Each graph carries its target, reference frame and weight.
        """
        # torch declares that every attribute is a tensor or a module
        graphs = network.graphs(arrays.inputs)  # type: ignore[operator]
        target = tensor_as(arrays.target, dtype)
        rotation = tensor_as(arrays.rotation, dtype).flatten(0, 1)
        weight = tensor_as(arrays.weight, dtype).flatten()
        for i, graph in enumerate(graphs):
            graph.y = target[i]
            graph.rotation = rotation[i : i + 1]
            graph.weight = weight[i : i + 1]
        whole, start, _ = collate(Batch, graphs, increment=False)
        step = {}
        for key in start:
            increments = [graph.__inc__(key, graph[key]) for graph in graphs]
            step[key] = torch.as_tensor(increments)
        return cls(whole, start, {key: value for key, value in step.items() if value.any()})

    @property
    def num_graphs(self) -> int:
        """Number S of graphs."""
        return self.whole.num_graphs

    def to(self, device: torch.device) -> "Graphs":
        """Return the graphs on a device."""
        start = moved(self.start, device)
        step = moved(self.step, device)
        return Graphs(self.whole.to(device), start, step)

    def take(self, index: torch.Tensor) -> Batch:
        """Return the batch of the graphs at `index` (B,), as `Batch.from_data_list` makes it."""
        index = index.to(self.whole.ptr.device)
        nodes = self.whole.ptr.diff()[index]
        batch = Batch()
        for key in self.start:
            batch[key] = self._part(key, index)
        if "num_nodes" in self.whole:
            batch.num_nodes = int(nodes.sum())
        of_graph = torch.arange(len(index), device=nodes.device)
        batch.batch = of_graph.repeat_interleave(nodes)
        batch.ptr = torch.nn.functional.pad(nodes.cumsum(0), (1, 0))
        return batch

    def _part(self, key: str, index: torch.Tensor) -> torch.Tensor | list:
        value = self.whole[key]
        if not isinstance(value, torch.Tensor):
            return [value[i] for i in index.tolist()]
        start = self.start[key]
        count = start.diff()[index]
        place = (start[index] - _sum_before(count)).repeat_interleave(count)
        place += torch.arange(len(place), device=place.device)
        axis = self.whole.__cat_dim__(key, value) or 0
        part = value.index_select(axis, place)
        if key not in self.step:
            return part
        shift = _sum_before(self.step[key][index])
        return part + shift.repeat_interleave(count)


def _sum_before(value: torch.Tensor) -> torch.Tensor:
    """Return the sum of all earlier entries, for each entry of a vector."""
    through = value.cumsum(0)
    return through - value


def turned(batch: Batch, turn: torch.Tensor, n_scalars: int) -> Batch:
    """Turn, in place, each graph and its reference frame by its rotation (B, 3, 3)."""
    of_point = turn[batch.batch]
    batch.rotation = turn @ batch.rotation
    batch.pos = multiplied(of_point, batch.pos)
    batch.y = multiplied(of_point, batch.y)
    if batch.x is not None:
        scalars = batch.x[:, :n_scalars]
        vectors = batch.x[:, n_scalars:].reshape(len(batch.x), -1, 3)
        vectors = vectors @ of_point.mT
        batch.x = torch.cat([scalars, vectors.flatten(1)], dim=1)
    return batch
