"""The floor of a task: the error of the best possible method, by simulating again from the test
states.

A method that knows of a state what the task shows cannot do better than predict the mean of what
may follow; its error is then the variance of that. With one frame and no velocities it is the
variance over velocities and noise; where velocities are shown, that over noise alone, since
positions and velocities are all that a simulation goes on from. Several frames nearly tell the
velocities: there the variance over noise is a lower bound.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from equitraj.data.sources.simulated import Simulated, simulated
from equitraj.data.tasks import split_frames, spread
from equitraj.data.trajectory import Trajectory, features_at

COLUMNS = ("task", "floor", "low", "high", "kind", "states", "repetitions")
STATES, FEWEST, POINTS = (
    200,
    20,
    200 * 256,
)  # test states: the most, the least, and points in all of them together
REPETITIONS = 8  # of each state
BLOCKS = 20  # of consecutive states
ROUNDING = 1e-12  # of the mean squared motion: a variance below it is rounding in the engine
EXACT, BOUND = "exact", "lower bound"


class Unknown(ValueError):
    """The floor of a task cannot be told; the message says why."""


@dataclass(frozen=True)
class Floor:
    """Attributes: floor, a mean squared error in the data's squared unit; its 95 % interval from
    low to high (None for fewer than 3 blocks of states); kind, `exact` or `lower bound`; states;
    repetitions of each. 0 is that of a motion without chance, which is known from its positions and
    velocities.
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
    """The floor of a task on a simulated, lifted trajectory.

    Raises:
        Unknown: data that were not simulated, a system that cannot be simulated again, or
            velocities that are needed and were not recorded or are not shown.
    """
    history, lag, shown = task["history"], task["lag"], "velocity" in task.get("inputs", ())
    system = _system(trajectory)
    is_told = shown or history > 1
    if is_told and trajectory.velocity is None:
        raise Unknown("velocities were not recorded")
    newest = split_frames(trajectory.episode, history, lag, task["split"])["test"]
    most = int(np.clip(POINTS // trajectory.position.shape[1], FEWEST, STATES))
    newest = newest[spread(len(newest), most)]
    try:
        variance = variances(system, trajectory, newest, lag, is_told, repetitions, seed)
    except ValueError as error:
        raise Unknown(str(error)) from error
    motion = np.square(trajectory.position[newest + lag] - trajectory.position[newest]).mean()
    if variance.mean() <= ROUNDING * motion:
        variance = np.zeros_like(variance)
    kind = EXACT if shown or not is_told else BOUND
    return Floor(float(variance.mean()), *interval(variance), kind, len(newest), repetitions)


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
    is_told: bool,
    repetitions: int,
    seed: int,
) -> np.ndarray:
    """Unbiased variance, mean over points and coordinates, of positions `lag` frames after each
    state `newest` (S,).

    With the velocities that were recorded where they are told, else with new ones in each
    repetition.
    """
    repeated = np.repeat(newest, repetitions)
    velocity = trajectory.velocity[repeated] if is_told else None
    ends = system.again(
        trajectory.position[repeated], velocity, lag, seed, features_at(trajectory, repeated)
    )
    return ends.reshape(len(newest), repetitions, -1).var(axis=1, ddof=1).mean(axis=-1)


def interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of their mean: percentiles of a bootstrap over blocks of consecutive states,
    which are alike."""
    blocks = [block.mean() for block in np.array_split(values, min(BLOCKS, len(values)))]
    if len(blocks) < 3:
        return None, None
    found = bootstrap(
        (blocks,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)
