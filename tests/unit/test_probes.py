"""Probes of functions whose answer is known: error against angle, worst rotation, stabilisers, continuity, rollouts."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample
from equitraj.frames import load_alignment
from equitraj.symmetry import probes


def sample(seed: int = 0, n_samples: int = 8, n_points: int = 6) -> Sample:
    rng = np.random.default_rng(seed)
    position = rng.normal(size=(n_samples, 2, n_points, 3)) * [3, 2, 1]
    return Sample(position, position[:, -1] + 0.1 * rng.normal(size=(n_samples, n_points, 3)))


def springs(s: Sample) -> np.ndarray:
    x = s.position[:, -1]
    return x - 0.1 * (x - x.mean(1, keepdims=True)) * np.square(x - x.mean(1, keepdims=True)).sum(-1, keepdims=True)


def wind(s: Sample) -> np.ndarray:
    return s.position[:, -1] + [1.0, 0, 0]


def framed(name: str):
    """A nonlinear model in the frame of an alignment."""
    aligner, matrix = load_alignment(name), np.random.default_rng(1).normal(size=(18, 18)) / 4

    def predict(s: Sample) -> np.ndarray:
        frames = aligner.frames(s.position)
        inside = frames.into(s.position[:, -1])
        moved = inside + 0.1 * np.tanh(inside.reshape(len(inside), -1) @ matrix).reshape(inside.shape)
        return frames.back(moved)

    return predict


def values(rows: list[dict], item: str | None = None) -> np.ndarray:
    return np.array([row["value"] for row in rows if item in (None, row["item"])])


def test_error_against_angle_of_a_constant_wind_is_that_of_a_turned_vector():
    """|R^T e - e| = 2 sin(angle / 2) times the part of e across the axis, at every angle."""
    rows = probes.angles(wind, sample())
    angle = np.radians([row["x"] for row in rows])
    shape = values(rows) / np.sin(angle / 2)
    np.testing.assert_allclose(shape, shape[0], rtol=1e-9)
    assert probes.ANGLES == tuple(row["x"] for row in rows) and values(rows)[-1] > 0.5
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_an_equivariant_function_has_no_error_at_any_angle():
    assert values(probes.angles(springs, sample())).max() < 1e-13


def test_the_worst_rotation_of_a_wind_is_half_a_turn_and_beyond_the_random_ones():
    """Along the wind: |R^T e - e| = 2 at most, relative to a predicted displacement of |e|."""
    rows = probes.worst_rotation(wind, sample(), n_random=8)
    (random,), (worst,) = values(rows, "random p95"), values(rows, "worst")
    assert random < worst <= 2 + 1e-12 and worst == pytest.approx(2, rel=1e-3)


def test_symmetric_input_stays_symmetric_under_an_equivariant_function_only():
    rows = probes.stabilisers(springs, sample(), forward=0.0)
    assert [row["item"] for row in rows] == ["planar", "C2", "C3"]
    assert {row["verdict"] for row in rows} == {"exact"}
    assert {row["verdict"] for row in probes.stabilisers(wind, sample(), forward=0.0)} == {"broken"}


def test_the_symmetric_inputs_are_what_they_are_called():
    s, turn = sample(), Rotation.from_rotvec([0, 0, 2 * np.pi / 3]).as_matrix()
    cyclic = probes._cyclic(s, turn, 3).position
    np.testing.assert_allclose(np.roll(cyclic, 2, axis=2) @ turn.T, cyclic, atol=1e-14)
    assert cyclic.shape == s.position.shape


def test_continuity_tells_a_frame_that_follows_the_principal_axes_from_one_that_does_not():
    """Near equal moments a principal frame turns by the shift over the gap: ten times the gain for a tenth of the gap.
    For weighted frames and springs the gain stays. What else the shift moves is a hundredth of that at the last gap."""
    gain = {
        name: values(probes.continuity(framed(name), sample())) for name in ("principal_axes_signed", "weighted_frames")
    }
    smooth = values(probes.continuity(springs, sample()))
    assert gain["principal_axes_signed"][-1] == pytest.approx(10 * gain["principal_axes_signed"][-2], rel=0.01)
    assert gain["weighted_frames"] == pytest.approx([gain["weighted_frames"][0]] * len(probes.GAPS), rel=0.01)
    assert smooth[-1] == pytest.approx(smooth[-2], rel=0.01)


def test_a_wind_makes_rollouts_drift_apart_at_its_own_rate():
    rows = probes.rollout(wind, sample(), steps=(1, 4))
    assert values(rows)[0] == pytest.approx(values(rows)[1], rel=1e-9)  # drift and distance both grow linearly
    assert values(probes.rollout(springs, sample(), steps=(1, 2))).max() < 1e-12


def test_the_error_along_training_is_that_of_the_weights_kept():
    strength = {"initial": 0.0, "epoch1": 0.1, "epoch5": 1.0}
    load = lambda weights: lambda s: springs(s) + [strength[weights], 0, 0]  # noqa: E731
    rows = probes.training(load, [1, 5], sample())
    assert [row["x"] for row in rows] == [0, 1, 5]
    assert values(rows)[0] < 1e-13 and values(rows)[0] < values(rows)[1] < values(rows)[2]
