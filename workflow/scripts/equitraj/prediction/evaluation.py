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

WORST_PART = 0.05  # of the test samples, whose share of the whole error is told
N_WORST = 5  # test samples that a run is asked about
N_BLOCKS = 20  # of consecutive test samples, over which intervals are made


def mean_square(error: np.ndarray) -> float:
    """Mean over samples, points and coordinates."""
    return float(np.mean(np.square(error)))


class MeanSquare(Mean):
    """`mean_square` of errors that come in parts."""

    def add(self, error: np.ndarray) -> None:
        """Take in one more part."""
        super().add(np.square(error))

    @property
    def value(self) -> float | None:
        """The mean so far, None where there is nothing."""
        return float(super().value) if self.count else None


def each_square(error: np.ndarray) -> np.ndarray:
    """Mean over points and coordinates of each sample."""
    return np.mean(np.square(error), axis=(1, 2))


def in_blocks(errors: dict[str, np.ndarray]) -> dict[str, list]:
    """Means of the samples' errors over `N_BLOCKS` blocks of consecutive samples, and how many
    samples each has."""
    count = len(next(iter(errors.values())))
    parts = np.array_split(np.arange(count), min(N_BLOCKS, count))
    means = {
        name: [float(values[part].mean()) for part in parts] for name, values in errors.items()
    }
    return {"samples": [len(part) for part in parts]} | means


def worst(errors: np.ndarray) -> dict[str, list]:
    """The `N_WORST` samples with the largest errors (S,), the largest first: their numbers and
    errors."""
    found = np.argsort(-errors, kind="stable")[:N_WORST]
    return {"sample": found.tolist(), "mse": errors[found].tolist()}


def worst_share(errors: np.ndarray) -> float | None:
    """Share of the sum of the samples' errors (S,) that the largest `WORST_PART` of them carry, 1
    sample at least.

    0.05 where all samples go alike, 1 where a few decide everything; None where no sample has an
    error.
    """
    count = max(1, math.ceil(WORST_PART * len(errors)))
    total = float(errors.sum())
    return float(np.sort(errors)[-count:].sum()) / total if total else None


def baselines(
    trajectory: Trajectory, newest: np.ndarray, lag: int, inputs: Sequence[str] = ()
) -> dict[str, float | None]:
    """MSE of no motion and of constant velocity on the samples `newest`.

    The velocity is the recorded one where it is among the `inputs` that a task shows, else the last
    displacement; the latter's MSE is that of the samples with an earlier frame, None where no
    sample has one.
    """
    episode, position = trajectory.episode, trajectory.position
    persistence, constant_velocity = MeanSquare(), MeanSquare()
    for part in parts(len(newest), 4 * int(np.prod(position.shape[1:]))):
        now = newest[part]
        has_past = (now > 0) & (episode[now] == episode[now - 1])
        displacement = position[now + lag] - position[now]
        persistence.add(displacement)
        if "velocity" in inputs:
            constant_velocity.add(
                displacement - lag * tasks.time_step(trajectory) * trajectory.velocity[now]
            )
        elif has_past.any():
            earlier = now[has_past]
            velocity = lag * (position[earlier] - position[earlier - 1])
            constant_velocity.add(displacement[has_past] - velocity)
    return {"mse_persistence": persistence.value, "mse_velocity": constant_velocity.value}


def one_step(
    predictor: Predictor,
    samples: Iterable[Sample],
    reference: dict[str, float | None],
    keep: Callable[[np.ndarray], None] = lambda prediction: None,
) -> dict:
    """Metrics on the test split, whose samples come in parts, again and again; `keep` gets the
    predictions of each.

    `blocks` has the errors by blocks of consecutive samples (`in_blocks`), `worst` the samples that
    went worst.

    Raises:
        ValueError: a prediction is not finite.
    """
    centre = Mean(kept=2)
    for sample in samples:
        centre.add(sample.target)
    error, spread, rotated_error = MeanSquare(), MeanSquare(), MeanSquare()
    each = {"mse": [], "mse_rotated": []}
    turns, draws, rotated_draws = (np.random.default_rng(0) for _ in range(3))
    for sample in samples:
        prediction = predictor.predict(sample, draws)
        error.add(prediction - sample.target)
        if not np.isfinite(error.value):
            raise ValueError("predictions on the test split are not finite")
        keep(prediction)
        spread.add(sample.target - centre.value)
        each["mse"].append(each_square(prediction - sample.target))
        rotated = rotate_each(sample, turns)
        turned_error = predictor.predict(rotated, rotated_draws) - rotated.target
        rotated_error.add(turned_error)
        each["mse_rotated"].append(each_square(turned_error))
    errors = {name: np.concatenate(parts) for name, parts in each.items()}
    persistence, velocity, mse = (
        reference["mse_persistence"],
        reference["mse_velocity"],
        error.value,
    )
    return reference | {
        "mse": mse,
        "rmse": mse**0.5,
        "skill": 1 - mse / persistence if persistence else None,
        "skill_velocity": 1 - mse / velocity if velocity else None,
        "r2": 1 - mse / spread.value if spread.value else None,
        "mse_rotated": rotated_error.value,
        "mse_median": float(np.median(errors["mse"])),
        "worst_share": worst_share(errors["mse"]),
        "blocks": in_blocks(errors),
        "worst": worst(errors["mse"]),
    }


def rollout_starts(
    newest: np.ndarray, episode: np.ndarray, lag: int, steps: int, count: int
) -> np.ndarray:
    """At most `count` test samples, evenly spread, whose next `steps` predictions all have a true
    frame."""
    last = newest + steps * lag
    inside = (last < len(episode)) & (
        episode[np.minimum(last, len(episode) - 1)] == episode[newest]
    )
    starts = newest[inside]
    return starts[spread(len(starts), count)]


def fed_back(
    predict: Callable[[Sample], np.ndarray], sample: Sample, lag: int, steps: int
) -> Iterator[np.ndarray]:
    """`steps` times the predicted positions (B, N, 3), each fed back to predict the next."""
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
    keep: Callable[[np.ndarray, np.ndarray], None] = lambda prediction, truth: None,
) -> list[dict]:
    """MSE and skill after each step of feeding predictions back, over the starts, until numbers
    end.

    `keep` gets predicted and true positions (S, N, 3) of each step. A history of consecutive frames
    can only be fed back where the lag is one frame; longer lags are rolled out with history 1 only.
    """
    history, lag = task["history"], task["lag"]
    if not len(starts) or (lag > 1 and history > 1):
        return []
    sample = tasks.samples(trajectory, starts, history, lag, task.get("inputs", ()))
    rows, origin = [], sample.position[:, -1]
    for step, prediction in enumerate(fed_back(predictor.predict, sample, lag, steps), 1):
        truth = trajectory.position[starts + step * lag]
        keep(prediction, truth)
        mse, persistence = mean_square(prediction - truth), mean_square(origin - truth)
        if not np.isfinite(mse):
            break
        rows.append(
            {"step": step, "mse": mse, "skill": 1 - mse / persistence if persistence else None}
        )
    return rows
