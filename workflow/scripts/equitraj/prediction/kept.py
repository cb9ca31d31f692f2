"""The first rollouts of a run, kept as positions so that they can be viewed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import atomic
from equitraj.data.trajectory import Trajectory

STARTS = 2
STEPS = 100
NAMES = ("prediction", "truth", "distance")
Take = Callable[[np.ndarray, np.ndarray], None]


class Kept:
    """Takes in a rollout step by step, and keeps `STEPS` steps of `STARTS` starts.

    It stops at the first step that is not finite.

    Args:
        trajectory: the truth.
        starts: (S,) its frames where the rollouts start; none for a run without rollouts.
    """

    def __init__(self, trajectory: Trajectory, starts: Sequence[int] | np.ndarray = ()) -> None:
        self.trajectory = trajectory
        self.starts = np.asarray(starts[:STARTS], np.int64)
        self.steps: list[tuple[np.ndarray, ...]] = []
        self.ended = False

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in predicted and true positions (S, N, 3) of the next step."""
        predicted = predicted[:STARTS]
        truth = truth[:STARTS]
        with np.errstate(over="ignore", invalid="ignore"):
            # in float64: an error of points far from the origin is smaller than the rounding of
            # float32
            distance = np.linalg.norm(predicted - truth, axis=-1)
            values = (predicted, truth, distance)
            step = tuple(value.astype(np.float32) for value in values)
        is_finite = all(np.isfinite(value).all() for value in step)
        self.ended |= not is_finite
        if not self.ended and len(self.steps) < STEPS:
            self.steps.append(step)

    def beside(self, other: Take) -> Take:
        """Return a function that passes each step to `add` and to `other`."""

        def take(predicted: np.ndarray, truth: np.ndarray) -> None:
            self.add(predicted, truth)
            other(predicted, truth)

        return take

    def write(self, path: Path) -> None:
        """Write `starts` (S,), `prediction`, `truth` (T, S, N, 3) and `distance` (T, S, N).

        `distance` is between the points and their true positions. The last three are float32 in the
        data's unit of length.
        """
        with atomic(path) as temporary, h5py.File(temporary, "w") as file:
            file["starts"] = self.starts
            for name, values in zip(NAMES, self._stacked(), strict=True):
                file[name] = values
            file.attrs["length_unit"] = self.trajectory.length_unit

    def _stacked(self) -> list[np.ndarray]:
        if self.steps:
            return [np.stack(values) for values in zip(*self.steps, strict=True)]
        n_starts = len(self.starts)
        n_points = self.trajectory.position.shape[1]
        distance = np.empty((0, n_starts, n_points), np.float32)
        position = np.empty((0, n_starts, n_points, 3), np.float32)
        return [position, position, distance]
