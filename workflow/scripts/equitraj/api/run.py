"""A trained method outside of its study."""

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
WEIGHTS = Option("trained", Choice(("trained", "initial")))
PRECISION = Option("float64", Choice(("float64", "float32")))


@dataclass(frozen=True)
class Run:
    """A trained method.

    Attributes: folder; record, the contents of run.json; predictor.
    """

    folder: Path
    record: dict
    predictor: predictor.Predictor

    @property
    def history(self) -> int:
        """Number K of past frames in the input."""
        task = self.record["task"]
        return task["history"]

    def predict(
        self,
        positions: np.ndarray,
        velocity: np.ndarray | None = None,
        scalar: np.ndarray | None = None,
        box: np.ndarray | None = None,
    ) -> np.ndarray:
        """Predict `lag` frames ahead: (N, 3) from (K, N, 3), or (B, N, 3) from (B, K, N, 3).

        The K frames are in the order of time, in the units of the training data. `velocity` (N, 3)
        or (B, N, 3) at the newest frame is for a method that was trained with velocities. `scalar`
        (N, F) or (B, N, F) is for a method that was trained with features of the points: the mass
        first, then in the order of the task's `inputs`. `box` (3, 3) or (B, 3, 3), the vectors of a
        periodic box as rows, is for a network with a cutoff.

        Raises:
            ValueError: another number of frames, points or features than in training, or values
            that are not finite.
        """
        single = np.ndim(positions) == 3
        sample = self._sample(positions, velocity, scalar, box, single)
        predicted = self.predictor.predict(sample)
        if single:
            return predicted[0]
        return predicted

    def rollout(
        self,
        positions: np.ndarray,
        steps: int,
        velocity: np.ndarray | None = None,
        scalar: np.ndarray | None = None,
        box: np.ndarray | None = None,
    ) -> np.ndarray:
        """Predict `steps` times and feed each prediction back.

        The result is (steps, N, 3) from (K, N, 3), or (B, steps, N, 3) from (B, K, N, 3).

        Raises:
            ValueError: as `predict`; or a history of several frames and a lag above one, which
            cannot be fed back.
        """
        single = np.ndim(positions) == 3
        task = self.record["task"]
        lag = task["lag"]
        if lag > 1 and self.history > 1:
            raise ValueError(
                f"{self.folder}: a history of {self.history} frames cannot be fed back {lag} frames"
                " ahead"
            )
        COUNT.check("steps", steps)
        sample = self._sample(positions, velocity, scalar, box, single)
        predictions = list(fed_back(self.predictor.predict, sample, lag, steps))
        predicted = np.stack(predictions, axis=1)
        if single:
            return predicted[0]
        return predicted

    def _sample(
        self,
        positions: np.ndarray,
        velocity: np.ndarray | None,
        scalar: np.ndarray | None,
        box: np.ndarray | None,
        single: bool,
    ) -> Sample:
        """The input of the predictor, checked against the training data."""
        shape = self.record["shape"]
        per_sample = (self.history, shape["n_points"], 3)
        position = self._checked("positions", positions, single, per_sample)
        count = len(position)
        inputs = self.record["task"].get("inputs", [])
        velocity_width = 3 if "velocity" in inputs else 0
        scalars = self._of_points("scalar", scalar, shape["n_scalars"], count)
        mass = scalars[..., 0] if scalars is not None and "mass" in inputs else None
        bonds = self.record.get("bonds")
        return Sample(
            position,
            velocity=self._of_points("velocity", velocity, velocity_width, count),
            scalar=scalars,
            mass=mass,
            edges=None if bonds is None else directed(np.array(bonds)),
            box=self._box(box, count),
            step=shape["time_step"],
        )

    def _box(self, box: np.ndarray | None, n_samples: int) -> np.ndarray | None:
        if box is None:
            return None
        box = np.asarray(box, np.float64)
        whole = (n_samples, 3, 3)
        if box.shape not in ((3, 3), whole) or not np.isfinite(box).all():
            raise ValueError(
                f"box: shape {box.shape}; expected finite (3, 3) or {whole}, vectors as rows"
            )
        check_box("box", box)
        return np.broadcast_to(box, whole)

    def _of_points(
        self, name: str, value: np.ndarray | None, width: int, n_samples: int
    ) -> np.ndarray | None:
        """Check values of the points, (B, N, width), or (N, width) for all samples.

        Returns:
            (B, N, width), or None for width 0.
        """
        if (value is None) != (width == 0):
            wanted = "without: leave it out"
            if width:
                wanted = f"with {width} numbers of each point: give them"
            raise ValueError(f"{name}: {self.folder} was trained {wanted}")
        if value is None:
            return None
        per_sample = (self.record["shape"]["n_points"], width)
        value = self._checked(name, value, np.ndim(value) == 2, per_sample)
        if len(value) not in (1, n_samples):
            raise ValueError(f"{name}: {len(value)} samples; positions has {n_samples}")
        return np.broadcast_to(value, (n_samples, *per_sample))

    def _checked(
        self, name: str, value: np.ndarray, single: bool, expected: tuple[int, ...]
    ) -> np.ndarray:
        """Check finite values of samples; a `single` sample gets an axis of length 1 in front."""
        value = np.asarray(value, np.float64)
        if single:
            value = value[None]
        if value.shape[1:] != expected or not len(value):
            wanted = ", ".join(map(str, expected))
            raise ValueError(
                f"{name}: shape {value.shape[single:]}; {self.folder} was trained on "
                f"{self.history} frames of {expected[-2]} points: expected ({wanted}) or "
                f"(samples, {wanted})"
            )
        is_finite = np.isfinite(value)
        if not is_finite.all():
            raise ValueError(f"{name}: {np.count_nonzero(~is_finite)} values are not finite")
        return value


def load(run_folder: str | Path, weights: str = "trained", precision: str = "float64") -> Run:
    """Load the trained method in a run folder, results/runs/TASK/METHOD/nSIZE/seedSEED of a study.

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
    ValueError: results: no run.json; expected a folder results/runs/TASK/METHOD/nSIZE/seedSEED
    """
    folder = Path(run_folder)
    if not (folder / "run.json").is_file():
        raise ValueError(
            f"{folder}: no run.json; expected a folder results/runs/TASK/METHOD/nSIZE/seedSEED"
        )
    WEIGHTS.check("weights", weights)
    PRECISION.check("precision", precision)
    record = read_record(folder)
    try:
        return Run(folder, record, predictor.load(folder, weights, precision))
    except ModuleNotFoundError as error:
        method = record["method"]["name"]
        framework = record["framework"]
        raise ModuleNotFoundError(
            f"{folder}: {method} needs {error.name}; pip install 'equitraj[{framework}]'"
        ) from error
