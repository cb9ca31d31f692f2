"""The motion of the points: memory of velocities, useful past frames, reach of a prediction."""

from dataclasses import dataclass

import numpy as np

from equitraj.data import features, tasks
from equitraj.data.tasks import Sample, spread
from equitraj.data.trajectory import Trajectory, root_mean_square

HISTORIES = (1, 2, 3, 4, 6, 8)
LAGS = (1, 2, 4, 8, 16, 32, 64)
# The smallest relative gain in the error on held-out frames for which a longer history is used.
IMPROVEMENT = 0.1
SPLITS = ((0.7, 0.1, 0.2), (0.5, 0.2, 0.3), (0.34, 0.33, 0.33))
MANY_EPISODES = 10  # from this number on, whole episodes are dealt out
POINTS = 100  # upper bound of the number of points that are measured
ROWS = 300_000  # upper bound of the number of equations of a fit
DIGITS = 7
# The smallest motion in steps of rounding: the variance of rounding both ends, step^2 / 6, is then
# 1 % of the squared motion.
STEPS_OF_ROUNDING = 4


@dataclass(frozen=True)
class Motion:
    """Measurements of the motion, and the task that follows from them.

    Attributes:
        split: split of the task.
        no_motion: mean square error of no motion, by lag.
        constant_velocity: mean square error of constant velocity, by lag.
        autoregression: mean square error of an autoregression of `history` frames, by lag.
        errors: mean square error of an autoregression one frame ahead, by history.
        history: history of the task.
        lag: lag of the task.
        memory: number of frames after which displacements keep less than 1/e of their correlation;
        None where it is too long to be seen.
        next_correlation: correlation of consecutive displacements.
        displacement: root mean square displacement between frames, per coordinate.
        rounding: step of the coordinates where they are rounded, else 0.
        velocity_ratio: ratio of displacements to velocity times time step; None without velocities.
    """

    split: dict
    no_motion: dict[int, float]
    constant_velocity: dict[int, float]
    autoregression: dict[int, float]
    errors: dict[int, float]
    history: int
    lag: int
    memory: int | None
    next_correlation: float
    displacement: float
    rounding: float
    velocity_ratio: float | None


def measure(trajectory: Trajectory) -> Motion:
    """Measure the motion.

    Raises:
        ValueError: there are too few frames for a task, or nothing moves.
    """
    few = _thinned(trajectory)
    split = suggested_split(trajectory.episode)
    errors = {}
    for k in HISTORIES:
        error = linear_error(few, k, 1, split)
        if error is not None:
            errors[k] = error
    history = suggested_history(errors)
    displacement = _displacements(few, 1)
    if not displacement.any():
        raise ValueError("no point moves between any two frames: there is nothing to predict")
    longest = _longest_episode(few)
    short = [lag for lag in LAGS if 2 * lag < longest]
    lags = list(_errors(few, max(2, history), short, split))
    correlation = autocorrelation(few)
    below = np.flatnonzero(correlation < np.exp(-1))
    rounding = rounding_step(few.position)
    return Motion(
        split=split,
        no_motion=_errors(few, 1, lags, split),
        constant_velocity=_errors(few, 2, lags, split, "velocity"),
        autoregression=_errors(few, history, lags, split),
        errors=errors,
        history=history,
        lag=visible_lag(few, rounding, lags),
        memory=int(below[0]) if len(below) else None,
        next_correlation=float(correlation[1]) if len(correlation) > 1 else 0.0,
        displacement=root_mean_square(displacement),
        rounding=rounding,
        velocity_ratio=velocity_factor(trajectory),
    )


def _thinned(trajectory: Trajectory) -> Trajectory:
    """Positions of at most `POINTS` points, evenly spread, and nothing else."""
    points = spread(trajectory.position.shape[1], POINTS)
    position = trajectory.position[:, points]
    return Trajectory(position, trajectory.episode, trajectory.time)


def _longest_episode(trajectory: Trajectory) -> int:
    _, lengths = np.unique(trajectory.episode, return_counts=True)
    return int(lengths.max())


def _displacements(trajectory: Trajectory, lag: int) -> np.ndarray:
    """Displacements (S, N, D) over `lag` frames within episodes."""
    position = trajectory.position
    episode = trajectory.episode
    within = episode[lag:] == episode[:-lag]
    return (position[lag:] - position[:-lag])[within]


def suggested_split(episode: np.ndarray) -> dict:
    """A split in fractions: of whole episodes where there are many, else in time order.

    The fraction of the test is larger where frames are few.

    Raises:
        ValueError: no split leaves samples of two frames and their target in each part.
    """
    n_episodes = len(np.unique(episode))
    by = "episode" if n_episodes >= MANY_EPISODES else "time"
    for sizes in SPLITS:
        split = {"by": by} | dict(zip(tasks.SPLITS, sizes, strict=True))
        try:
            tasks.split_frames(episode, 2, 1, split)
        except ValueError:
            continue
        return split
    raise ValueError(
        f"{len(episode)} frames in {n_episodes} episodes are too few to train and test on"
    )


def _errors(
    trajectory: Trajectory,
    history: int,
    lags: list[int],
    split: dict,
    residual: str = "autoregression",
) -> dict[int, float]:
    """The `linear_error` of each lag for which there are enough frames."""
    errors = {}
    for lag in lags:
        error = linear_error(trajectory, history, lag, split, residual)
        if error is not None:
            errors[lag] = error
    return errors


def linear_error(
    trajectory: Trajectory, history: int, lag: int, split: dict, residual: str = "autoregression"
) -> float | None:
    """Mean square error per coordinate, on the test frames, of a linear prediction.

    The prediction is made from `history` frames, with the weights for `residual` in
    `features.extrapolation_weights`. None where there are too few frames.
    """
    try:
        newest = tasks.split_frames(trajectory.episode, history, lag, split)
    except ValueError:
        return None
    train = _samples(trajectory, newest["train"], history, lag)
    test = _samples(trajectory, newest["test"], history, lag)
    displacement = train.truth - train.newest
    weights = features.extrapolation_weights([(train.past, displacement)], residual, lag)
    kind = residual if history > 1 else "last"
    predicted = features.extrapolate(test.newest, test.past, kind, weights)
    return float(np.mean(np.square(test.truth - predicted)))


def _samples(trajectory: Trajectory, newest: np.ndarray, history: int, lag: int) -> Sample:
    """Samples with at most `ROWS` coordinates, evenly spread over the newest frames."""
    most = max(1, ROWS // trajectory.position[0].size)
    few = newest[spread(len(newest), most)]
    return tasks.samples(trajectory, few, history, lag)


def suggested_history(errors: dict[int, float]) -> int:
    """The shortest history whose error no longer one lowers by more than `IMPROVEMENT`."""
    enough = []
    for history, error in errors.items():
        lowest = min(errors[longer] for longer in errors if longer >= history)
        if lowest >= (1 - IMPROVEMENT) * error:
            enough.append(history)
    return min(enough)


def autocorrelation(trajectory: Trajectory) -> np.ndarray:
    """C(k) = <d(t) . d(t + k)> / <d . d> of displacements d between frames of one episode.

    k is below 1000 and a quarter of the longest episode.
    """
    episode = trajectory.episode
    displacement = np.diff(trajectory.position, axis=0)
    inside = trajectory.same_episode
    displacement[~inside] = 0.0
    size = np.mean(np.square(displacement[inside])) if inside.any() else 0.0
    if not size:
        return np.ones(1)
    longest = _longest_episode(trajectory)
    result = []
    for k in range(min(max(longest // 4, 2), 1000)):
        count = len(inside) - k
        pair = inside[:count] & (episode[k + 1 :] == episode[:count])
        if not pair.any():
            break
        product = displacement[:count] * displacement[k:]
        value = np.mean(product[pair]) / size
        result.append(value)
        if value < 0:
            break
    return np.array(result)


def rounding_step(position: np.ndarray) -> float:
    """The step 10^-d of coordinates that are rounded to d decimals; 0 where they are not."""
    value = position.reshape(-1)[spread(position.size, 20_000)]
    single = np.abs(value).max() * 2.0**-23  # the precision of most formats
    for digits in range(DIGITS):
        step = 10.0**-digits
        if step < 20 * single:
            break
        multiple = value / step
        error = np.abs(multiple - np.round(multiple)).max() * step
        if error <= max(single, 1e-6 * step):
            return step
    return 0.0


def visible_lag(trajectory: Trajectory, rounding: float, lags: list[int]) -> int:
    """The shortest of `lags` over which the motion is `STEPS_OF_ROUNDING` steps of rounding.

    1 where it is for none.
    """
    for lag in lags:
        motion = root_mean_square(_displacements(trajectory, lag))
        if motion >= STEPS_OF_ROUNDING * rounding:
            return lag
    return 1


def velocity_factor(trajectory: Trajectory) -> float | None:
    """The factor of a linear fit of displacements to velocity times the time between frames.

    None without velocities.
    """
    if trajectory.velocity is None:
        return None
    time = np.diff(trajectory.time)[:, None, None]
    expected = (trajectory.velocity[:-1] * time)[trajectory.same_episode]
    squared = np.sum(np.square(expected))
    if not squared:
        return 0.0
    displacement = _displacements(trajectory, 1)
    return float(np.sum(expected * displacement) / squared)


def described(motion: Motion) -> list[str]:
    """The measurements and the reasons of the suggestions, in words."""
    lines = [
        f"typical displacement between frames {motion.displacement:.3g} "
        "(root mean square per coordinate)",
        "mean square error per coordinate, one frame ahead: "
        f"{motion.no_motion[1]:.3g} for no motion, "
        f"{motion.constant_velocity[1]:.3g} for constant velocity",
        *_history_words(motion),
        *_lag_words(motion),
    ]
    ratio = motion.velocity_ratio
    if ratio is not None:
        hint = "" if 0.5 < ratio < 2 else ": are time_step and units right?"
        lines.append(
            f"displacements are {ratio:.2g} times the given velocities times the time step{hint}"
        )
    return lines


def _history_words(motion: Motion) -> list[str]:
    table = ", ".join(f"{error:.3g} (K = {k})" for k, error in motion.errors.items())
    error = motion.errors[motion.history]
    longer = [e for k, e in motion.errors.items() if k > motion.history]
    reason = "no longer one is possible here"
    if longer:
        gain = max(0.0, 1 - min(longer) / error) if error else 0.0
        reason = (
            f"a longer one lowers the error by {gain:.0%} at most; "
            f"less than {IMPROVEMENT:.0%} is not worth it"
        )
    return [
        f"error of a linear fit to the displacements of K frames, on held-out frames: {table}",
        f"-> history: {motion.history}, because {reason}",
    ]


def _lag_words(motion: Motion) -> list[str]:
    memory = "lasts as far as can be seen"
    if motion.memory is not None:
        memory = f"is below 1/e after {motion.memory} frames"
    return [
        "consecutive displacements have a correlation of "
        f"{motion.next_correlation:.2f}; it {memory}",
        f"-> lag: {_lag_reason(motion)}",
    ]


def _lag_reason(motion: Motion) -> str:
    """The lag, and the reason for it."""
    if motion.lag > 1:
        return (
            f"{motion.lag}, because coordinates are rounded to {motion.rounding:g}, which is "
            "more than 1 % of the squared motion over fewer frames"
        )
    halved = [lag for lag, e in motion.autoregression.items() if e < 0.5 * motion.no_motion[lag]]
    ahead = max(halved, default=0)
    if ahead > 1:
        return (
            "1, because rollouts feed back single frames; a linear fit halves the error of "
            f"no motion up to lag {ahead}, which is a harder task"
        )
    return "1, because further ahead a linear fit does not even halve the error of no motion"
