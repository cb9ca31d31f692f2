"""The first rollouts of a run, kept as positions so that one can look at them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import atomic
from equitraj.data.trajectory import Trajectory

STARTS = 2
STEPS = 100
Take = Callable[[np.ndarray, np.ndarray], None]


class Kept:
    """Takes in a rollout step by step, and keeps `STEPS` steps of `STARTS` starts, as far as there
    are numbers.

    Args:
        trajectory: the truth.
        starts: (S,) its frames where the rollouts start; none for a run without rollouts.
    """

    def __init__(self, trajectory: Trajectory, starts: Sequence[int] = ()) -> None:
        self.trajectory, self.starts = trajectory, np.asarray(starts[:STARTS], np.int64)
        self.steps: list[tuple[np.ndarray, ...]] = []
        self.ended = False

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in predicted and true positions (S, N, 3) of the next step."""
        predicted, truth = predicted[:STARTS], truth[:STARTS]
        with np.errstate(over="ignore", invalid="ignore"):
            # from float64: where points lie far from the origin, an error is less than what float32
            # rounds off
            distance = np.linalg.norm(predicted - truth, axis=-1)
            step = tuple(values.astype(np.float32) for values in (predicted, truth, distance))
        self.ended |= not all(np.isfinite(values).all() for values in step)
        if not self.ended and len(self.steps) < STEPS:
            self.steps.append(step)

    def beside(self, other: Take) -> Take:
        """What hands each step on to `other`, too."""

        def take(predicted: np.ndarray, truth: np.ndarray) -> None:
            self.add(predicted, truth)
            other(predicted, truth)

        return take

    def write(self, path: Path) -> None:
        """Write `starts` (S,), `prediction` and `truth` (T, S, N, 3), and `distance` (T, S, N) of
        the points from their true places, float32 in the unit of length of the data."""
        points = (len(self.starts), self.trajectory.position.shape[1])
        empty = [np.empty((0, *points, *axes), np.float32) for axes in ((3,), (3,), ())]
        stacked = [np.stack(values) for values in zip(*self.steps, strict=True)] or empty
        with atomic(path) as temporary, h5py.File(temporary, "w") as file:
            file["starts"] = self.starts
            for name, values in zip(("prediction", "truth", "distance"), stacked, strict=True):
                file[name] = values
            file.attrs["length_unit"] = self.trajectory.length_unit
