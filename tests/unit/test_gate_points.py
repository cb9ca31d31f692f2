"""The fast network of gated convolutions is e3nn's own, weight by weight; lists of neighbours give
what pairs do."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from e3nn import o3
from e3nn.nn.models.gate_points_2101 import Network
from e3nn.o3._wigner import so3_generators

from equitraj.base.registry import check_values, model_spec
from equitraj.data.features import Shape, Statistics
from equitraj.models import _block, _irreps, _radial, gate_points
from equitraj.models.gate_points import Hyperparameters

IRREPS = {  # hidden irreps, lmax, layers, past displacements, scalars
    "the chapter's": ("5x0e + 5x0o + 5x1e + 5x1o", 3, 3, 0, 0),
    "a history": ("5x0e + 5x0o + 5x1e + 5x1o", 3, 2, 2, 0),
    "degree 2 and species": ("3x0e + 2x0o + 2x1e + 4x1o + 2x2e + 1x2o", 4, 2, 2, 2),
    "blocks of one irrep apart": ("3x0e + 2x1o + 2x0e + 1x1e + 2x2o", 2, 2, 0, 3),
    "no scalars": ("4x1o + 2x2e", 1, 1, 1, 0),
    "odd gates": ("2x0o + 4x1e", 1, 2, 2, 0),
}
N, B = 6, 3
called = eqx.filter_jit(
    lambda network, inputs: network(inputs)
)  # one program in place of one for each operation
prepared = eqx.filter_jit(lambda network, inputs: network.apply(network.prepare(inputs)))


def shape_of(displacements: int, scalars: int, n_points: int = N) -> Shape:
    """Of samples with an extent of 0.6."""
    statistics = Statistics("last", (0.0,) * displacements, 1.0, 1.0, (0.0, 0.0, 0.0), 1.0, 0.6)
    return Shape(n_points, displacements, scalars, statistics)


def inputs_of(
    displacements: int, scalars: int, n_points: int = N, scale: float = 1.0
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    found = {
        "position": scale * rng.normal(size=(B, n_points, 3)),
        "displacement": rng.normal(size=(B, displacements, n_points, 3)),
    }
    return found | ({"scalar": rng.normal(size=(B, n_points, scalars))} if scalars else {})


@cache
def reference(name: str) -> Network:
    """e3nn's network in float64, as `e3nn_network` builds it."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    hidden, lmax, layers, displacements, scalars = IRREPS[name]
    given = o3.Irreps(f"{scalars}x0e + {displacements}x1o").remove_zero_multiplicities()
    return Network(
        irreps_in=given if len(given) else None, irreps_hidden=o3.Irreps(hidden), irreps_out="1x1o",
        irreps_node_attr=None, irreps_edge_attr=o3.Irreps.spherical_harmonics(lmax), layers=layers, max_radius=2.1,
        number_of_basis=10, radial_layers=1, radial_neurons=16, num_neighbors=N - 1, num_nodes=N, reduce_output=False,
    )  # fmt: skip


def fast_of(network: Network, options: dict, shape: Shape, dtype: str) -> gate_points.Network:
    """The fast network with the weights of e3nn's."""
    from equitraj.training.jax import with_arrays

    weights = gate_points.adopted({k: v.numpy() for k, v in network.state_dict().items()})
    return with_arrays(
        gate_points.build(Hyperparameters(**options), shape, jax.random.key(0)), weights, dtype
    )


def answer(network: Network, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What e3nn's network returns for each sample by itself, with its own search for neighbours."""
    found = []
    for b in range(B):
        features = [inputs["scalar"][b]] if "scalar" in inputs else []
        features.append(inputs["displacement"][b].swapaxes(0, 1).reshape(N, -1))
        data = {"pos": torch.tensor(inputs["position"][b])}
        if network.input_has_node_in:
            data["x"] = torch.tensor(np.concatenate(features, -1))
        found.append(network(data).detach().numpy())
    return np.stack(found)


@pytest.mark.parametrize("name", IRREPS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-5)])
def test_weights_of_e3nn_give_its_outputs(name, dtype, tolerance):
    hidden, lmax, layers, displacements, scalars = IRREPS[name]
    network = reference(name)
    options = {"irreps_hidden": hidden, "lmax": lmax, "layers": layers, "radial_neurons": 16}
    fast = fast_of(network, options, shape_of(displacements, scalars), dtype)
    inputs = inputs_of(displacements, scalars)
    expected = answer(network, inputs)
    found = np.asarray(called(fast, {k: jnp.asarray(v, dtype) for k, v in inputs.items()}))
    # rounding of sums of hundreds of terms: 1e-16 and 1e-7 each
    assert (
        found.dtype == dtype and np.abs(found - expected).max() < tolerance * np.abs(expected).max()
    )


def test_weights_of_another_network_do_not_go_to_e3nn():
    with pytest.raises(ValueError, match=r"embed.weight: no weight of gate_points; expected"):
        gate_points.exported({"embed.weight": np.zeros(3)})


@pytest.mark.parametrize("name", IRREPS)
def test_weights_go_back_to_e3nn(name):
    from equitraj.training.jax import named_arrays

    hidden, lmax, layers, displacements, scalars = IRREPS[name]
    options = {"irreps_hidden": hidden, "lmax": lmax, "layers": layers, "radial_neurons": 16}
    fast = gate_points.build(
        Hyperparameters(**options), shape_of(displacements, scalars), jax.random.key(3)
    )
    network = reference(name)
    drawn = {k: v.clone() for k, v in network.state_dict().items()}
    weights = {
        k: torch.tensor(v, dtype=torch.float64)
        for k, v in gate_points.exported(named_arrays(fast)).items()
    }
    assert set(weights) == {k for k, _ in network.named_parameters()}
    network.load_state_dict(weights, strict=False)
    inputs = inputs_of(displacements, scalars)
    fast = eqx.tree_at(
        lambda n: n.weights, fast, {k: v.astype("float64") for k, v in fast.weights.items()}
    )
    found = np.asarray(called(fast, {k: jnp.asarray(v) for k, v in inputs.items()}))
    expected = answer(network, inputs)
    network.load_state_dict(drawn)
    assert np.abs(found - expected).max() < 1e-11 * np.abs(expected).max()  # rounding, as above


def test_wigner_tensors_harmonics_and_generators_are_those_of_e3nn():
    torch.set_default_dtype(torch.float64)
    for l1 in range(3):
        for l2 in range(5):
            for l3 in range(abs(l1 - l2), min(l1 + l2, 4) + 1):
                # both are exact up to rounding of numbers below 1
                np.testing.assert_allclose(
                    _irreps.wigner_3j(l1, l2, l3), o3.wigner_3j(l1, l2, l3).numpy(), atol=1e-14
                )
    unit = np.random.default_rng(0).normal(size=(20, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found = np.ones((20, 1))
    for degree in range(5):
        expected = o3.spherical_harmonics(
            degree, torch.tensor(unit), True, normalization="component"
        ).numpy()
        np.testing.assert_allclose(
            found, expected, atol=1e-13
        )  # rounding of numbers up to 3, through four products
        np.testing.assert_allclose(
            _irreps.generators(degree), so3_generators(degree).numpy(), atol=1e-13
        )
        found = np.einsum("ni,nk,ikm->nm", unit, found, _irreps.harmonics_step(degree))


def listed(inputs: dict[str, np.ndarray], cutoff: float) -> dict[str, np.ndarray]:
    """The inputs with a list of neighbours, longest first and padded, made by comparing all pairs."""
    position = inputs["position"]
    n_points = position.shape[1]
    near = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1) < cutoff
    pairs = [np.argwhere(one & ~np.eye(n_points, dtype=bool)) for one in near]
    length = max(map(len, pairs)) + 3
    padded = np.stack([np.concatenate([p, np.full((length - len(p), 2), n_points)]) for p in pairs])
    more = {"senders": padded[..., 1].astype("i4"), "receivers": padded[..., 0].astype("i4")}
    return (
        inputs
        | more
        | {"shift": np.zeros((*padded.shape[:2], 3)), "bonded": np.zeros(padded.shape[:2])}
    )


@pytest.mark.parametrize("nodes", [0, 64])
def test_lists_of_neighbours_give_what_all_pairs_do(nodes):
    options = {
        "max_radius": 1.2,
        "layers": 1,
        "radial_neurons": 8,
        "nodes": nodes,
        "irreps_hidden": "3x0e + 2x1o + 2x2e",
    }
    network = gate_points.build(Hyperparameters(**options), shape_of(1, 2, 9), jax.random.key(0))
    inputs = {k: jnp.asarray(v) for k, v in inputs_of(1, 2, 9, scale=0.7).items()}
    lists = {k: jnp.asarray(v) for k, v in listed(inputs_of(1, 2, 9, scale=0.7), 1.2).items()}
    block, near = (prepared(network, given) for given in (inputs, lists))
    np.testing.assert_allclose(near, block, rtol=1e-5, atol=1e-6)  # float32 sums in another order


def interpolation_error(**options: int) -> float:
    network = gate_points.build(Hyperparameters(**options), shape_of(2, 0), jax.random.key(0))
    return network.diagnostics()["radial_interpolation_error"]


def test_the_default_interpolates_below_the_bound_and_coarse_nodes_do_not():
    assert (
        interpolation_error() < 1e-5
        and interpolation_error(nodes=16) > 1e-3
        and interpolation_error(nodes=0) == 0
    )


def test_interpolation_is_exact_for_what_it_spans():
    at, matrix = _radial.nodes(8)
    function = lambda r: (_radial.polynomials(jnp.asarray(r), jnp.ones(()), 8).T @ np.arange(8.0)).T  # noqa: E731
    coefficients = np.asarray(function(at)) @ matrix
    np.testing.assert_allclose(
        coefficients, np.arange(8.0), atol=1e-12
    )  # rounding of sums of eight terms


def test_degrees_that_it_does_not_have_are_refused_with_the_model_that_has_them():
    with pytest.raises(ValueError, match=r"irreps_hidden.*degrees up to 2.*e3nn_network"):
        check_values(
            "methods.mine.options",
            {"irreps_hidden": "4x0e + 2x3o"},
            model_spec("gate_points").hyperparameters,
        )


def test_features_of_degree_2_turn_as_they_should():
    """Each layer's features at turned points are those at the points, turned by the exponential of
    the generators."""
    from scipy.linalg import expm
    from scipy.spatial.transform import Rotation

    options = {"irreps_hidden": "3x0e + 2x1o + 2x2e", "layers": 1, "radial_neurons": 8}
    network = gate_points.build(Hyperparameters(**options), shape_of(1, 0), jax.random.key(0))
    network = eqx.tree_at(
        lambda n: n.weights, network, {k: v.astype("float64") for k, v in network.weights.items()}
    )
    angle = np.array([0.3, -1.1, 0.7])
    turn = Rotation.from_rotvec(angle).as_matrix()
    inputs = {k: jnp.asarray(v) for k, v in inputs_of(1, 0).items()}
    turned = inputs | {
        k: jnp.asarray(np.asarray(inputs[k]) @ turn.T) for k in ("position", "displacement")
    }
    (_, before), (_, after) = (
        eqx.filter_jit(gate_points.layers)(network, given) for given in (inputs, turned)
    )
    for name, features in before.items():
        for degree, value in features.items():
            matrix = expm(np.einsum("a,amn->mn", angle, _irreps.generators(degree)))
            # rounding, as above
            np.testing.assert_allclose(
                after[name][degree], np.asarray(value) @ matrix.T, atol=1e-11
            )


def test_a_pair_seen_both_ways_has_the_derivatives_of_a_gather():
    """Forward and backward, as indexing by NumPy's table and JAX's own scatter have them."""
    block, rng = _block.Block(5), np.random.default_rng(0)
    value, change = jnp.asarray(rng.normal(size=(2, 3, 11, 4)))
    value, change = (
        jnp.concatenate([v[:, :10], jnp.zeros((3, 1, 4))], 1) for v in (value, change)
    )  # none is zero
    plain = lambda v: v[:, _block.table(5)]  # noqa: E731
    directed = lambda v: jnp.concatenate(block.directed(v, (1, 2)))  # noqa: E731
    for found, expected in zip(
        *(jax.jvp(f, (value,), (change,)) for f in (directed, plain)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    back = jnp.asarray(rng.normal(size=(3, 5, 5, 4)))
    (found,), (expected,) = (jax.vjp(f, value)[1](back) for f in (directed, plain))
    np.testing.assert_array_equal(
        found[:, :10], expected[:, :10]
    )  # what belongs to no pair is of no use
