"""The floor of a task: the error of the best possible method, from repeated simulations.

The simulations start from the test states. The best prediction from the inputs of a task is the
mean of the possible outcomes. Its error is their variance. With one frame and no velocities, this
is the variance over velocities and noise. With velocities it is the variance over noise alone,
because positions and velocities determine how a simulation continues. Several frames almost
determine the velocities: the variance over noise is then a lower bound.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from equitraj.data.sources.simulated import Simulated, simulated
from equitraj.data.tasks import split_frames, spread
from equitraj.data.trajectory import Trajectory, features_at

COLUMNS = ("task", "floor", "low", "high", "kind", "states", "repetitions")
STATES = 200  # upper bound of the number of test states
FEWEST = 20  # lower bound of the number of test states
POINTS = 200 * 256  # upper bound of the number of points in all test states together
REPETITIONS = 8  # of each state
BLOCKS = 20  # of consecutive states
ROUNDING = 1e-12  # of the mean squared motion: a smaller variance is rounding in the engine
EXACT = "exact"
BOUND = "lower bound"


class Unknown(ValueError):
    """The floor of a task cannot be computed; the message gives the reason."""


@dataclass(frozen=True)
class Floor:
    """The floor of a task, 0 for a deterministic motion that positions and velocities determine.

    Attributes: floor, a mean squared error in the data's squared unit; low and high, its 95 %
    confidence interval (None for fewer than 3 blocks of states); kind, `exact` or `lower bound`;
    states, their number; repetitions of each state.
    """

    floor: float
    low: float | None
    high: float | None
    kind: str
    states: int
    repetitions: int


def floor(
    trajectory: Trajectory, task: dict, repetitions: int = REPETITIONS, seed: int = 1
) -> Floor:
    """Compute the floor of a task on a simulated, lifted trajectory.

    Raises:
        Unknown: data that were not simulated, a system that cannot be simulated again, or
            velocities that are needed and were not recorded or are not inputs.
    """
    history = task["history"]
    lag = task["lag"]
    shown = "velocity" in task.get("inputs", ())
    system = _system(trajectory)
    is_known = shown or history > 1
    if is_known and trajectory.velocity is None:
        raise Unknown("velocities were not recorded")
    position = trajectory.position
    splits = split_frames(trajectory.episode, history, lag, task["split"])
    most = int(np.clip(POINTS // position.shape[1], FEWEST, STATES))
    newest = splits["test"]
    newest = newest[spread(len(newest), most)]
    try:
        variance = variances(system, trajectory, newest, lag, is_known, repetitions, seed)
    except ValueError as error:
        raise Unknown(str(error)) from error
    motion = np.square(position[newest + lag] - position[newest])
    if variance.mean() <= ROUNDING * motion.mean():
        variance = np.zeros_like(variance)
    kind = EXACT if shown or not is_known else BOUND
    low, high = interval(variance)
    mean = float(variance.mean())
    return Floor(mean, low, high, kind, len(newest), repetitions)


def _system(trajectory: Trajectory) -> Simulated:
    system = simulated(trajectory)
    if system is None:
        raise Unknown("not simulated")
    if not system.can("again"):
        raise Unknown(f"the system {system.name} has no function `again`")
    return system


def variances(
    system: Simulated,
    trajectory: Trajectory,
    newest: np.ndarray,
    lag: int,
    is_known: bool,
    repetitions: int,
    seed: int,
) -> np.ndarray:
    """Return the unbiased variance of positions `lag` frames after each state `newest` (S,).

    It is the mean over points and coordinates. The velocities are the recorded ones if the task
    `is_known` to determine them, else new ones in each repetition.
    """
    repeated = np.repeat(newest, repetitions)
    position = trajectory.position[repeated]
    velocity = None
    if is_known:
        assert trajectory.velocity is not None
        velocity = trajectory.velocity[repeated]
    features = features_at(trajectory, repeated)
    ends = system.again(position, velocity, lag, seed, features)
    n_states = len(newest)
    outcomes = ends.reshape(n_states, repetitions, -1)
    variance = outcomes.var(axis=1, ddof=1)
    return variance.mean(axis=-1)


def interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % confidence interval of the mean.

    Its limits are percentiles of a bootstrap over blocks of consecutive states, which are similar.
    """
    n_blocks = min(BLOCKS, len(values))
    blocks = [block.mean() for block in np.array_split(values, n_blocks)]
    if len(blocks) < 3:
        return None, None
    rng = np.random.default_rng(0)
    result = bootstrap((blocks,), np.mean, method="percentile", rng=rng)
    limits = result.confidence_interval
    return float(limits.low), float(limits.high)
