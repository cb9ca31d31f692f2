"""The chapter's e3nn network (e3nn.nn.models.gate_points_2101; Geiger and Smidt, arXiv:2207.09453)
on all pairs of points of each sample, or on a list of neighbours.

The library's forward pass searches the neighbours of a whole batch in every call by comparing all
points with each other, and beyond 25 points rounding errors in this search make some points
neighbours of themselves. Here each sample has its own pairs; pairs beyond the cutoff have a weight
of zero. The K - 1 past displacements of a point are its 1o features.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from e3nn import o3
from e3nn.math import soft_one_hot_linspace
from e3nn.nn.models.gate_points_2101 import Convolution, Network, smooth_cutoff

from equitraj.base.allowed import Checked, Pattern, Range
from equitraj.data.features import Shape

FRAMEWORK = "torch"
ALL_PAIRS = True
GPU = True  # its training profits from one


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Attributes: irreps_hidden, features of the hidden layers; lmax of the spherical harmonics of
    an edge; layers, number of gated convolutions; max_radius, cutoff in the data's units (0 for 3.5
    times the points' extent); number_of_basis radial functions; radial_layers and radial_neurons of
    the radial networks."""

    irreps_hidden: Annotated[
        str,
        Pattern(
            r"(\s*([1-9]\d{0,3}x)?(\d|1[01])[eoy]\s*(\+(?!\s*$)|$))+", "irreps of degrees up to 11"
        ),
    ] = "5x0e + 5x0o + 5x1e + 5x1o"
    lmax: Annotated[int, Range(1, 11)] = 3
    layers: Annotated[int, Range(1, 64)] = 3
    max_radius: Annotated[float, Range(0)] = 0.0
    number_of_basis: Annotated[int, Range(1, 1024)] = 10
    radial_layers: Annotated[int, Range(0, 64)] = 1
    radial_neurons: Annotated[int, Range(1, 16_384)] = 128


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """The model claims all of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class GraphNetwork(Network):
    """The library's network on pairs of points: the radial network is evaluated once for each pair,
    not once for each direction."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        for convolution in self.convolutions():
            convolution.fc.register_forward_hook(_both_directions)
        parts = []
        for mul, ir in self.irreps_edge_attr:
            size = mul * ir.dim
            sign = float(ir.p)
            part = torch.full((size,), sign)
            parts.append(part)
        self.register_buffer("parity", torch.cat(parts), persistent=False)

    def convolutions(self) -> list[Convolution]:
        """The convolution of each layer; all but the last are followed by a gate."""
        convolutions = []
        for layer in self.layers:
            if not isinstance(layer, Convolution):
                layer = layer.first
            convolutions.append(layer)
        return convolutions

    def prepare(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors that do not depend on weights, from `equitraj.data.features.network_inputs`.

        Returns `x` (B, N, D), the features of the points; `first` and `second` (B, P), the pairs,
        each once; `harmonics` (B, P, D) of x[first] - x[second] times the cutoff; and `radial` (B,
        P, number_of_basis).
        """
        position = inputs["position"]
        if "senders" in inputs:
            first, second, shift = _listed(inputs, 2 * self.max_radius)
        else:
            first, second, shift = _all_pairs(position)
        vector = _at(position, first) - _at(position, second) + shift
        length = vector.norm(dim=-1)
        harmonics = o3.spherical_harmonics(
            self.irreps_edge_attr, vector, True, normalization="component"
        )
        radial = soft_one_hot_linspace(
            length, 0.0, self.max_radius, self.number_of_basis, "gaussian", cutoff=False
        )
        falling = smooth_cutoff(length / self.max_radius)
        return {
            "x": self._features(inputs),
            "first": first,
            "second": second,
            "harmonics": falling[..., None] * harmonics,
            "radial": radial * self.number_of_basis**0.5,
        }

    def _features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Features (B, N, D) of the points: scalars, then displacements; ones without either."""
        if not self.input_has_node_in:
            position = inputs["position"]
            return torch.ones_like(position[..., :1])
        vectors = inputs["displacement"].swapaxes(1, 2).flatten(2)
        if "scalar" not in inputs:
            return vectors
        scalar = inputs["scalar"]
        return torch.cat([scalar, vectors], -1)

    def apply(self, prepared: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, N, 3) from the tensors of `prepare`."""
        outputs = self.outputs(prepared)
        return outputs[-1]

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, N, 3) from tensors of `equitraj.data.features.network_inputs`."""
        prepared = self.prepare(inputs)
        return self.apply(prepared)

    def outputs(self, prepared: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """The features after each layer, (B, N, D) in its irreps; the last is the output (B, N,
        3)."""
        n_samples, n_points = prepared["x"].shape[:2]
        x = prepared["x"].flatten(0, 1)
        one_way = prepared["harmonics"].flatten(0, 1)
        harmonics = torch.cat([one_way, one_way * self.parity])
        start = torch.arange(0, len(x), n_points, device=x.device)[:, None]
        first = (prepared["first"] + start).flatten()
        second = (prepared["second"] + start).flatten()
        senders = torch.cat([first, second])
        receivers = torch.cat([second, first])
        radial = prepared["radial"].flatten(0, 1)
        ones = x.new_ones((len(x), 1))
        outputs = []
        for layer in self.layers:
            x = layer(x, ones, senders, receivers, harmonics, radial)
            outputs.append(x.unflatten(0, (n_samples, n_points)))
        return outputs


def _both_directions(module: torch.nn.Module, inputs: tuple, weights: torch.Tensor) -> torch.Tensor:
    """The weights of the pairs for the edges in one direction, then in the other."""
    return torch.cat([weights, weights])


def _at(position: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """The points (B, P, 3) at `index` (B, P)."""
    each_axis = index[..., None].expand(-1, -1, 3)
    return position.gather(1, each_axis)


def _all_pairs(position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First and second points (B, P) of all pairs, and a shift of zero."""
    n_samples, n_points = position.shape[:2]
    pairs = torch.triu_indices(n_points, n_points, 1, device=position.device)
    first, second = pairs[:, None].expand(-1, n_samples, -1)
    return first, second, position.new_zeros(())


def _listed(
    inputs: dict[str, torch.Tensor], far: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First and second points (B, P) and shifts (B, P, 3), from a list of neighbours with both
    directions of each pair; padding gets the shift `far`."""
    first = inputs["senders"].long()
    second = inputs["receivers"].long()
    shift = inputs["shift"]
    n_pairs = first.shape[1] // 2
    sign = shift.sign() @ shift.new_tensor([9, 3, 1])  # of the first component that is not zero
    own_image = (first == second) & (sign > 0)
    chosen = (first < second) | own_image
    chosen, order = chosen.sort(dim=1, descending=True, stable=True)
    chosen = chosen[:, :n_pairs]
    order = order[:, :n_pairs]
    first = torch.where(chosen, first.gather(1, order), 0)
    second = torch.where(chosen, second.gather(1, order), 0)
    shift = torch.where(chosen[..., None], _at(shift, order), far)
    return first, second, shift


def layers(
    network: GraphNetwork, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, dict[int, torch.Tensor]]]:
    """The output (B, N, 3), and the features (B, N, C, 2 l + 1) after each layer, by degree l."""
    prepared = network.prepare(inputs)
    outputs = network.outputs(prepared)
    by_name = {}
    for i, (layer, x) in enumerate(zip(network.layers, outputs, strict=True)):
        by_name[f"layer {i + 1}"] = _by_degree(x, layer.irreps_out)
    by_name["output"] = by_name.pop(f"layer {len(outputs)}")
    return outputs[-1], by_name


def _by_degree(x: torch.Tensor, irreps: o3.Irreps) -> dict[int, torch.Tensor]:
    """Features (B, N, D) in irreps as (B, N, C, 2 l + 1) by degree."""
    parts: dict[int, list[torch.Tensor]] = {}
    slices = irreps.slices()
    for (mul, ir), place in zip(irreps, slices, strict=True):
        shape = (mul, ir.dim)
        part = x[..., place].unflatten(-1, shape)
        of_degree = parts.setdefault(ir.l, [])
        of_degree.append(part)
    return {degree: torch.cat(part, 2) for degree, part in parts.items()}


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units, if the option sets one; the default reaches all pairs."""
    return hyperparameters.max_radius or None


def build(hyperparameters: Hyperparameters, shape: Shape) -> GraphNetwork:
    """A network for samples of this shape, with weights from torch's current random state and in
    its default dtype."""
    h = hyperparameters
    irreps_in = None
    if shape.n_scalars + shape.n_displacements:
        features = o3.Irreps(f"{shape.n_scalars}x0e + {shape.n_displacements}x1o")
        irreps_in = features.remove_zero_multiplicities()
    return GraphNetwork(
        irreps_in=irreps_in,
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
