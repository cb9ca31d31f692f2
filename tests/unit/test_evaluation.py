"""Errors, baselines and rollouts, against closed forms on a uniform motion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equitraj.api.run import Run
from equitraj.data import tasks
from equitraj.data.trajectory import Trajectory
from equitraj.data.turning import rotate_each
from equitraj.prediction import evaluation, export

TASK = {"history": 2, "lag": 1}
SPEED = np.array([0.1, -0.2, 0.05])
LAG, STEP = 10, 0.25
RICH = {"history": 1, "lag": LAG, "inputs": ["velocity", "mass", "charge"]}


class Extrapolation:
    """Constant velocity times a factor: 1 is exact on a uniform motion, 0 is no motion."""

    def __init__(self, factor: float):
        self.factor = factor

    def predict(self, sample: tasks.Sample, draw: int = 0) -> np.ndarray:
        return sample.position[:, -1] + self.factor * (
            sample.position[:, -1] - sample.position[:, -2]
        )


@pytest.fixture(scope="module")
def uniform() -> Trajectory:
    """Four points in uniform motion over 50 frames."""
    start = np.random.default_rng(0).normal(size=(4, 3))
    time = np.arange(50.0)
    return Trajectory(start + time[:, None, None] * SPEED, np.zeros(50, int), time)


def test_metrics_of_half_the_motion(uniform):
    newest = np.arange(30, 48)
    sample = tasks.samples(uniform, newest, 2, 1)
    reference = evaluation.baselines(uniform, newest, 1)
    metrics = evaluation.one_step(Extrapolation(0.5), [sample], reference)
    square = np.mean(SPEED**2)
    assert reference["mse_persistence"] == pytest.approx(square)
    assert metrics["mse"] == pytest.approx(square / 4) and metrics["skill"] == pytest.approx(0.75)
    assert metrics["mse_rotated"] == pytest.approx(square / 4)  # extrapolation is equivariant
    assert reference["mse_velocity"] == pytest.approx(0, abs=1e-28)


def test_constant_velocity_is_the_recorded_one_where_the_task_shows_it(uniform):
    moving = replace(
        uniform,
        time=0.5 * uniform.time,
        velocity=np.broadcast_to(3 * SPEED, uniform.position.shape),
    )
    found = evaluation.baselines(moving, np.array([0, 7]), 2, ["velocity"])
    # recorded three times as fast per unit of time, of which a frame is half: half as far again
    assert found["mse_velocity"] == pytest.approx(np.mean((2 * SPEED - 2 * 1.5 * SPEED) ** 2))


def test_constant_velocity_is_unknown_where_no_frame_came_before(uniform):
    two = replace(uniform, episode=np.repeat([0, 1], 25))
    assert evaluation.baselines(two, np.array([0, 25]), 1)["mse_velocity"] is None
    assert evaluation.baselines(two, np.array([0, 26]), 1)["mse_velocity"] == pytest.approx(
        0, abs=1e-28
    )


def test_rotating_each_sample_keeps_its_shape_and_turns_the_target_alike(uniform):
    sample = tasks.samples(uniform, np.arange(5, 15), 2, 1)
    turned = rotate_each(sample, seed=1)
    np.testing.assert_allclose(
        np.linalg.norm(turned.target, axis=-1), np.linalg.norm(sample.target, axis=-1)
    )
    inner = np.einsum("bkni,bni->bkn", turned.position, turned.target)
    np.testing.assert_allclose(
        inner, np.einsum("bkni,bni->bkn", sample.position, sample.target), atol=1e-12
    )
    assert np.abs(turned.position[0] - sample.position[0]).max() > 0.1


def test_a_rollout_feeds_predictions_back(uniform):
    """No motion errs by (step * speed)^2; half the speed falls behind by a geometric series."""
    starts = np.array([10, 20])
    still = evaluation.rollout(Extrapolation(0.0), uniform, starts, TASK, 6)
    exact = evaluation.rollout(Extrapolation(1.0), uniform, starts, TASK, 6)
    half = evaluation.rollout(Extrapolation(0.5), uniform, starts, TASK, 6)
    square = np.mean(SPEED**2)
    np.testing.assert_allclose([r["mse"] for r in still], square * np.arange(1, 7) ** 2)
    np.testing.assert_allclose([r["skill"] for r in still], 0, atol=1e-12)
    np.testing.assert_allclose([r["mse"] for r in exact], 0, atol=1e-24)
    behind = np.arange(1, 7) - np.cumsum(0.5 ** np.arange(1, 7))
    np.testing.assert_allclose([r["mse"] for r in half], square * behind**2)


class Slowed:
    """Points go on with their velocity times their charge over their mass, for `LAG` frames."""

    def predict(self, sample: tasks.Sample, draw: int = 0) -> np.ndarray:
        factor = sample.scalar[..., 1:] / sample.mass[..., None]
        return sample.position[:, -1] + LAG * factor * sample.past[:, -1]


@pytest.fixture(scope="module")
def charged() -> Trajectory:
    """Four points in straight motions of their own over 100 frames, with velocities, masses and
    charges."""
    rng, time = np.random.default_rng(0), STEP * np.arange(100.0)
    start, speed = rng.normal(size=(2, 4, 3))
    shown = {
        "mass": np.array([1.0, 2.0, 4.0, 1.0]),
        "features": {"charge": np.array([[0.5], [1.5], [4.4], [-0.7]])},
    }
    position = start + time[:, None, None] * speed
    return Trajectory(
        position, np.zeros(100, int), time, np.broadcast_to(speed, position.shape), **shown
    )


def ways(trajectory: Trajectory, steps: int) -> np.ndarray:
    """How far `Slowed` is after each step (T, 1, N, 3): a geometric series of displacements."""
    factor = trajectory.features["charge"] / trajectory.mass[:, None]
    series = np.cumsum([factor**k for k in range(1, steps + 1)], axis=0)
    return (LAG * STEP * series * trajectory.velocity[0])[:, None]


def by_evaluation(trajectory: Trajectory, start: int, steps: int, monkeypatch) -> np.ndarray:
    kept = []
    keep = lambda prediction, truth: kept.append(prediction[0])  # noqa: E731
    evaluation.rollout(Slowed(), trajectory, np.array([start]), RICH, steps, keep)
    return np.stack(kept)


def by_export(trajectory: Trajectory, start: int, steps: int, monkeypatch) -> np.ndarray:
    split = {"by": "time", "train": 40, "validation": 20, "test": 20}
    monkeypatch.setattr(
        export,
        "read_record",
        lambda folder: {"task": RICH | {"split": split}, "precision": "float64"},
    )
    monkeypatch.setattr(export.predictor, "load", lambda folder, dtype: Slowed())
    return export.rollout(Path("run"), trajectory, start, steps).position


def by_a_loaded_run(trajectory: Trajectory, start: int, steps: int, monkeypatch) -> np.ndarray:
    shape = {"n_points": 4, "n_scalars": 2, "time_step": STEP}
    run = Run(Path("run"), {"task": RICH, "shape": shape}, Slowed())
    scalar = np.column_stack([trajectory.mass, trajectory.features["charge"]])
    return run.rollout(
        trajectory.position[start : start + 1], steps, trajectory.velocity[start], scalar
    )


@pytest.mark.parametrize("rollout", [by_evaluation, by_export, by_a_loaded_run])
def test_every_rollout_feeds_back_velocities_of_many_frames_and_keeps_features(
    charged, rollout, monkeypatch
):
    found, start = rollout(charged, 7, 8, monkeypatch), charged.position[7]
    # roundings of eight steps between numbers below a hundred: 8 * 100 * 2^-53 = 9e-14
    np.testing.assert_allclose(found, start + ways(charged, 8)[:, 0], rtol=0, atol=1e-13)


def test_errors_of_a_rollout_are_those_of_the_same_frames_of_the_truth(charged):
    rows = evaluation.rollout(Slowed(), charged, np.array([3, 9]), RICH, 8)
    moved = LAG * STEP * np.arange(1, 9)[:, None, None, None] * charged.velocity[0]
    square = np.square(ways(charged, 8) - moved).mean((1, 2, 3))
    skill = 1 - square / np.square(moved).mean((1, 2, 3))
    np.testing.assert_allclose(
        [row["mse"] for row in rows], square, rtol=1e-12
    )  # roundings, as above
    np.testing.assert_allclose([row["skill"] for row in rows], skill, rtol=1e-12)


class Parabola:
    """The next point of a parabola, from three frames and the mean velocity between the last two."""

    def predict(self, sample: tasks.Sample, draw: int = 0) -> np.ndarray:
        first, second, third = sample.position.swapaxes(0, 1)
        return third + sample.step * sample.velocity + (third - 2 * second + first)


def test_a_history_is_fed_back_in_order_with_its_velocity():
    """A parabola goes on exactly."""
    frame, (start, speed, bend) = (
        np.arange(60.0)[:, None, None],
        np.random.default_rng(1).normal(size=(3, 4, 3)),
    )
    position = start + 0.1 * frame * speed + 0.01 * frame**2 * bend
    velocity = np.diff(position, axis=0, prepend=np.nan) / STEP
    falling = Trajectory(position, np.zeros(60, int), STEP * np.arange(60.0), velocity)
    task = {"history": 3, "lag": 1, "inputs": ["velocity"]}
    rows = evaluation.rollout(Parabola(), falling, np.array([5, 20]), task, 10)
    # roundings of numbers up to 64 grow like the square of the steps: (64 * 2^-53 * 10^2)^2 = 5e-25
    assert len(rows) == 10 and max(row["mse"] for row in rows) < 1e-24


def test_rollouts_start_only_where_the_truth_is_long_enough(uniform):
    two = replace(uniform, episode=np.repeat([0, 1], 25))
    starts = evaluation.rollout_starts(np.arange(3, 49), two.episode, 1, 10, 100)
    assert set(starts) == {*range(3, 15), *range(25, 40)}
    assert len(evaluation.rollout_starts(np.arange(3, 49), two.episode, 1, 40, 4)) == 0


def test_a_diverging_rollout_ends_where_numbers_end(uniform):
    with np.errstate(over="ignore", invalid="ignore"):
        rows = evaluation.rollout(Extrapolation(1e100), uniform, np.array([5]), TASK, 30)
    assert 0 < len(rows) < 30 and np.isfinite([r["mse"] for r in rows]).all()


def test_the_worst_samples_are_those_with_the_largest_errors():
    errors = np.random.default_rng(0).permutation(np.arange(20.0))
    found = evaluation.worst(errors)
    assert (
        found["mse"] == [19.0, 18.0, 17.0, 16.0, 15.0]
        and errors[found["sample"]].tolist() == found["mse"]
    )
    assert evaluation.worst(np.array([1.0, 3.0])) == {"sample": [1, 0], "mse": [3.0, 1.0]}


def test_the_share_of_the_worst_samples():
    assert evaluation.worst_share(np.ones(100)) == pytest.approx(0.05)
    assert evaluation.worst_share(np.array([0.0] * 39 + [2.0])) == 1
    assert evaluation.worst_share(np.array([1.0, 3.0])) == 0.75  # one sample at least
    assert evaluation.worst_share(np.zeros(3)) is None
