"""The chapter's e3nn network (e3nn.nn.models.gate_points_2101; Geiger and Smidt, arXiv:2207.09453)
on all pairs of points of each sample, or on a list of neighbours.

The library's forward pass searches the neighbours of a whole batch in every call, comparing all
points with each other, and beyond 25 points rounding in that search makes some points neighbours of
themselves. Here each sample has its own pairs; those beyond the cutoff have a weight of zero. The K
- 1 past displacements of a point are its 1o features.
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
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


class GraphNetwork(Network):
    """The library's network on pairs of points: the radial network sees each distance once,
    whatever the direction."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        for convolution in self.convolutions():
            convolution.fc.register_forward_hook(_both_directions)
        parity = torch.cat(
            [torch.full((mul * ir.dim,), float(ir.p)) for mul, ir in self.irreps_edge_attr]
        )
        self.register_buffer("parity", parity, persistent=False)

    def convolutions(self) -> list[Convolution]:
        """One of each layer; all but the last are followed by a gate."""
        return [layer if isinstance(layer, Convolution) else layer.first for layer in self.layers]

    def prepare(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """All that does not depend on weights, from tensors of
        `equitraj.data.features.network_inputs`.

        Returns `x` (B, N, D), the features of the points; `first` and `second` (B, P), the pairs,
        each once; `harmonics` (B, P, D), those of x[first] - x[second] times the cutoff, and
        `radial` (B, P, number_of_basis).
        """
        position = inputs["position"]
        first, second, shift = (
            _listed(inputs, 2 * self.max_radius) if "senders" in inputs else _all_pairs(position)
        )
        vector = _at(position, first) - _at(position, second) + shift
        length = vector.norm(dim=-1)
        harmonics = o3.spherical_harmonics(
            self.irreps_edge_attr, vector, True, normalization="component"
        )
        radial = soft_one_hot_linspace(
            length, 0.0, self.max_radius, self.number_of_basis, "gaussian", cutoff=False
        )
        return {
            "x": self._features(inputs),
            "first": first,
            "second": second,
            "harmonics": smooth_cutoff(length / self.max_radius)[..., None] * harmonics,
            "radial": radial * self.number_of_basis**0.5,
        }

    def _features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        if not self.input_has_node_in:
            return torch.ones_like(inputs["position"][..., :1])
        vectors = inputs["displacement"].swapaxes(1, 2).flatten(2)
        return torch.cat([inputs["scalar"], vectors], -1) if "scalar" in inputs else vectors

    def apply(self, prepared: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, N, 3) from what `prepare` returned."""
        return self.outputs(prepared)[-1]

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, N, 3) from tensors of `equitraj.data.features.network_inputs`."""
        return self.apply(self.prepare(inputs))

    def outputs(self, prepared: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """What each layer hands on, (B, N, D) in its irreps, the last one (B, N, 3)."""
        x, harmonics = prepared["x"].flatten(0, 1), prepared["harmonics"].flatten(0, 1)
        leading = prepared["x"].shape[:2]
        start = torch.arange(0, len(x), leading[1], device=x.device)[:, None]
        first, second = ((prepared[k] + start).flatten() for k in ("first", "second"))
        edges = torch.cat([first, second]), torch.cat([second, first])
        harmonics = torch.cat([harmonics, harmonics * self.parity])
        radial, ones, outputs = prepared["radial"].flatten(0, 1), x.new_ones((len(x), 1)), []
        for layer in self.layers:
            x = layer(x, ones, *edges, harmonics, radial)
            outputs.append(x.unflatten(0, leading))
        return outputs


def _both_directions(module: torch.nn.Module, inputs: tuple, weights: torch.Tensor) -> torch.Tensor:
    """The weights of the pairs for the edges one way, then for those the other way."""
    return torch.cat([weights, weights])


def _at(position: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """The points (B, P, 3) at `index` (B, P)."""
    return position.gather(1, index[..., None].expand(-1, -1, 3))


def _all_pairs(position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First and second points (B, P) of all pairs, and a shift of zero."""
    n_samples, n_points = position.shape[:2]
    pairs = torch.triu_indices(n_points, n_points, 1, device=position.device)
    first, second = pairs[:, None].expand(-1, n_samples, -1)
    return first, second, position.new_zeros(())


def _listed(
    inputs: dict[str, torch.Tensor], far: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same of a list of neighbours with both directions of each pair; where it ends, pairs of
    shift `far`."""
    first, second, shift = inputs["senders"].long(), inputs["receivers"].long(), inputs["shift"]
    sign = shift.sign() @ shift.new_tensor([9, 3, 1])  # of the first component that is not zero
    once = (first < second) | ((first == second) & (sign > 0))  # a point and its own image
    once, order = once.sort(dim=1, descending=True, stable=True)
    once, order = (v[:, : first.shape[1] // 2] for v in (once, order))
    first, second = (torch.where(once, v.gather(1, order), 0) for v in (first, second))
    return first, second, torch.where(once[..., None], _at(shift, order), far)


def layers(
    network: GraphNetwork, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, dict[int, torch.Tensor]]]:
    """The output (B, N, 3), and what each layer hands on by degree l of its irreps, (B, N, C, 2 l +
    1)."""
    outputs, found = network.outputs(network.prepare(inputs)), {}
    for i, (layer, x) in enumerate(zip(network.layers, outputs, strict=True)):
        irreps, parts = layer.irreps_out, {}
        for (mul, ir), part in zip(irreps, irreps.slices(), strict=True):
            parts.setdefault(ir.l, []).append(x[..., part].unflatten(-1, (mul, ir.dim)))
        name = f"layer {i + 1}" if i + 1 < len(network.layers) else "output"
        found[name] = {degree: torch.cat(part, 2) for degree, part in parts.items()}
    return outputs[-1], found


def cutoff(hyperparameters: Hyperparameters, shape: Shape) -> float | None:
    """The cutoff in the data's units, where one is given; the default reaches all pairs."""
    return hyperparameters.max_radius or None


def build(hyperparameters: Hyperparameters, shape: Shape) -> GraphNetwork:
    """A network for samples of this shape, with weights from torch's current random state and in
    its default dtype."""
    h = hyperparameters
    features = f"{shape.n_scalars}x0e + {shape.n_displacements}x1o"
    return GraphNetwork(
        irreps_in=o3.Irreps(features).remove_zero_multiplicities()
        if shape.n_scalars + shape.n_displacements
        else None,
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
