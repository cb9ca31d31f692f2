"""Errors of a predictor on the test split: one step, the same split rotated, and rollouts."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data import tasks
from equitraj.data.tasks import Sample, spread
from equitraj.data.trajectory import Trajectory
from equitraj.prediction.predictor import Predictor


def mean_square(error: np.ndarray) -> float:
    """Mean over samples, points and coordinates."""
    return float(np.mean(np.square(error)))


def baselines(trajectory: Trajectory, newest: np.ndarray, lag: int) -> dict[str, float | None]:
    """MSE of no motion and of constant velocity on the samples `newest`; the latter None without an earlier frame."""
    episode = trajectory.episode
    has_past = (newest > 0) & (episode[newest] == episode[newest - 1])
    displacement = trajectory.position[newest + lag] - trajectory.position[newest]
    velocity = lag * (trajectory.position[newest] - trajectory.position[newest - 1])
    return {
        "mse_persistence": mean_square(displacement),
        "mse_velocity": mean_square((displacement - velocity)[has_past]) if has_past.any() else None,
    }


def rotate_each(sample: Sample, seed: int) -> Sample:
    """Every sample turned about the origin by a Haar-random rotation of its own."""
    matrix = Rotation.random(len(sample), rng=np.random.default_rng(seed)).as_matrix()

    def turn(value: np.ndarray | None) -> np.ndarray | None:
        return None if value is None else np.einsum("bij,b...j->b...i", matrix, value)

    turned = {name: turn(getattr(sample, name)) for name in ("position", "target", "velocity", "box")}
    return replace(sample, **turned)


def one_step(predictor: Predictor, sample: Sample, reference: dict[str, float | None]) -> tuple[dict, np.ndarray]:
    """Metrics on the test split and the predictions (B, N, 3).

    Raises:
        ValueError: a prediction is not finite.
    """
    prediction = predictor.predict(sample)
    rotated = rotate_each(sample, seed=0)
    mse = mean_square(prediction - sample.target)
    if not np.isfinite(mse):
        raise ValueError("predictions on the test split are not finite")
    spread = mean_square(sample.target - sample.target.mean(0))
    persistence, velocity = reference["mse_persistence"], reference["mse_velocity"]
    metrics = reference | {
        "mse": mse,
        "rmse": mse**0.5,
        "skill": 1 - mse / persistence if persistence else None,
        "skill_velocity": 1 - mse / velocity if velocity else None,
        "r2": 1 - mse / spread if spread else None,
        "mse_rotated": mean_square(predictor.predict(rotated) - rotated.target),
    }
    return metrics, prediction


def rollout_starts(newest: np.ndarray, episode: np.ndarray, lag: int, steps: int, count: int) -> np.ndarray:
    """At most `count` test samples, evenly spread, whose next `steps` predictions all have a true frame."""
    last = newest + steps * lag
    inside = (last < len(episode)) & (episode[np.minimum(last, len(episode) - 1)] == episode[newest])
    starts = newest[inside]
    return starts[spread(len(starts), count)]


def fed_back(predictor: Predictor, sample: Sample, lag: int, steps: int) -> Iterator[np.ndarray]:
    """`steps` times the predicted positions (B, N, 3), each fed back to predict the next."""
    for _ in range(steps):
        prediction = predictor.predict(sample)
        yield prediction
        velocity = None if sample.velocity is None else (prediction - sample.position[:, -1]) / (lag * sample.step)
        position = np.concatenate([sample.position[:, 1:], prediction[:, None]], axis=1)
        sample = replace(sample, position=position, velocity=velocity)


def rollout(predictor: Predictor, trajectory: Trajectory, starts: np.ndarray, task: dict, steps: int) -> list[dict]:
    """MSE and skill after each step of feeding predictions back, over the starts.

    A history of consecutive frames can only be fed back where the lag is one frame; longer lags are rolled out with
    history 1 only.
    """
    history, lag = task["history"], task["lag"]
    if not len(starts) or (lag > 1 and history > 1):
        return []
    sample = tasks.samples(trajectory, starts, history, lag, task.get("inputs", ()))
    rows, origin = [], sample.position[:, -1]
    for step, prediction in enumerate(fed_back(predictor, sample, lag, steps), 1):
        truth = trajectory.position[starts + step * lag]
        mse, persistence = mean_square(prediction - truth), mean_square(origin - truth)
        if not np.isfinite(mse):
            break
        rows.append({"step": step, "mse": mse, "skill": 1 - mse / persistence if persistence else None})
    return rows
