"""What a network sees and predicts: displacements in, a normalised residual to a simple
extrapolation out."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from equitraj.data import neighbours
from equitraj.data.parts import Mean, least_squares
from equitraj.data.tasks import Sample

# the inputs of a network that turn with the axes, of those it gets, and what short rollouts in
# training are led to
TURNED = ("position", "displacement", "shift", "future")


@dataclass(frozen=True)
class Statistics:
    """Scales of the training split, in the coordinates of the model's frame and in the data's own
    units.

    Attributes:
        residual: "none", "last", "velocity" or "autoregression", what the network's output is added
        to.
        coefficient: (V,) weights of the past (see `Sample.past`) in that extrapolation.
        residual_scale: root mean square of the residual, per coordinate.
        displacement_scale: root mean square of the past, per coordinate.
        position_mean: (3,) mean position; position_scale: root mean square about it, per
        coordinate.
        extent: root mean square distance of the points from the mean of their frame.
        scalar_scale: (F,) root mean square of each feature; 1 for those that are zero or one.
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
        """Statistics from a record written by `dataclasses.asdict`, its lists made tuples again."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in record.items()})


def extrapolate(
    newest: np.ndarray, past: np.ndarray, residual: str, coefficient: tuple[float, ...] | np.ndarray
) -> np.ndarray:
    """The simple prediction (B, N, 3): zero, or newest points (B, N, 3) plus their past (B, V, N,
    3), weighted."""
    if residual == "none":
        return np.zeros_like(newest)
    return newest + np.einsum("k,bknc->bnc", np.asarray(coefficient), past)


def extrapolation_weights(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], residual: str, lag: int
) -> np.ndarray:
    """Weights (V,) of the past: zero, the last one alone (constant velocity), or fitted to
    displacements.

    Each part has the past (B, V, N, 3) and the displacement (B, N, 3) of some samples.
    """
    parts = iter(parts)
    first = next(parts)
    count = first[0].shape[1]
    if residual in ("none", "last") or count == 0:
        return np.zeros(count)
    if residual == "velocity":
        return lag * np.eye(count)[-1]
    return least_squares(
        (np.moveaxis(p, 1, -1).reshape(-1, count), d.reshape(-1)) for p, d in chain([first], parts)
    )


def measure(sample: Sample, residual: str, lag: int) -> Statistics:
    """Statistics of training samples in the model's frame."""
    return measure_parts([sample], residual, lag)


def measure_parts(parts: Iterable[Sample], residual: str, lag: int) -> Statistics:
    """Statistics of training samples in the model's frame that come in parts, again and again.

    Those of the positions need their mean and those of the residual its coefficients: that takes
    two rounds or three.
    """
    n_past = next(iter(parts)).past.shape[1]
    if residual == "auto":
        residual = "velocity" if n_past else "last"
    displacements = ((s.past, s.target - s.position[:, -1]) for s in parts)
    coefficient = extrapolation_weights(displacements, residual, lag)
    mean, past, around, scalars = Mean(kept=1), Mean(), Mean(), None
    for sample in parts:
        newest = sample.position[:, -1]
        mean.add(newest)
        past.add(np.square(sample.past))
        around.add(np.square(newest - newest.mean(1, keepdims=True)))
        if sample.scalar is not None:
            scalars = scalars or [Column() for _ in range(sample.scalar.shape[-1])]
            for column, value in zip(scalars, np.moveaxis(sample.scalar, -1, 0), strict=True):
                column.add(value)
    residuals, position = Mean(), Mean()
    for sample in parts:
        newest = sample.position[:, -1]
        residuals.add(
            np.square(sample.target - extrapolate(newest, sample.past, residual, coefficient))
        )
        position.add(np.square(newest - mean.value))
    return Statistics(
        residual=residual,
        coefficient=tuple(coefficient.tolist()),
        residual_scale=_root(residuals),
        displacement_scale=_root(past) if n_past else 1.0,
        position_mean=tuple(mean.value.tolist()),
        position_scale=_root(position),
        extent=_root(around) * 3**0.5,
        scalar_scale=tuple(column.scale for column in scalars or ()),
    )


def _root(square: Mean) -> float:
    return float(np.sqrt(square.value)) or 1.0


class Column(Mean):
    """One feature of the points, (B, N) at a time. Attributes: scale, its root mean square, or 1 if
    all values are zero or one, as those of a species are."""

    binary = True

    def add(self, value: np.ndarray) -> None:
        """Take in some samples."""
        super().add(np.square(value))
        self.binary = self.binary and bool(np.isin(value, (0, 1)).all())

    @property
    def scale(self) -> float:
        """See the class."""
        return 1.0 if self.binary else _root(self)


def network_inputs(
    sample: Sample, statistics: Statistics, dtype: str, cutoff: float | None = None
) -> dict[str, np.ndarray]:
    """Arrays for a network, from a sample whose positions are in the network's frame.

    Returns `position` (B, N, 3), the newest frame in the data's units; `displacement` (B, V, N, 3),
    `Sample.past` in units of `displacement_scale`; `scalar` (B, N, F) in units of `scalar_scale`
    where the task shows features, `mass` (B, N) in the data's units where it shows masses. Without
    a cutoff also `adjacency` (B, N, N), 1 where two points are bonded. With one, the pairs closer
    than `cutoff`, in the data's units: `receivers`, `senders` and `shift` of
    `neighbours.neighbour_lists`, and `bonded` (B, E), 1 where the two points are. Differences are
    taken in float64, before the cast to `dtype`: in float32 a displacement a thousand times smaller
    than the coordinates would keep four digits.
    """
    pairs = _all_pairs(sample, dtype) if cutoff is None else _near_pairs(sample, dtype, cutoff)
    inputs = vectors(sample, statistics, dtype) | pairs
    if sample.scalar is not None:
        inputs["scalar"] = (sample.scalar / (statistics.scalar_scale or 1.0)).astype(dtype)
    return inputs if sample.mass is None else inputs | {"mass": sample.mass.astype(dtype)}


def vectors(sample: Sample, statistics: Statistics, dtype: str) -> dict[str, np.ndarray]:
    """`position` and `displacement` of `network_inputs`: what is linear in the positions."""
    displacement = (sample.past / statistics.displacement_scale).astype(dtype)
    return {"position": sample.position[:, -1].astype(dtype), "displacement": displacement}


def tangent(
    inputs: dict[str, np.ndarray], sample: Sample, change: Sample, statistics: Statistics
) -> dict[str, np.ndarray]:
    """How the vectors among `inputs` of a sample move with `change`, its derivative; the pairs stay
    as they are."""
    moved = vectors(change, statistics, "float64")
    if "shift" not in inputs or sample.box is None:
        return moved
    return moved | {"shift": inputs["shift"] @ np.linalg.pinv(sample.box) @ change.box}


def _all_pairs(sample: Sample, dtype: str) -> dict[str, np.ndarray]:
    batch, _, n_points = sample.position.shape[:3]
    adjacency = np.zeros((n_points, n_points), dtype)
    if sample.edges is not None:
        adjacency[sample.edges[0], sample.edges[1]] = 1
    return {"adjacency": np.broadcast_to(adjacency, (batch, n_points, n_points))}


def _near_pairs(sample: Sample, dtype: str, cutoff: float) -> dict[str, np.ndarray]:
    lists = neighbours.neighbour_lists(sample.position[:, -1], cutoff, sample.box)
    bonded = neighbours.bonded(lists, sample.edges, sample.position.shape[2])
    return lists | {"shift": lists["shift"].astype(dtype), "bonded": bonded.astype(dtype)}


def check_output(found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise ValueError unless a model's output has the shape (samples, points, 3) of its input."""
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"the model returned shape {tuple(found)}; expected {tuple(expected)} (samples, points, 3)"
        )


def _base(sample: Sample, statistics: Statistics) -> np.ndarray:
    return extrapolate(
        sample.position[:, -1], sample.past, statistics.residual, statistics.coefficient
    )


def normalised_residual(sample: Sample, statistics: Statistics) -> np.ndarray:
    """What a network is trained to return (B, N, 3), in units of `residual_scale`."""
    return (sample.target - _base(sample, statistics)) / statistics.residual_scale


def prediction(sample: Sample, output: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Predicted positions (B, N, 3), float64, from a network's output (B, N, 3)."""
    return _base(sample, statistics) + statistics.residual_scale * output.astype(np.float64)


@dataclass(frozen=True)
class Shape:
    """What a model needs to know of its task to be built.

    Attributes:
        n_points: N.
        n_displacements: vectors V in `Sample.past`: K - 1, and one more where the task shows
        velocities.
        n_scalars: F.
        statistics: of the training split.
        lag: frames from the newest to the predicted one.
        time_step: between two frames, 1 where the task shows neither velocity nor time.
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
    """What a closed form sees of B samples, in the model's frame and in the data's own units.

    Attributes:
        newest: (B, N, 3), the newest points.
        past: (B, V, N, 3), where they come from: see `Sample.past`.
        scalar: (B, N, F) features that the task shows, or None.
        mass: (B, N), or None where the task does not show it.
        lag: frames from the newest to the predicted one.
        time_step: between two frames, 1 where the task shows neither velocity nor time.
    """

    newest: np.ndarray
    past: np.ndarray
    scalar: np.ndarray | None = None
    mass: np.ndarray | None = None
    lag: int = 1
    time_step: float = 1.0


def view(sample: Sample, lag: int, dtype: str = "float64") -> View:
    """What a closed form sees of a sample in the model's frame; differences are taken before the
    cast to `dtype`."""
    cast = lambda value: None if value is None else value.astype(dtype)  # noqa: E731
    newest, past = cast(sample.position[:, -1]), cast(sample.past)
    return View(newest, past, cast(sample.scalar), cast(sample.mass), lag, sample.step)
