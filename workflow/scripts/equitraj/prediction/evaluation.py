"""Errors of a predictor on the test split: one step, the same split rotated, and rollouts."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from equitraj.data import tasks
from equitraj.data.parts import Mean, parts
from equitraj.data.tasks import Sample, spread
from equitraj.data.trajectory import Trajectory
from equitraj.data.turning import rotate_each
from equitraj.prediction.predictor import Predictor

WORST_PART = 0.05  # fraction of the test samples whose share of the total error is reported
N_WORST = 5  # number of worst test samples that are listed
N_BLOCKS = 20  # blocks of consecutive test samples, for confidence intervals


def mean_square(error: np.ndarray) -> float:
    """Return the mean over samples, points and coordinates of the squared error."""
    squared = np.square(error)
    return float(np.mean(squared))


class MeanSquare(Mean):
    """`mean_square` of errors that come in parts."""

    def add(self, error: np.ndarray) -> None:
        """Add one part."""
        squared = np.square(error)
        super().add(squared)

    @property
    def value(self) -> float:
        """The mean so far."""
        return float(super().value)


class SampleErrors(MeanSquare):
    """`MeanSquare` that also stores the mean square of each sample."""

    parts: list[np.ndarray]

    def __init__(self) -> None:
        super().__init__()
        self.parts = []

    def add(self, error: np.ndarray) -> None:
        """Add one part."""
        super().add(error)
        squares = each_square(error)
        self.parts.append(squares)

    @property
    def each(self) -> np.ndarray:
        """Mean square (S,) of each sample so far."""
        return np.concatenate(self.parts)


def each_square(error: np.ndarray) -> np.ndarray:
    """Return the mean over points and coordinates of each sample's squared error."""
    squared = np.square(error)
    return squared.mean(axis=(1, 2))


def in_blocks(errors: dict[str, np.ndarray]) -> dict[str, list]:
    """Return the mean errors over `N_BLOCKS` blocks of consecutive samples, and their sizes."""
    first = next(iter(errors.values()))
    count = len(first)
    blocks = np.array_split(np.arange(count), min(N_BLOCKS, count))
    table: dict[str, list] = {"samples": [len(block) for block in blocks]}
    for name, values in errors.items():
        means = [values[block].mean() for block in blocks]
        table[name] = [float(mean) for mean in means]
    return table


def worst(errors: np.ndarray) -> dict[str, list]:
    """Return the `N_WORST` samples with the largest errors (S,), in descending order."""
    order = np.argsort(-errors, kind="stable")
    numbers = order[:N_WORST]
    largest = errors[numbers]
    return {"sample": numbers.tolist(), "mse": largest.tolist()}


def worst_share(errors: np.ndarray) -> float | None:
    """Return the share of the total error (S,) in the largest `WORST_PART` of the errors.

    At least 1 sample is counted. It is 0.05 where all errors are equal, 1 where a few samples have
    the total error, and None where no sample has an error.
    """
    total = float(errors.sum())
    if not total:
        return None
    share = WORST_PART * len(errors)
    count = max(1, math.ceil(share))
    ordered = np.sort(errors)
    largest = ordered[-count:]
    return float(largest.sum()) / total


def baselines(
    trajectory: Trajectory, newest: np.ndarray, lag: int, inputs: Sequence[str] = ()
) -> dict[str, float | None]:
    """Return the MSE of no motion and of constant velocity on the samples `newest`.

    The velocity is the recorded one where it is among the task's `inputs`, else the last
    displacement. The MSE of the latter is over the samples with an earlier frame, None where no
    sample has one.
    """
    position = trajectory.position
    persistence = MeanSquare()
    constant_velocity = MeanSquare()
    n_numbers = 4 * int(np.prod(position.shape[1:]))
    for part in parts(len(newest), n_numbers):
        now = newest[part]
        displacement = position[now + lag] - position[now]
        persistence.add(displacement)
        if "velocity" in inputs:
            assert trajectory.velocity is not None
            time = lag * tasks.time_step(trajectory)
            predicted = time * trajectory.velocity[now]
            constant_velocity.add(displacement - predicted)
            continue
        has_past = _has_past(trajectory.episode, now)
        if has_past.any():
            earlier = now[has_past]
            predicted = lag * (position[earlier] - position[earlier - 1])
            constant_velocity.add(displacement[has_past] - predicted)
    return {
        "mse_persistence": persistence.value if persistence.count else None,
        "mse_velocity": constant_velocity.value if constant_velocity.count else None,
    }


def _has_past(episode: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return which of the frames `now` follow a frame of their episode."""
    before = now - 1
    same_episode = episode[now] == episode[before]
    return (before >= 0) & same_episode


def _keep_nothing(*positions: np.ndarray) -> None:
    """Ignore positions that a caller does not keep."""


def one_step(
    predictor: Predictor,
    samples: Iterable[Sample],
    reference: dict[str, float | None],
    keep: Callable[[np.ndarray], None] = _keep_nothing,
) -> dict:
    """Return metrics on the test split, whose samples come in parts and are iterated over twice.

    `keep` gets the predictions of each part. `reference` has the metrics of `baselines`. In the
    result `blocks` has the errors by blocks of consecutive samples (`in_blocks`), and `worst` the
    samples with the largest errors.

    Raises:
        ValueError: a prediction is not finite.
    """
    centre = Mean(kept=2)
    for sample in samples:
        centre.add(_target(sample))
    error = SampleErrors()
    rotated_error = SampleErrors()
    spread = MeanSquare()
    turns, draws, rotated_draws = (np.random.default_rng(0) for _ in range(3))
    for sample in samples:
        target = _target(sample)
        prediction = predictor.predict(sample, draws)
        error.add(prediction - target)
        if not np.isfinite(error.value):
            raise ValueError("predictions on the test split are not finite")
        keep(prediction)
        spread.add(target - centre.value)
        rotated = rotate_each(sample, turns)
        prediction = predictor.predict(rotated, rotated_draws)
        rotated_error.add(prediction - _target(rotated))
    errors = {"mse": error.each, "mse_rotated": rotated_error.each}
    mse = error.value
    return reference | {
        "mse": mse,
        "rmse": mse**0.5,
        "skill": _skill(mse, reference["mse_persistence"]),
        "skill_velocity": _skill(mse, reference["mse_velocity"]),
        "r2": _skill(mse, spread.value),
        "mse_rotated": rotated_error.value,
        "mse_median": float(np.median(errors["mse"])),
        "worst_share": worst_share(errors["mse"]),
        "blocks": in_blocks(errors),
        "worst": worst(errors["mse"]),
    }


def _target(sample: Sample) -> np.ndarray:
    """Return the target of a sample that has one."""
    assert sample.target is not None
    return sample.target


def _skill(mse: float, baseline: float | None) -> float | None:
    """Return 1 minus the ratio of an MSE to the baseline's, None without a baseline or with 0."""
    if not baseline:
        return None
    return 1 - mse / baseline


def rollout_starts(
    newest: np.ndarray, episode: np.ndarray, lag: int, steps: int, count: int
) -> np.ndarray:
    """Return test samples, evenly spread, that have a true frame for each of `steps` predictions.

    At most `count` samples are returned.
    """
    last = newest + steps * lag
    n_frames = len(episode)
    last_episode = episode[np.minimum(last, n_frames - 1)]
    inside = (last < n_frames) & (last_episode == episode[newest])
    starts = newest[inside]
    return starts[spread(len(starts), count)]


def fed_back(
    predict: Callable[[Sample], np.ndarray], sample: Sample, lag: int, steps: int
) -> Iterator[np.ndarray]:
    """Yield predicted positions (B, N, 3) `steps` times, each fed back to predict the next."""
    for _ in range(steps):
        prediction = predict(sample)
        yield prediction
        sample = sample.followed_by(prediction, lag)


def rollout(
    predictor: Predictor,
    trajectory: Trajectory,
    starts: np.ndarray,
    task: dict,
    steps: int,
    keep: Callable[[np.ndarray, np.ndarray], None] = _keep_nothing,
) -> list[dict]:
    """Return MSE and skill after each step of feeding predictions back.

    They are means over the starts. The rows end before the first MSE that is not finite. `keep`
    gets predicted and true positions (S, N, 3) of each step. A history of several frames can only
    be fed back if the lag is one frame; longer lags are rolled out with history 1 only.
    """
    history = task["history"]
    lag = task["lag"]
    if not len(starts) or (lag > 1 and history > 1):
        return []
    inputs = task.get("inputs", ())
    sample = tasks.samples(trajectory, starts, history, lag, inputs)
    predictions = fed_back(predictor.predict, sample, lag, steps)
    rows = []
    for step, prediction in enumerate(predictions, 1):
        frames = starts + step * lag
        truth = trajectory.position[frames]
        keep(prediction, truth)
        mse = mean_square(prediction - truth)
        if not np.isfinite(mse):
            break
        persistence = mean_square(sample.newest - truth)
        skill = _skill(mse, persistence)
        row = {"step": step, "mse": mse, "skill": skill}
        rows.append(row)
    return rows
