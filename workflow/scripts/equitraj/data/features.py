"""What a network sees and predicts.

Its inputs are positions and displacements, its output is a normalised residual to a simple
extrapolation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from equitraj.data import neighbours
from equitraj.data.parts import Mean, least_squares
from equitraj.data.tasks import Sample

# The vectors among a network's inputs, which a rotation of the sample turns. `future` is there only
# in training on short rollouts.
TURNED = ("position", "displacement", "shift", "future")


@dataclass(frozen=True)
class Statistics:
    """Scales of the training split, in the model's reference frame and in the data's units.

    Attributes:
        residual: "none", "last", "velocity" or "autoregression": the extrapolation to which the
        network's output is added.
        coefficient: (V,) weights of the past (see `Sample.past`) in the extrapolation.
        residual_scale: root mean square of the residual, per coordinate.
        displacement_scale: root mean square of the past, per coordinate.
        position_mean: (3,) mean position.
        position_scale: root mean square deviation from the mean position, per coordinate.
        extent: root mean square distance of the points from the mean of their frame.
        scalar_scale: (F,) root mean square of each feature; 1 for features that are zero or one.
    """

    residual: str
    coefficient: tuple[float, ...]
    residual_scale: float
    displacement_scale: float
    position_mean: tuple[float, float, float]
    position_scale: float
    extent: float
    scalar_scale: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, record: dict) -> "Statistics":
        """Statistics from the JSON of a record that `dataclasses.asdict` made."""
        values = dict(record)
        for name, value in record.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)


def extrapolate(
    newest: np.ndarray, past: np.ndarray, residual: str, coefficient: tuple[float, ...] | np.ndarray
) -> np.ndarray:
    """The simple prediction (B, N, 3): zero, or the newest points plus their weighted past.

    `newest` is (B, N, 3), `past` (B, V, N, 3) and `coefficient` (V,).
    """
    if residual == "none":
        return np.zeros_like(newest)
    weights = np.asarray(coefficient)
    return newest + np.einsum("k,bknc->bnc", weights, past)


def extrapolation_weights(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], residual: str, lag: int
) -> np.ndarray:
    """Weights (V,) of the past in the extrapolation.

    With the `residual` "none" or "last" they are zero. With "velocity" (constant velocity) the last
    one is the lag and the others are zero. With "autoregression" they are fitted to displacements.
    Each part has the past (B, V, N, 3) and the displacement (B, N, 3) of some samples.
    """
    parts = iter(parts)
    first = next(parts)
    count = first[0].shape[1]
    if residual in ("none", "last") or count == 0:
        return np.zeros(count)
    if residual == "velocity":
        return lag * np.eye(count)[-1]
    return least_squares(_equations(*part) for part in chain([first], parts))


def _equations(past: np.ndarray, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (3 B N, V) and right-hand side (3 B N,) of the fit of the weights."""
    count = past.shape[1]
    matrix = np.moveaxis(past, 1, -1).reshape(-1, count)
    return matrix, displacement.reshape(-1)


def measure(sample: Sample, residual: str, lag: int) -> Statistics:
    """Statistics of training samples in the model's reference frame."""
    return measure_parts([sample], residual, lag)


def measure_parts(parts: Iterable[Sample], residual: str, lag: int) -> Statistics:
    """Statistics of training samples in the model's reference frame, in parts.

    The parts are iterated over two or three times: the deviation of the positions needs their mean,
    and the residual needs its coefficients.
    """
    n_past = next(iter(parts)).past.shape[1]
    if residual == "auto":
        residual = "velocity" if n_past else "last"
    displacements = ((sample.past, sample.truth - sample.newest) for sample in parts)
    coefficient = extrapolation_weights(displacements, residual, lag)
    mean = Mean(kept=1)
    past = Mean()
    around = Mean()
    columns: list[Column] = []
    for sample in parts:
        newest = sample.newest
        centre = newest.mean(1, keepdims=True)
        mean.add(newest)
        past.add(np.square(sample.past))
        around.add(np.square(newest - centre))
        if sample.scalar is not None:
            columns = columns or [Column() for _ in range(sample.scalar.shape[-1])]
            values = np.moveaxis(sample.scalar, -1, 0)
            for column, value in zip(columns, values, strict=True):
                column.add(value)
    residuals = Mean()
    position = Mean()
    for sample in parts:
        newest = sample.newest
        base = extrapolate(newest, sample.past, residual, coefficient)
        residuals.add(np.square(sample.truth - base))
        position.add(np.square(newest - mean.value))
    extent = _root(around) * 3**0.5
    position_mean = np.asarray(mean.value).tolist()
    return Statistics(
        residual=residual,
        coefficient=tuple(coefficient.tolist()),
        residual_scale=_root(residuals),
        displacement_scale=_root(past) if n_past else 1.0,
        position_mean=tuple(position_mean),
        position_scale=_root(position),
        extent=extent,
        scalar_scale=tuple(column.scale for column in columns),
    )


def _root(square: Mean) -> float:
    root = float(np.sqrt(square.value))
    return root or 1.0


class Column(Mean):
    """The scale of one feature of the points, which comes as arrays (B, N).

    Attributes:
        scale: root mean square; 1 if all values are zero or one, such as the columns of a species.
    """

    binary = True

    def add(self, value: np.ndarray) -> None:
        """Add the values of some samples."""
        squared = np.square(value)
        super().add(squared)
        if self.binary:
            is_binary = np.isin(value, (0, 1))
            self.binary = bool(is_binary.all())

    @property
    def scale(self) -> float:
        """The root mean square, or 1 (see the class)."""
        if self.binary:
            return 1.0
        return _root(self)


def network_inputs(
    sample: Sample, statistics: Statistics, dtype: str, cutoff: float | None = None
) -> dict[str, np.ndarray]:
    """Arrays for a network, from a sample whose positions are in the network's reference frame.

    Differences are taken in float64, before the cast to `dtype`: in float32 a displacement that is
    a thousand times smaller than the coordinates would keep four digits.

    Returns:
        `position` (B, N, 3), the newest frame in the data's units; `displacement` (B, V, N, 3),
        `Sample.past` in units of `displacement_scale`; `scalar` (B, N, F) in units of
        `scalar_scale` where the task shows features; `mass` (B, N) in the data's units where it
        shows masses. Without a cutoff also `adjacency` (B, N, N), 1 where two points are bonded.
        With a cutoff (in the data's units) the pairs of points that are closer: `receivers`,
        `senders` and `shift` of `neighbours.neighbour_lists`, and `bonded` (B, E), 1 where the two
        points are bonded.
    """
    if cutoff is None:
        pairs = _all_pairs(sample, dtype)
    else:
        pairs = _near_pairs(sample, dtype, cutoff)
    inputs = vectors(sample, statistics, dtype) | pairs
    if sample.scalar is not None:
        scaled = sample.scalar / (statistics.scalar_scale or 1.0)
        inputs["scalar"] = scaled.astype(dtype)
    if sample.mass is not None:
        inputs["mass"] = sample.mass.astype(dtype)
    return inputs


def vectors(sample: Sample, statistics: Statistics, dtype: str) -> dict[str, np.ndarray]:
    """`position` and `displacement` of `network_inputs`, which are linear in the positions."""
    displacement = sample.past / statistics.displacement_scale
    return {
        "position": sample.newest.astype(dtype),
        "displacement": displacement.astype(dtype),
    }


def tangent(
    inputs: dict[str, np.ndarray], sample: Sample, change: Sample, statistics: Statistics
) -> dict[str, np.ndarray]:
    """The derivative of the vectors among the `inputs` of a sample, whose derivative is `change`.

    The pairs do not change.
    """
    moved = vectors(change, statistics, "float64")
    if "shift" in inputs and sample.box is not None:
        images = inputs["shift"] @ np.linalg.pinv(sample.box)
        moved["shift"] = images @ change.box
    return moved


def _all_pairs(sample: Sample, dtype: str) -> dict[str, np.ndarray]:
    batch, _, n_points = sample.position.shape[:3]
    adjacency = np.zeros((n_points, n_points), dtype)
    if sample.edges is not None:
        first, second = sample.edges
        adjacency[first, second] = 1
    return {"adjacency": np.broadcast_to(adjacency, (batch, n_points, n_points))}


def _near_pairs(sample: Sample, dtype: str, cutoff: float) -> dict[str, np.ndarray]:
    n_points = sample.position.shape[2]
    lists = neighbours.neighbour_lists(sample.newest, cutoff, sample.box)
    bonded = neighbours.bonded(lists, sample.edges, n_points)
    lists["shift"] = lists["shift"].astype(dtype)
    lists["bonded"] = bonded.astype(dtype)
    return lists


def check_output(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise ValueError unless a model's output has the shape (samples, points, 3) of its input."""
    if tuple(shape) != tuple(expected):
        raise ValueError(
            f"the model returned shape {tuple(shape)}; "
            f"expected {tuple(expected)} (samples, points, 3)"
        )


def _base(sample: Sample, statistics: Statistics) -> np.ndarray:
    """The extrapolation (B, N, 3) to which the network's output is added."""
    return extrapolate(sample.newest, sample.past, statistics.residual, statistics.coefficient)


def normalised_residual(sample: Sample, statistics: Statistics) -> np.ndarray:
    """The training target of a network (B, N, 3), in units of `residual_scale`."""
    residual = sample.truth - _base(sample, statistics)
    return residual / statistics.residual_scale


def prediction(sample: Sample, output: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Predicted positions (B, N, 3), float64, from a network's output (B, N, 3)."""
    residual = statistics.residual_scale * output.astype(np.float64)
    return _base(sample, statistics) + residual


@dataclass(frozen=True)
class Shape:
    """The properties of a task that a model needs to be built.

    Attributes:
        n_points: N.
        n_displacements: vectors V in `Sample.past`: K - 1, and one more where the task shows
        velocities.
        n_scalars: F.
        statistics: of the training split.
        lag: frames from the newest to the predicted one.
        time_step: time between two frames, 1 where the task shows neither velocity nor time.
        bonds: pairs of bonded points.
    """

    n_points: int
    n_displacements: int
    n_scalars: int
    statistics: Statistics
    lag: int = 1
    time_step: float = 1.0
    bonds: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class View:
    """The input of a closed form: B samples in the model's reference frame and the data's units.

    Attributes:
        newest: (B, N, 3), the newest points.
        past: (B, V, N, 3), the displacements that led there: see `Sample.past`.
        scalar: (B, N, F) features that the task shows, or None.
        mass: (B, N), or None where the task does not show it.
        lag: frames from the newest to the predicted one.
        time_step: time between two frames, 1 where the task shows neither velocity nor time.
    """

    newest: np.ndarray
    past: np.ndarray
    scalar: np.ndarray | None = None
    mass: np.ndarray | None = None
    lag: int = 1
    time_step: float = 1.0


def view(sample: Sample, lag: int, dtype: str = "float64") -> View:
    """The input of a closed form from a sample in the model's reference frame.

    Differences are taken before the cast to `dtype`.
    """
    return View(
        newest=sample.newest.astype(dtype),
        past=sample.past.astype(dtype),
        scalar=_cast(sample.scalar, dtype),
        mass=_cast(sample.mass, dtype),
        lag=lag,
        time_step=sample.step,
    )


def _cast(value: np.ndarray | None, dtype: str) -> np.ndarray | None:
    if value is None:
        return None
    return value.astype(dtype)
