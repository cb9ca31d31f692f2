"""The Lie derivative: against closed forms and finite differences of the whole predictor; broken
layers are found."""

import json
from dataclasses import asdict
from functools import cache

import jax
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from equitraj import symmetry
from equitraj.base import registry
from equitraj.data import features
from equitraj.data.features import Shape
from equitraj.data.tasks import Sample
from equitraj.frames import Base, Frames, turn_onto_x
from equitraj.prediction import predictor
from equitraj.symmetry import lie
from equitraj.training.method import Method

N_POINTS, HISTORY = 4, 3
E3NN = {
    "irreps_hidden": "3x0e + 2x0o + 2x1e + 2x1o + 1x2e",
    "layers": 2,
    "radial_neurons": 8,
    "number_of_basis": 4,
}


def sample(n_samples: int = 6, seed: int = 0) -> Sample:
    """Points that move by a fiftieth of their distances."""
    rng = np.random.default_rng(seed)
    steps = 0.02 * rng.normal(size=(n_samples, HISTORY, N_POINTS, 3))
    position = rng.normal(size=(n_samples, 1, N_POINTS, 3)) + np.cumsum(steps, axis=1)
    return Sample(position, position[:, -1] + 0.02 * rng.normal(size=(n_samples, N_POINTS, 3)))


def shape_of(s: Sample) -> Shape:
    n_displacements = s.position.shape[1] - 1
    return Shape(N_POINTS, n_displacements, 0, features.measure(s, "auto", 1))


@cache
def _weights(built: str, shape: Shape) -> dict[str, np.ndarray]:
    method = Method(**json.loads(built))
    if registry.model_spec(method.model).framework == "jax":
        import equinox as eqx
        import jax

        from equitraj.training.jax import named_arrays

        return named_arrays(eqx.filter_jit(lambda key: method.build(shape, key))(jax.random.key(0)))
    import torch

    from equitraj.training.torch import named_arrays

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    return named_arrays(method.build(shape))


def weights(method: Method, shape: Shape) -> dict[str, np.ndarray]:
    """Fresh weights of a network."""
    alignment = method.alignment if method.aligner.learned else "none"
    return _weights(json.dumps(asdict(method) | {"alignment": alignment}), shape)


def finite_differences(
    method: Method, shape: Shape, arrays: dict, reference, s: Sample
) -> np.ndarray:
    """(6, B, N, 3) central differences of exp(-tX) f(exp(tX) x), of second order, for the whole
    predictor."""
    forward = predictor.forward(method, shape, arrays, "float64")
    step, unit = 1e-4, symmetry.extent(s.position[:, -1])

    def predict(position: np.ndarray) -> np.ndarray:
        return predictor.Predictor(method.aligner, forward, reference).predict(
            Sample(position)
        )  # the same draws

    def pulled(time: float) -> np.ndarray:
        turns = Rotation.from_rotvec(time * np.eye(3)).as_matrix()
        turned = [predict(s.position @ r.T) @ r for r in turns]
        shifts = time * unit * np.eye(3)
        return np.stack(turned + [predict(s.position + t) - t for t in shifts])

    return (pulled(step) - pulled(-step)) / (2 * step)


@pytest.mark.parametrize(
    ("w", "b"),
    [
        (np.eye(3), 0.0),
        (np.eye(3), 0.05),
        (np.diag([1.0, 1.0, 0.9]), 0.0),
        (np.arange(9.0).reshape(3, 3) / 9, 0.3),
    ],
    ids=["identity", "constant wind", "scaled axis", "linear map"],
)
def test_an_affine_map_has_the_commutator_with_the_generator_as_its_derivative(w, b):
    s, arrays = sample(), {"w": w, "b": np.array(b)}
    found = lie.derivatives(Method("m", "linear_least_squares"), shape_of(s), arrays, None, s)
    newest, unit = s.position[:, -1], symmetry.extent(s.position[:, -1])
    for axis, name in enumerate("xyz"):
        omega = np.cross(
            np.eye(3)[axis], np.eye(3)
        )  # rows e_axis x e_i: the transpose of the generator
        turned = newest @ omega @ w - (newest @ w + b) @ omega
        np.testing.assert_allclose(
            found[f"rotation_{name}"], turned, rtol=0, atol=1e-11
        )  # stencil: 2e-13 of about 3
        shifted = unit * (w[axis] - np.eye(3)[axis])
        np.testing.assert_allclose(
            found[f"translation_{name}"], np.broadcast_to(shifted, newest.shape), atol=1e-11
        )


@pytest.mark.parametrize("alignment", registry.names(registry.ALIGNMENTS))
def test_an_mlp_in_any_frame_agrees_with_finite_differences_of_the_whole_predictor(alignment):
    s = sample()
    method, shape = Method("m", "mlp", alignment, options={"width": 16}), shape_of(s)
    arrays, reference = weights(method, shape), method.aligner.fit(s.position[:, -1])
    found = np.stack(list(lie.derivatives(method, shape, arrays, reference, s).values()))
    expected = finite_differences(method, shape, arrays, reference, s)
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-7
    )  # step^2 = 1e-8 of third derivatives
    claim = method.claims()["rotation"]
    if claim == "exact":
        assert np.abs(found[:3]).max() < 1e-10
    elif claim == "no":
        assert np.abs(found[:3]).max() > 1e-3


class TwoFrames(Base):
    """Two frames, neither equivariant, whose axes, origin and weights all depend on the points and
    their motion."""

    def frames(self, position, reference=None, rng=None) -> Frames:
        motion = position[:, -1] - position[:, 0]
        first = turn_onto_x(position[:, -1, 1] + 5 * motion[:, 2])
        second = first @ turn_onto_x(position[:, -1, 2])
        odds = 1 / (1 + np.exp(position[:, -1, 0, 1] - position[:, -1, 3, 2]))
        return Frames(
            np.stack([first, second], 1), 0.5 * position[:, 0, 0], np.stack([odds, 1 - odds], 1)
        )


def test_averaged_frames_that_move_with_weights_and_origin_agree_with_finite_differences(
    monkeypatch,
):
    monkeypatch.setattr(Method, "aligner", TwoFrames())  # in place of the property
    s = sample()
    method, shape = Method("m", "mlp", options={"width": 16}), shape_of(s)
    arrays = weights(method, shape)
    found = np.stack(list(lie.derivatives(method, shape, arrays, None, s).values()))
    expected = finite_differences(method, shape, arrays, None, s)
    assert np.abs(expected).max((1, 2, 3)).min() > 1e-3  # every generator counts
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-6
    )  # step^2 = 1e-8 of third derivatives of the frames


@pytest.mark.parametrize("model", ["egnn", "e3nn_network", "gate_points"])
@pytest.mark.parametrize(("history", "alignment"), [(HISTORY, "vector01"), (1, "none")])
def test_equivariant_networks_have_no_derivative_beyond_rounding(model, history, alignment):
    s = sample()
    s = Sample(s.position[:, -history:], s.target)
    method = Method("m", model, alignment, options={"width": 8} if model == "egnn" else E3NN)
    shape = shape_of(s)
    rows = lie.rows(method, shape, weights(method, shape), None, s)
    assert [r["item"] for r in rows if r["probe"] == "lie"] == ["rotation", "translation"]
    assert [r["x"] for r in rows if r["probe"] == "lie_layer"] == list(
        range(1, 3 if model == "egnn" else 4)
    )
    for row in rows:
        assert row["verdict"] == "exact", row
        assert row["low"] <= row["value"] <= row["high"] and row["floor"] < 1e-10


def test_an_mlp_is_found_broken_and_shows_no_layers():
    s = sample()
    method, shape = Method("m", "mlp", options={"width": 16}), shape_of(s)
    rows = lie.rows(method, shape, weights(method, shape), None, s)
    assert [(r["probe"], r["item"], r["verdict"]) for r in rows] == [
        ("lie", "rotation", "broken"),
        ("lie", "translation", "broken"),
    ]


def e3nn_network(s: Sample):
    method, shape = Method("m", "e3nn_network", options=E3NN), shape_of(s)
    from equitraj.symmetry.lie import torch as lie_torch

    return lie_torch, lie_torch.network(method, shape, weights(method, shape)), method.module, shape


def test_a_constant_vector_in_the_second_layer_is_found_in_the_second_layer():
    import torch

    s = sample()
    framework, network, module, shape = e3nn_network(s)
    inputs = features.network_inputs(s, shape.statistics, "float64")
    whole = lie.network_layer_errors(framework, network, module.layers, inputs)
    assert max(value.max() for value in whole.values()) < 1e-14  # rounding: a few 1e-16

    class Wind(torch.nn.Module):
        """The layer, and 0.1 added to the z component of its first vector."""

        def __init__(self, layer):
            super().__init__()
            self.layer, self.irreps_out = layer, layer.irreps_out
            vector = next(i for i, (_, ir) in enumerate(self.irreps_out) if ir.l == 1)
            self.place = self.irreps_out.slices()[vector].start + 2

        def forward(self, *inputs):
            x = self.layer(*inputs)
            return x + 0.1 * torch.nn.functional.one_hot(torch.tensor(self.place), x.shape[1])

    network.layers[1] = Wind(network.layers[1])
    broken = lie.network_layer_errors(framework, network, module.layers, inputs)
    assert list(broken) == ["layer 1", "layer 2", "output"]
    assert broken["layer 1"].max() < 1e-14
    assert broken["layer 2"].min() > 1e-2 and broken["output"].min() > 1e-4


def test_layers_end_in_the_output_of_the_network():
    from equitraj.symmetry.lie import jax as lie_jax
    from equitraj.training import dense

    s = sample()
    _, network, module, shape = e3nn_network(s)
    inputs = features.network_inputs(s, shape.statistics, "float64")
    given = dense.tensors(inputs)
    output, found = module.layers(network, given)
    np.testing.assert_array_equal(output.detach(), network(given).detach())
    np.testing.assert_array_equal(found["output"][1][:, :, 0].detach(), output.detach())
    method = Method("m", "egnn", options={"width": 8})
    network = lie_jax.network(method, shape, weights(method, shape))
    output, found = jax.jit(lambda i: method.module.layers(network, i))(inputs)
    assert list(found) == ["layer 1", "layer 2"]
    np.testing.assert_array_equal(found["layer 2"][1][:, :, 0], output)
    np.testing.assert_allclose(
        output, jax.jit(lambda i: network(i))(inputs), rtol=0, atol=1e-14
    )  # compiled apart


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_generators_of_each_degree_are_those_of_the_wigner_matrices(degree):
    import torch
    from e3nn import o3

    from equitraj.symmetry.lie import torch as torch_lie

    for axis, x in enumerate(torch_lie.generators(degree)):
        turn = torch.as_tensor(Rotation.from_rotvec(0.7 * np.eye(3)[axis]).as_matrix())
        wigner = o3.Irrep(degree, 1).D_from_matrix(turn).numpy()
        np.testing.assert_allclose(
            expm(0.7 * x), wigner, rtol=0, atol=1e-6
        )  # e3nn's constants are in float32


def jumping(turn: np.ndarray):
    """World axes, turned where the first coordinate of a sample is positive."""

    def frames(position: np.ndarray) -> Frames:
        rotation = np.where((position[:, -1, 0, 0] > 0)[:, None, None], turn, np.eye(3))
        return Frames.single(rotation, np.zeros((len(position), 3)))

    return frames


def test_a_sample_whose_frame_jumps_is_left_out_and_no_other():
    s, frames = sample(), jumping(Rotation.from_rotvec([0, 0, 0.5]).as_matrix())
    s.position[0, -1, 0, 0] = 0.0  # where it jumps
    motion = lie.frame_motion(frames, frames(s.position), s.position, 1.0)
    jumped = np.isnan(motion.rotation).any((0, 2, 3, 4))
    assert jumped.tolist() == [True] + [False] * (len(s) - 1)
    row = lie._row("lie", "rotation", 0, np.where(jumped, np.nan, 0.5), 1e-12)
    assert row["value"] == 0.5 and row["verdict"] == "broken"


def test_axes_that_change_sign_or_place_are_followed_along_their_branch():
    s, still = sample(), jumping(np.eye(3))
    s.position[0, -1, 0, 0] = 0.0
    expected = lie.frame_motion(still, still(s.position), s.position, 1.0)
    for turn in (np.diag([-1.0, -1.0, 1.0]), np.array([[0, 1.0, 0], [-1, 0, 0], [0, 0, 1]])):
        frames = jumping(turn)
        motion = lie.frame_motion(frames, frames(s.position), s.position, 1.0)
        np.testing.assert_allclose(
            motion.rotation[:, 0], expected.rotation[:, 0], rtol=0, atol=1e-11
        )


def test_averaged_frames_that_come_in_another_order_are_at_rest():
    s, rng = sample(), np.random.default_rng(0)

    def frames(position: np.ndarray) -> Frames:
        order = rng.permutation(2)
        rotation = np.stack([np.eye(3), np.diag([-1.0, -1.0, 1.0])])[order]
        batch = len(position)
        weight = np.array([0.3, 0.7])[order]
        return Frames(
            np.tile(rotation, (batch, 1, 1, 1)), np.zeros((batch, 3)), np.tile(weight, (batch, 1))
        )

    motion = lie.frame_motion(frames, frames(s.position), s.position, 1.0)
    assert not motion.weight.any() and np.abs(motion.rotation[3:]).max() == 0
    quarter = motion.rotation[2, 0] @ np.array(
        [[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]
    )  # R' = R g turns about z
    np.testing.assert_allclose(quarter, [np.diag([1, 1, 0]), np.diag([-1, -1, 0])], atol=1e-11)


def test_a_network_without_history_has_no_features_and_is_differentiated_all_the_same():
    s = sample()
    alone = Sample(s.position[:, -1:], s.target)
    method, shape = Method("m", "e3nn_network", "centre_of_mass", options=E3NN), shape_of(alone)
    rows = lie.rows(method, shape, weights(method, shape), None, alone)
    assert {row["verdict"] for row in rows} == {"exact"} and len(rows) > 2
