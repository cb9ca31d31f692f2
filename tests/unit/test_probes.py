"""Probes of functions whose answer is known: error against angle, worst rotation, stabilisers,
continuity, rollouts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample
from equitraj.frames import load_alignment
from equitraj.symmetry import actions, probes, run
from equitraj.symmetry.actions import Element

LAG, STEP = 10, 0.25
WIND = np.array([0.2, 0.1, -0.4])
EXACT = 1e-11  # relative: roundings of up to 20 steps between numbers below a hundred, over motions above a tenth


def sample(seed: int = 0, n_samples: int = 8, n_points: int = 6) -> Sample:
    rng = np.random.default_rng(seed)
    position = rng.normal(size=(n_samples, 2, n_points, 3)) * [3, 2, 1]
    return Sample(position, position[:, -1] + 0.1 * rng.normal(size=(n_samples, n_points, 3)))


def springs(s: Sample) -> np.ndarray:
    x = s.position[:, -1]
    return x - 0.1 * (x - x.mean(1, keepdims=True)) * np.square(x - x.mean(1, keepdims=True)).sum(
        -1, keepdims=True
    )


def wind(s: Sample) -> np.ndarray:
    return s.position[:, -1] + [1.0, 0, 0]


def framed(name: str):
    """A nonlinear model in the frame of an alignment."""
    aligner, matrix = load_alignment(name), np.random.default_rng(1).normal(size=(18, 18)) / 4

    def predict(s: Sample) -> np.ndarray:
        frames = aligner.frames(s.position)
        inside = frames.into(s.position[:, -1])
        moved = inside + 0.1 * np.tanh(inside.reshape(len(inside), -1) @ matrix).reshape(
            inside.shape
        )
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
    """Near equal moments a principal frame turns by the shift over the gap: ten times the gain for
    a tenth of the gap. For weighted frames and springs the gain stays. What else the shift moves is
    a hundredth of that at the last gap."""
    gain = {
        name: values(probes.continuity(framed(name), sample()))
        for name in ("principal_axes_signed", "weighted_frames")
    }
    smooth = values(probes.continuity(springs, sample()))
    assert gain["principal_axes_signed"][-1] == pytest.approx(
        10 * gain["principal_axes_signed"][-2], rel=0.01
    )
    assert gain["weighted_frames"] == pytest.approx(
        [gain["weighted_frames"][0]] * len(probes.GAPS), rel=0.01
    )
    assert smooth[-1] == pytest.approx(smooth[-2], rel=0.01)


def test_a_wind_makes_rollouts_drift_apart_at_its_own_rate():
    rows = probes.rollout(wind, sample(), 1, steps=(1, 4))
    assert values(rows)[0] == pytest.approx(
        values(rows)[1], rel=1e-9
    )  # drift and distance both grow linearly
    assert values(probes.rollout(springs, sample(), 1, steps=(1, 2))).max() < 1e-12


def test_the_error_along_training_is_that_of_the_weights_kept():
    strength = {"initial": 0.0, "epoch1": 0.1, "epoch5": 1.0}
    load = lambda weights: lambda s: springs(s) + [strength[weights], 0, 0]  # noqa: E731
    rows = probes.training(load, [1, 5], sample())
    assert [row["x"] for row in rows] == [0, 1, 5]
    assert values(rows)[0] < 1e-13 and values(rows)[0] < values(rows)[1] < values(rows)[2]


def carried(s: Sample) -> np.ndarray:
    """Points go on for `LAG` frames with their velocity times their charge over their mass, and are
    blown on."""
    factor = s.scalar / s.mass[..., None]
    return s.position[:, -1] + LAG * s.step * factor * s.velocity + WIND


def moving(n_samples: int = 8, n_points: int = 6, history: int = 1) -> Sample:
    """Samples with velocities, masses and charges, a quarter of a unit of time between frames."""
    rng = np.random.default_rng(3)
    position, velocity = (
        rng.normal(size=(n_samples, history, n_points, 3)),
        rng.normal(size=(n_samples, n_points, 3)),
    )
    mass = rng.uniform(1, 2, (n_samples, n_points))
    charge = mass * rng.uniform(0.3, 0.9, mass.shape)
    return Sample(position, velocity=velocity, scalar=charge[..., None], mass=mass, step=STEP)


def drift(s: Sample) -> np.ndarray:
    """The part of the motion of `carried` that turns with its sample: LAG frames of a share of the
    velocity."""
    return LAG * STEP * s.velocity * s.scalar / s.mass[..., None]


def typical(length: np.ndarray) -> np.ndarray:
    """Lengths (B,) of predicted motions, those below their root mean square counted as that: there
    is no target."""
    return np.maximum(length, np.sqrt(np.mean(length**2)))


def wind_over_motion(s: Sample) -> float:
    """Mean of |wind| over |predicted motion|."""
    blown = np.sqrt(s.position.shape[2]) * np.linalg.norm(WIND)
    return float(np.mean(blown / typical(np.linalg.norm(drift(s) + WIND, axis=(1, 2)))))


def across(axis: np.ndarray) -> np.ndarray:
    """The part of the wind across unit vectors (..., 3), of the whole wind."""
    along = axis @ WIND / np.linalg.norm(WIND)
    return np.sqrt(1 - along**2)


def turned_wind(elements: list[Element]) -> np.ndarray:
    """|R^T wind - wind| over |wind| for each element."""
    return np.array([np.linalg.norm(WIND @ g.matrix - WIND) for g in elements]) / np.linalg.norm(
        WIND
    )


def test_error_against_angle_beside_a_motion_that_turns_is_that_of_the_wind():
    """2 sin(angle / 2) times the wind across the axis, over the motion."""
    s, rng = moving(), np.random.default_rng(0)
    axes = np.stack([actions.direction(rng) for _ in range(probes.N_AXES)])
    expected = 2 * np.sin(np.radians(probes.ANGLES) / 2) * across(axes).mean() * wind_over_motion(s)
    np.testing.assert_allclose(values(probes.angles(carried, s)), expected, rtol=EXACT)


def test_the_worst_rotation_turns_the_wind_round():
    """The search ends within a thousandth of the largest error, twice the wind, and not beyond."""
    s = moving()
    rows = probes.worst_rotation(carried, s, n_random=8)
    elements = actions.draw("rotation", 8, 6, 1.0, np.random.default_rng(0))
    (random,), (worst,) = values(rows, "random p95"), values(rows, "worst")
    assert random == pytest.approx(
        np.quantile(turned_wind(elements), 0.95) * wind_over_motion(s), rel=EXACT
    )
    largest = 2 * wind_over_motion(s)
    assert worst == pytest.approx(largest, rel=1e-3) and worst <= largest * (1 + EXACT)


def test_a_planar_input_leaves_its_plane_with_the_wind_alone():
    """Mirrored in the plane, the wind changes by twice its part along the normal, of which half is
    told."""
    s, normal = moving(), actions.direction(np.random.default_rng(0))
    flat = replace(s, velocity=s.velocity - (s.velocity @ normal)[..., None] * normal)
    (value,) = values(probes.stabilisers(carried, s, forward=0.0), "planar")
    along = abs(WIND @ normal) / np.linalg.norm(WIND)
    assert value == pytest.approx(along * wind_over_motion(flat), rel=EXACT)


@pytest.mark.parametrize("n", [2, 3])
def test_a_symmetric_input_loses_its_symmetry_to_the_wind_alone(n):
    """Turned by 360 / n degrees, the wind changes by 2 sin(180 / n degrees) of its part across the
    axis.

    The motion: of n copies of a vector a, turned about the axis, the mean is the part of a along
    the axis.
    """
    s, axis = moving(), actions.direction(np.random.default_rng(0))
    own = drift(s)[:, : 6 // n]
    square = np.square(own).sum(-1) + 2 * (own @ axis) * (WIND @ axis) + WIND @ WIND
    blown = np.sqrt(6) * np.linalg.norm(WIND) / typical(np.sqrt(n * square.sum(1)))
    (value,) = values(probes.stabilisers(carried, s, forward=0.0), f"C{n}")
    assert value == pytest.approx(np.sin(np.pi / n) * across(axis) * blown.mean(), rel=EXACT)


def test_a_shift_of_all_frames_moves_a_linear_prediction_by_the_sum_of_its_weights():
    """Near moments that differ by the gap. What the shift moves is a difference of numbers of order
    one over 1e-7 extents, which leaves 2^-52 / 1e-7 = 2e-9 of it to rounding, times the size of the
    coordinates."""
    seen = []

    def weighted(s: Sample) -> np.ndarray:
        seen.append(s.position[:, -1])
        return carried(s) + 2.0 * s.position[:, -1] - 0.5 * s.position[:, 0]

    rows = probes.continuity(weighted, moving(history=2))
    np.testing.assert_allclose(values(rows), 2.5, rtol=1e-7)
    assert tuple(row["x"] for row in rows) == probes.GAPS
    moments = np.linalg.eigvalsh(
        [newest.swapaxes(1, 2) @ newest for newest in seen[1::2]]
    )  # the others are shifted
    gaps = np.broadcast_to(np.array(probes.GAPS)[:, None], moments.shape[:2])
    # roundings of moments, 1e-15, over the smallest gap, 1e-5
    np.testing.assert_allclose(moments[..., 2] / moments[..., 1] - 1, gaps, rtol=1e-9)


def test_the_error_along_training_is_that_of_the_wind_of_each_epoch():
    s, strength = moving(), {"initial": 0.0, "epoch2": 0.5, "epoch7": 1.0}
    load = lambda weights: lambda q: carried(q) + (strength[weights] - 1) * WIND  # noqa: E731
    elements = actions.draw("rotation", 4, 6, 1.0, np.random.default_rng(0))
    expected = []
    for share in strength.values():
        motion = typical(np.linalg.norm(drift(s) + share * WIND, axis=(1, 2)))
        blown = share * np.sqrt(6) * np.linalg.norm(WIND) / motion
        expected.append(turned_wind(elements).mean() * blown.mean())
    # of the first there are roundings of numbers of order one
    np.testing.assert_allclose(
        values(probes.training(load, [2, 7], s)), expected, rtol=EXACT, atol=1e-14
    )


def errors_of_rollouts(s: Sample, steps: tuple[int, ...]) -> list[float]:
    """Those of `carried`: with a share q of the last displacement in each, the wind has blown for
    1 + q + q^2 ... of its step in the k-th, and the first displacement is left to q^k."""
    share, elements = (
        s.scalar / s.mass[..., None],
        actions.draw("rotation", 2, 6, 1.0, np.random.default_rng(0)),
    )
    expected = []
    for n in steps:
        powers = [share**k for k in range(n)]
        blown = np.sum([(n - k) * power for k, power in enumerate(powers)], axis=0)
        way = drift(s) * np.sum(powers, axis=0) + blown * WIND
        relative = np.linalg.norm(blown * WIND, axis=(1, 2)) / np.linalg.norm(way, axis=(1, 2))
        expected.append(turned_wind(elements).mean() * relative.mean())
    return expected


def test_a_rollout_feeds_back_velocities_of_many_frames_and_keeps_features():
    s, steps = moving(), (1, 2, 5, 20)
    rows = probes.rollout(carried, s, LAG, steps)
    np.testing.assert_allclose(values(rows), errors_of_rollouts(s, steps), rtol=EXACT)
    assert tuple(row["x"] for row in rows) == steps


def test_a_rollout_feeds_back_a_history_in_order():
    """A parabola with a wind: third differences are the wind, which after n steps has moved n (n +
    1) (n + 2) / 6."""
    s, steps = Sample(moving(history=3).position), (1, 2, 5, 10)

    def parabola(q: Sample) -> np.ndarray:
        first, second, third = q.position.swapaxes(0, 1)
        return 3 * third - 3 * second + first + WIND

    first, second, third = s.position.swapaxes(0, 1)
    elements, expected = actions.draw("rotation", 2, 6, 1.0, np.random.default_rng(0)), []
    for n in steps:
        bend, blown = third - 2 * second + first, n * (n + 1) * (n + 2) / 6
        way = n * (third - second) + n * (n + 1) / 2 * bend + blown * WIND
        relative = blown * np.sqrt(6) * np.linalg.norm(WIND) / np.linalg.norm(way, axis=(1, 2))
        expected.append(turned_wind(elements).mean() * relative.mean())
    np.testing.assert_allclose(values(probes.rollout(parabola, s, 1, steps)), expected, rtol=EXACT)


def test_the_audit_of_a_run_rolls_out_with_the_lag_of_its_task(monkeypatch):
    monkeypatch.setattr(run, "loader", lambda folder, weights: lambda dtype: carried)
    monkeypatch.setattr(run, "read_record", lambda folder: {})
    monkeypatch.setattr(run.predictor, "read_run", lambda folder: ())
    monkeypatch.setattr(run.lie, "rows", lambda *arguments: [])
    s = moving()
    rows = [row for row in run.probe_rows(Path("run"), s, LAG, 4) if row["probe"] == "rollout"]
    expected = errors_of_rollouts(s, tuple(row["x"] for row in rows))
    np.testing.assert_allclose(values(rows), expected, rtol=EXACT)
    assert rows
