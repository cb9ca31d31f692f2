"""A trained method, used outside of its study."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equitraj.base.allowed import Choice, Option, Range
from equitraj.data.checks import check_box
from equitraj.data.tasks import Sample, directed
from equitraj.prediction import predictor
from equitraj.prediction.evaluation import fed_back
from equitraj.training.record import read_record

COUNT = Option(1, Range(1))
WEIGHTS, PRECISION = (
    Option(c[0], Choice(c)) for c in (("trained", "initial"), ("float64", "float32"))
)


@dataclass(frozen=True)
class Run:
    """A trained method. Attributes: folder; record, what run.json holds; predictor, of its trained
    weights."""

    folder: Path
    record: dict
    predictor: predictor.Predictor

    @property
    def history(self) -> int:
        """Number K of past frames that it sees."""
        return self.record["task"]["history"]

    def predict(
        self,
        positions: np.ndarray,
        velocity: np.ndarray | None = None,
        scalar: np.ndarray | None = None,
        box: np.ndarray | None = None,
    ) -> np.ndarray:
        """Positions `lag` frames after the newest: (N, 3) from the last (K, N, 3), or (B, N, 3)
        from (B, K, N, 3).

        Newest frame last, in the units of the data that the method was trained on. `velocity` (N,
        3) or (B, N, 3) at the newest frame, for a method that was trained with velocities; `scalar`
        (N, F) or (B, N, F), the features of the points, for one that was trained with features: the
        mass first, then in the order of the task's `inputs`. `box` (3, 3) or (B, 3, 3), the vectors
        of a periodic box as rows, for a network with a cutoff.

        Raises:
            ValueError: another number of frames, points or features than in training, or values
            that are not finite.
        """
        single = np.ndim(positions) == 3
        predicted = self.predictor.predict(self._sample(positions, velocity, scalar, box, single))
        return predicted[0] if single else predicted

    def rollout(
        self,
        positions: np.ndarray,
        steps: int,
        velocity: np.ndarray | None = None,
        scalar: np.ndarray | None = None,
        box: np.ndarray | None = None,
    ) -> np.ndarray:
        """`steps` predictions, each fed back: (steps, N, 3) from (K, N, 3), or (B, steps, N, 3)
        from (B, K, N, 3).

        Raises:
            ValueError: as `predict`; or a history of several frames and a lag above one, which
            cannot be fed back.
        """
        single, lag = np.ndim(positions) == 3, self.record["task"]["lag"]
        if lag > 1 and self.history > 1:
            raise ValueError(
                f"{self.folder}: a history of {self.history} frames cannot be fed back {lag} frames ahead"
            )
        COUNT.check("steps", steps)
        sample = self._sample(positions, velocity, scalar, box, single)
        made = np.stack(list(self._steps(sample, steps)), axis=1)
        return made[0] if single else made

    def _steps(self, sample: Sample, steps: int) -> Iterator[np.ndarray]:
        return fed_back(self.predictor.predict, sample, self.record["task"]["lag"], steps)

    def _sample(
        self,
        positions: np.ndarray,
        velocity: np.ndarray | None,
        scalar: np.ndarray | None,
        box: np.ndarray | None,
        single: bool,
    ) -> Sample:
        shape = self.record["shape"]
        position = self._checked(
            "positions", positions, single, (self.history, shape["n_points"], 3)
        )
        bonds, inputs = self.record.get("bonds"), self.record["task"].get("inputs", [])
        scalars = self._of_points("scalar", scalar, shape["n_scalars"], len(position))
        return Sample(
            position,
            velocity=self._of_points(
                "velocity", velocity, 3 * ("velocity" in inputs), len(position)
            ),
            scalar=scalars,
            mass=scalars[..., 0] if "mass" in inputs else None,
            edges=None if bonds is None else directed(np.array(bonds)),
            box=self._box(box, len(position)),
            step=shape["time_step"],
        )

    def _box(self, box: np.ndarray | None, n_samples: int) -> np.ndarray | None:
        if box is None:
            return None
        box = np.asarray(box, np.float64)
        if box.shape not in ((3, 3), (n_samples, 3, 3)) or not np.isfinite(box).all():
            raise ValueError(
                f"box: shape {box.shape}; expected finite (3, 3) or ({n_samples}, 3, 3), vectors as rows"
            )
        check_box("box", box)
        return np.broadcast_to(box, (n_samples, 3, 3))

    def _of_points(
        self, name: str, value: np.ndarray | None, width: int, n_samples: int
    ) -> np.ndarray | None:
        """Checked values (B, N, width), from those of each sample or from one (N, width) for all;
        None for width 0."""
        if (value is None) != (width == 0):
            wanted = (
                f"with {width} numbers of each point: give them"
                if width
                else "without: leave it out"
            )
            raise ValueError(f"{name}: {self.folder} was trained {wanted}")
        if value is None:
            return None
        value = self._checked(
            name, value, np.ndim(value) == 2, (self.record["shape"]["n_points"], width)
        )
        if len(value) not in (1, n_samples):
            raise ValueError(f"{name}: {len(value)} samples; positions has {n_samples}")
        return np.broadcast_to(value, (n_samples, *value.shape[1:]))

    def _checked(
        self, name: str, value: np.ndarray, single: bool, expected: tuple[int, ...]
    ) -> np.ndarray:
        value = np.asarray(value, np.float64)
        value = value[None] if single else value
        if value.shape[1:] != expected or not len(value):
            wanted = ", ".join(map(str, expected))
            raise ValueError(
                f"{name}: shape {value.shape[single:]}; {self.folder} was trained on {self.history} frames of "
                f"{expected[-2]} points: expected ({wanted}) or (samples, {wanted})"
            )
        if not np.isfinite(value).all():
            raise ValueError(
                f"{name}: {np.count_nonzero(~np.isfinite(value))} values are not finite"
            )
        return value


def load(run_folder: str | Path, weights: str = "trained", precision: str = "float64") -> Run:
    """The trained method in a run folder, results/runs/TASK/METHOD/nSIZE/seedSEED of a study.

    `weights` are "trained" or "initial", `precision` is "float64" or "float32". A network needs its
    framework: the extra `jax` or `torch` of the package.

    Raises:
        ValueError: no run folder, unknown weights or precision, or a run that failed; the message
        has its reason.
        ModuleNotFoundError: the framework of the network is not installed; the message names the
        extra.

    >>> import equitraj
    >>> equitraj.load("results")
    Traceback (most recent call last):
    ValueError: results: no run folder: it has no run.json; expected
    results/runs/TASK/METHOD/nSIZE/seedSEED
    """
    folder = Path(run_folder)
    if not (folder / "run.json").is_file():
        raise ValueError(
            f"{folder}: no run folder: it has no run.json; expected results/runs/TASK/METHOD/nSIZE/seedSEED"
        )
    WEIGHTS.check("weights", weights)
    PRECISION.check("precision", precision)
    record = read_record(folder)
    try:
        return Run(folder, record, predictor.load(folder, weights, precision))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{folder}: {record['method']['name']} needs {error.name}; pip install 'equitraj[{record['framework']}]'"
        ) from error
