"""The chapter's e3nn network (e3nn.nn.models.gate_points_2101; Geiger and Smidt, arXiv:2207.09453) on graphs whose
edges are computed once.

The library's forward pass searches the neighbours of a whole batch in every call, comparing all points with each other,
and beyond 25 points rounding in that search makes some points neighbours of themselves; here the edges of each sample
come with its graph. The K - 1 past displacements of a point are its 1o features.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from e3nn import o3
from e3nn.math import soft_one_hot_linspace
from e3nn.nn.models.gate_points_2101 import Network, smooth_cutoff
from torch_geometric.data import Data

from equitraj.base.allowed import Checked, Pattern, Range
from equitraj.data.features import Shape

FRAMEWORK = "torch"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: irreps_hidden, features of the hidden layers; lmax of the spherical harmonics of an edge; layers,
    number of gated convolutions; max_radius, cutoff in the data's units (0 for 3.5 times the points' extent);
    number_of_basis radial functions; radial_layers and radial_neurons of the radial networks."""

    irreps_hidden: Annotated[
        str, Pattern(r"(\s*([1-9]\d{0,3}x)?(\d|1[01])[eoy]\s*(\+(?!\s*$)|$))+", "irreps of degrees up to 11")
    ] = "5x0e + 5x0o + 5x1e + 5x1o"
    lmax: Annotated[int, Range(1, 11)] = 3
    layers: Annotated[int, Range(1, 64)] = 3
    max_radius: Annotated[float, Range(0)] = 0.0
    number_of_basis: Annotated[int, Range(1, 1024)] = 10
    radial_layers: Annotated[int, Range(0, 64)] = 1
    radial_neurons: Annotated[int, Range(1, 16_384)] = 128


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class GraphNetwork(Network):
    """The library's network, fed with graphs that carry their edges."""

    def batch(self, inputs: dict[str, np.ndarray]) -> Data:
        """One graph of B separate parts, from the arrays of `equitraj.data.features.network_inputs`."""
        n_samples, n_points = inputs["position"].shape[:2]
        features = [inputs["scalar"]] if "scalar" in inputs else []
        features.append(inputs["displacement"].swapaxes(1, 2).reshape(n_samples, n_points, -1))
        x = torch.as_tensor(np.concatenate(features, -1)).flatten(0, 1) if self.input_has_node_in else None
        part, source, destination = np.nonzero(self.neighbours(inputs["position"]))
        edges = torch.as_tensor(np.stack([source, destination]) + part * n_points)
        return Data(pos=torch.as_tensor(inputs["position"]).flatten(0, 1), edge_index=edges, x=x)

    def graphs(self, inputs: dict[str, np.ndarray]) -> list[Data]:
        """One graph per sample, to be shuffled into batches."""
        each = ({k: v[i : i + 1] for k, v in inputs.items()} for i in range(len(inputs["position"])))
        return [self.batch(one) for one in each]

    def neighbours(self, position: np.ndarray) -> np.ndarray:
        """(B, N, N), whether two different points of positions (B, N, 3) are within the cutoff."""
        squared = np.square(position[:, :, None] - position[:, None]).sum(-1)
        return (squared < self.max_radius**2) & ~np.eye(position.shape[1], dtype=bool)

    def forward(self, data: Data) -> torch.Tensor:
        """(B * N, 3) from a batch of graphs."""
        return self.outputs(data)[-1]

    def outputs(self, data: Data) -> list[torch.Tensor]:
        """What each layer hands on, (B * N, D) in its irreps, the last one (B * N, 3)."""
        source, destination = data.edge_index
        vector = data.pos[source] - data.pos[destination]
        length = vector.norm(dim=1)
        harmonics = o3.spherical_harmonics(self.irreps_edge_attr, vector, True, normalization="component")
        edge_attr = smooth_cutoff(length / self.max_radius)[:, None] * harmonics
        radial = soft_one_hot_linspace(
            length, 0.0, self.max_radius, self.number_of_basis, basis="gaussian", cutoff=False
        ).mul(self.number_of_basis**0.5)
        ones = data.pos.new_ones((len(data.pos), 1))
        x = data.x if self.input_has_node_in else ones
        outputs = []
        for layer in self.layers:
            x = layer(x, ones, source, destination, edge_attr, radial)
            outputs.append(x)
        return outputs


def layers(network: GraphNetwork, data: Data) -> tuple[torch.Tensor, dict[str, dict[int, torch.Tensor]]]:
    """The output (B * N, 3), and what each layer hands on by degree l of its irreps, (B * N, C, 2 l + 1)."""
    outputs, found = network.outputs(data), {}
    for i, (layer, x) in enumerate(zip(network.layers, outputs, strict=True)):
        irreps, parts = layer.irreps_out, {}
        for (mul, ir), part in zip(irreps, irreps.slices(), strict=True):
            parts.setdefault(ir.l, []).append(x[:, part].unflatten(1, (mul, ir.dim)))
        name = f"layer {i + 1}" if i + 1 < len(network.layers) else "output"
        found[name] = {degree: torch.cat(part, 1) for degree, part in parts.items()}
    return outputs[-1], found


def build(hyperparameters: Hyperparameters, shape: Shape) -> GraphNetwork:
    """A network for samples of this shape, with weights from torch's current random state and in its default dtype."""
    h = hyperparameters
    features = f"{shape.n_scalars}x0e + {shape.n_displacements}x1o"
    return GraphNetwork(
        irreps_in=o3.Irreps(features).remove_zero_multiplicities() if shape.n_scalars + shape.n_displacements else None,
        irreps_hidden=o3.Irreps(h.irreps_hidden),
        irreps_out="1x1o",
        irreps_node_attr=None,
        irreps_edge_attr=o3.Irreps.spherical_harmonics(h.lmax),
        layers=h.layers,
        max_radius=h.max_radius or 3.5 * shape.statistics.extent,
        number_of_basis=h.number_of_basis,
        radial_layers=h.radial_layers,
        radial_neurons=h.radial_neurons,
        num_neighbors=shape.n_points - 1,
        num_nodes=shape.n_points,
        reduce_output=False,
    )
