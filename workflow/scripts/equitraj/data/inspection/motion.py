"""How the points move: how long velocities last, which past frames help, and how far ahead a
prediction can reach."""

from dataclasses import dataclass

import numpy as np

from equitraj.data import features, tasks
from equitraj.data.tasks import spread
from equitraj.data.trajectory import Trajectory

HISTORIES = (1, 2, 3, 4, 6, 8)
LAGS = (1, 2, 4, 8, 16, 32, 64)
IMPROVEMENT = (
    0.1  # of the error on held-out frames: a history that gains less is not worth its frames
)
SPLITS = ((0.7, 0.1, 0.2), (0.5, 0.2, 0.3), (0.34, 0.33, 0.33))
MANY_EPISODES = 10  # from here on whole episodes are dealt out
POINTS, ROWS = 100, 300_000  # at most: points that are looked at, and equations of a fit
DIGITS = 7
STEPS_OF_ROUNDING = (
    4  # of motion between frames: rounding both ends, step^2 / 6, is then 1 % of its square
)


@dataclass(frozen=True)
class Motion:
    """Attributes: split, that of the task; no_motion, mean square error of no motion per lag,
    constant_velocity and autoregression (of `history` frames) likewise; errors, those of
    autoregressions one frame ahead, per history; history and lag, those suggested; memory, frames
    after which displacements keep less than 1/e of their correlation, None where that is longer
    than can be seen; next_correlation, of displacements that follow each other; displacement, root
    mean square between frames, per coordinate; rounding, the step of the numbers where they are
    rounded, else 0; given, what a displacement is per given velocity times its time, None without
    velocities."""

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
    given: float | None


def measure(trajectory: Trajectory) -> Motion:
    """What can be said of the motion.

    Raises:
        ValueError: there are too few frames for a task.
    """
    few = _thinned(trajectory)
    split = suggested_split(trajectory.episode)
    errors = {k: e for k in HISTORIES if (e := linear_error(few, k, 1, split)) is not None}
    history = suggested_history(errors)
    if not _displacements(few, 1).any():
        raise ValueError("no point moves between any two frames: there is nothing to predict")
    longest = np.unique(few.episode, return_counts=True)[1].max()
    lags = [
        n
        for n in LAGS
        if 2 * n < longest and linear_error(few, max(2, history), n, split) is not None
    ]
    correlation = autocorrelation(few)
    below = np.flatnonzero(correlation < np.exp(-1))
    rounding = rounding_step(few.position)
    return Motion(
        split=split,
        no_motion={lag: linear_error(few, 1, lag, split) for lag in lags},
        constant_velocity={lag: linear_error(few, 2, lag, split, "velocity") for lag in lags},
        autoregression={lag: linear_error(few, history, lag, split) for lag in lags},
        errors=errors,
        history=history,
        lag=visible_lag(few, rounding, lags),
        memory=int(below[0]) if len(below) else None,
        next_correlation=float(correlation[1]) if len(correlation) > 1 else 0.0,
        displacement=_root_mean_square(_displacements(few, 1)),
        rounding=rounding,
        given=velocity_factor(trajectory),
    )


def _thinned(trajectory: Trajectory) -> Trajectory:
    """Positions of at most `POINTS` points, evenly spread, and nothing else."""
    points = spread(trajectory.position.shape[1], POINTS)
    return Trajectory(trajectory.position[:, points], trajectory.episode, trajectory.time)


def _root_mean_square(value: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(value)))) if value.size else 0.0


def _displacements(trajectory: Trajectory, lag: int) -> np.ndarray:
    """Displacements (S, N, D) over `lag` frames within episodes."""
    position, episode = trajectory.position, trajectory.episode
    return (position[lag:] - position[:-lag])[episode[lag:] == episode[:-lag]]


def suggested_split(episode: np.ndarray) -> dict:
    """A split in fractions: whole episodes where there are many, else by time; more for the test
    where frames are few.

    Raises:
        ValueError: no split leaves samples of two frames and their target in each part.
    """
    by = "episode" if len(np.unique(episode)) >= MANY_EPISODES else "time"
    for sizes in SPLITS:
        split = {"by": by} | dict(zip(tasks.SPLITS, sizes, strict=True))
        try:
            tasks.split_frames(episode, 2, 1, split)
        except ValueError:
            continue
        return split
    raise ValueError(
        f"{len(episode)} frames in {len(np.unique(episode))} episodes are too few to train and test on"
    )


def linear_error(
    trajectory: Trajectory, history: int, lag: int, split: dict, residual: str = "autoregression"
) -> float | None:
    """Mean square error per coordinate, on the test frames, of a linear prediction from `history`
    frames.

    None where there are too few frames. How the weights come about is `residual` of
    `features.extrapolation_weights`.
    """
    try:
        newest = tasks.split_frames(trajectory.episode, history, lag, split)
    except ValueError:
        return None
    most = max(1, ROWS // trajectory.position[0].size)
    few = (newest[part][spread(len(newest[part]), most)] for part in ("train", "test"))
    train, test = (tasks.samples(trajectory, frames, history, lag) for frames in few)
    weights = features.extrapolation_weights(
        [(train.past, train.target - train.position[:, -1])], residual, lag
    )
    kind = residual if history > 1 else "last"
    return float(
        np.mean(
            np.square(
                test.target - features.extrapolate(test.position[:, -1], test.past, kind, weights)
            )
        )
    )


def suggested_history(errors: dict[int, float]) -> int:
    """The shortest history that none among the longer ones betters by more than `IMPROVEMENT`."""
    enough = [
        k
        for k, e in errors.items()
        if min(errors[j] for j in errors if j >= k) >= (1 - IMPROVEMENT) * e
    ]
    return min(enough)


def autocorrelation(trajectory: Trajectory) -> np.ndarray:
    """C(k) = <d(t) . d(t + k)> / <d . d> of displacements d between frames of one episode, for k
    below a quarter of the longest episode and 1000."""
    longest = int(np.unique(trajectory.episode, return_counts=True)[1].max())
    displacement = np.diff(trajectory.position, axis=0)
    inside = np.diff(trajectory.episode) == 0
    displacement = np.where(inside[:, None, None], displacement, 0.0)
    size = np.mean(np.square(displacement[inside])) if inside.any() else 0.0
    if not size:
        return np.ones(1)
    result = []
    for k in range(min(max(longest // 4, 2), 1000)):
        pair = inside[: len(inside) - k] & (
            trajectory.episode[k + 1 :] == trajectory.episode[: len(inside) - k]
        )
        if not pair.any():
            break
        result.append(np.mean((displacement[: len(inside) - k] * displacement[k:])[pair]) / size)
        if result[-1] < 0:
            break
    return np.array(result)


def rounding_step(position: np.ndarray) -> float:
    """The step 10^-d of which all coordinates are multiples, as in files that round; 0 where there
    is none."""
    value = position.reshape(-1)[spread(position.size, 20_000)]
    single = np.abs(value).max() * 2.0**-23  # as most formats keep them
    for digits in range(DIGITS):
        step = 10.0**-digits
        if step < 20 * single:
            break
        if np.abs(value / step - np.round(value / step)).max() * step <= max(single, 1e-6 * step):
            return step
    return 0.0


def visible_lag(trajectory: Trajectory, rounding: float, lags: list[int]) -> int:
    """The shortest of `lags` over which the motion is `STEPS_OF_ROUNDING` steps of rounding, 1
    where none is."""
    moved = (_root_mean_square(_displacements(trajectory, lag)) for lag in lags)
    return next(
        (lag for lag, m in zip(lags, moved, strict=True) if m >= STEPS_OF_ROUNDING * rounding), 1
    )


def velocity_factor(trajectory: Trajectory) -> float | None:
    """By which factor the given velocities, times the time between frames, best become the
    displacements."""
    if trajectory.velocity is None:
        return None
    inside = np.diff(trajectory.episode) == 0
    expected = (trajectory.velocity[:-1] * np.diff(trajectory.time)[:, None, None])[inside]
    squared = np.sum(np.square(expected))
    return (
        float(np.sum(expected * np.diff(trajectory.position, axis=0)[inside]) / squared)
        if squared
        else 0.0
    )


def described(motion: Motion) -> list[str]:
    """The measurements and the reasons of the suggestions, in words."""
    still, steady = motion.no_motion[1], motion.constant_velocity[1]
    lines = [
        f"typical displacement between frames {motion.displacement:.3g} (root mean square per coordinate)",
        f"no motion errs by {still:.3g} (mean square per coordinate, a frame ahead), constant velocity by {steady:.3g}",
        *_history_words(motion),
        *_lag_words(motion),
    ]
    if motion.given is not None:
        hint = "" if 0.5 < motion.given < 2 else ": are time_step and units right?"
        lines.append(
            f"displacements are {motion.given:.2g} times the given velocities times the time step{hint}"
        )
    return lines


def _history_words(motion: Motion) -> list[str]:
    table = ", ".join(f"{e:.3g} (K = {k})" for k, e in motion.errors.items())
    chosen, longer = (
        motion.errors[motion.history],
        [e for k, e in motion.errors.items() if k > motion.history],
    )
    reason = "no longer one is possible here"
    if longer:
        gain = max(0.0, 1 - min(longer) / chosen) if chosen else 0.0
        reason = f"a longer one lowers the error by {gain:.0%} at most; less than {IMPROVEMENT:.0%} is not worth it"
    return [
        f"a linear fit to the displacements of K frames errs, on frames held out, by {table}",
        f"-> history: {motion.history}, because {reason}",
    ]


def _lag_words(motion: Motion) -> list[str]:
    correlated = f"displacements that follow each other have a correlation of {motion.next_correlation:.2f}; it "
    lasts = (
        "lasts as far as can be seen"
        if motion.memory is None
        else f"is below 1/e after {motion.memory} frames"
    )
    ahead = max(
        (lag for lag, e in motion.autoregression.items() if e < 0.5 * motion.no_motion[lag]),
        default=0,
    )
    if motion.lag > 1:
        reason = (
            f"{motion.lag}, because coordinates are rounded to {motion.rounding:g}, which is more than 1 % of the "
            "squared motion over fewer frames"
        )
    elif ahead > 1:
        reason = (
            "1, because rollouts feed back single frames; a linear fit halves the error of no motion up to lag "
            f"{ahead}, which is a harder task"
        )
    else:
        reason = "1, because further ahead a linear fit does not even halve the error of no motion"
    return [correlated + lasts, f"-> lag: {reason}"]
