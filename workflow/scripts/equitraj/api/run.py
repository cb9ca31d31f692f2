"""A trained method, used outside of its study."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equitraj.base.files import read_json
from equitraj.data.tasks import Sample, directed
from equitraj.prediction import predictor
from equitraj.prediction.evaluation import fed_back


@dataclass(frozen=True)
class Run:
    """A trained method. Attributes: folder; record, what run.json holds; predictor, of its trained weights."""

    folder: Path
    record: dict
    predictor: predictor.Predictor

    @property
    def history(self) -> int:
        """Number K of past frames that it sees."""
        return self.record["task"]["history"]

    def predict(self, positions: np.ndarray, velocity: np.ndarray | None = None) -> np.ndarray:
        """Positions `lag` frames after the newest: (N, 3) from the last (K, N, 3), or (B, N, 3) from (B, K, N, 3).

        Newest frame last, in the units of the data that the method was trained on. `velocity` (N, 3) or (B, N, 3) at
        the newest frame, for a method that was trained with velocities.

        Raises:
            ValueError: another number of frames or points than in training, or values that are not finite.
        """
        single = np.ndim(positions) == 3
        predicted = self.predictor.predict(self._sample(positions, velocity, single))
        return predicted[0] if single else predicted

    def rollout(self, positions: np.ndarray, steps: int, velocity: np.ndarray | None = None) -> np.ndarray:
        """`steps` predictions, each fed back: (steps, N, 3) from (K, N, 3), or (B, steps, N, 3) from (B, K, N, 3).

        Raises:
            ValueError: as `predict`; or a history of several frames and a lag above one, which cannot be fed back.
        """
        single, lag = np.ndim(positions) == 3, self.record["task"]["lag"]
        if lag > 1 and self.history > 1:
            raise ValueError(f"{self.folder}: a history of {self.history} frames cannot be fed back {lag} frames ahead")
        made = np.stack(list(self._steps(self._sample(positions, velocity, single), steps)), axis=1)
        return made[0] if single else made

    def _steps(self, sample: Sample, steps: int) -> Iterator[np.ndarray]:
        return fed_back(self.predictor, sample, self.record["task"]["lag"], steps)

    def _sample(self, positions: np.ndarray, velocity: np.ndarray | None, single: bool) -> Sample:
        n_points = self.record["shape"]["n_points"]
        position = self._checked("positions", positions, single, (self.history, n_points, 3))
        if velocity is not None:
            velocity = self._checked("velocity", velocity, single, (n_points, 3))
        bonds = self.record.get("bonds")
        return Sample(position, velocity=velocity, edges=None if bonds is None else directed(np.array(bonds)))

    def _checked(self, name: str, value: np.ndarray, single: bool, expected: tuple[int, ...]) -> np.ndarray:
        value = np.asarray(value, np.float64)
        value = value[None] if single else value
        if value.shape[1:] != expected or not len(value):
            wanted = ", ".join(map(str, expected))
            raise ValueError(
                f"{name}: shape {value.shape[single:]}; {self.folder} was trained on {self.history} frames of "
                f"{expected[-2]} points: expected ({wanted}) or (samples, {wanted})"
            )
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: {np.count_nonzero(~np.isfinite(value))} values are not finite")
        return value


def load(run_folder: str | Path, weights: str = "trained", precision: str = "float64") -> Run:
    """The trained method in a run folder, results/runs/TASK/METHOD/nSIZE/seedSEED of a study.

    `weights` are "trained" or "initial", `precision` is "float64" or "float32". A network needs its framework: the
    extra `jax` or `torch` of the package.

    Raises:
        ValueError: no run folder, or a run that failed; the message has its reason.
        ModuleNotFoundError: the framework of the network is not installed; the message names the extra.

    >>> import equitraj
    >>> equitraj.load("results")
    Traceback (most recent call last):
    ValueError: results: no run folder: it has no run.json; expected results/runs/TASK/METHOD/nSIZE/seedSEED
    """
    folder = Path(run_folder)
    if not (folder / "run.json").is_file():
        raise ValueError(
            f"{folder}: no run folder: it has no run.json; expected results/runs/TASK/METHOD/nSIZE/seedSEED"
        )
    record = read_json(folder / "run.json")
    try:
        return Run(folder, record, predictor.load(folder, weights, precision))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{folder}: {record['method']['name']} needs {error.name}; pip install 'equitraj[{record['framework']}]'"
        ) from error
