"""What a network sees and predicts: displacements in, a normalised residual to a simple extrapolation out."""

from dataclasses import dataclass

import numpy as np

from equitraj.data.tasks import Sample


@dataclass(frozen=True)
class Statistics:
    """Scales of the training split, in the coordinates of the model's frame and in the data's own units.

    Attributes:
        residual: "none", "last", "velocity" or "autoregression", what the network's output is added to.
        coefficient: (K - 1,) weights of the past displacements in that extrapolation, oldest first.
        residual_scale: root mean square of the residual, per coordinate.
        displacement_scale: root mean square of the displacements between frames, per coordinate.
        position_mean: (3,) mean position; position_scale: root mean square about it, per coordinate.
        extent: root mean square distance of the points from the mean of their frame.
    """

    residual: str
    coefficient: tuple[float, ...]
    residual_scale: float
    displacement_scale: float
    position_mean: tuple[float, float, float]
    position_scale: float
    extent: float

    @classmethod
    def from_json(cls, record: dict) -> "Statistics":
        """Statistics from a record written by `dataclasses.asdict`, its lists made tuples again."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in record.items()})


def extrapolate(position: np.ndarray, residual: str, coefficient: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """The simple prediction (B, N, 3) from positions (B, K, N, 3): zero, or newest frame plus displacements."""
    if residual == "none":
        return np.zeros_like(position[:, -1])
    return position[:, -1] + np.einsum("k,bknc->bnc", np.asarray(coefficient), np.diff(position, axis=1))


def extrapolation_weights(position: np.ndarray, target: np.ndarray, residual: str, lag: int) -> np.ndarray:
    """Weights (K - 1,) of the displacements: zero, constant velocity, or fitted by least squares."""
    n_displacements = position.shape[1] - 1
    if residual in ("none", "last") or n_displacements == 0:
        return np.zeros(n_displacements)
    if residual == "velocity":
        return lag * np.eye(n_displacements)[-1]
    past = np.moveaxis(np.diff(position, axis=1), 1, -1).reshape(-1, n_displacements)
    return np.linalg.lstsq(past, (target - position[:, -1]).reshape(-1), rcond=None)[0]


def measure(position: np.ndarray, target: np.ndarray, residual: str, lag: int) -> Statistics:
    """Statistics of training samples: position (B, K, N, 3) and target (B, N, 3) in the model's frame."""
    if residual == "auto":
        residual = "velocity" if position.shape[1] > 1 else "last"
    coefficient = extrapolation_weights(position, target, residual, lag)
    mean = position[:, -1].mean((0, 1))
    displacement = np.diff(position, axis=1)
    return Statistics(
        residual=residual,
        coefficient=tuple(coefficient.tolist()),
        residual_scale=_scale(target - extrapolate(position, residual, coefficient)),
        displacement_scale=_scale(displacement) if displacement.size else 1.0,
        position_mean=tuple(mean.tolist()),
        position_scale=_scale(position[:, -1] - mean),
        extent=_scale(position[:, -1] - position[:, -1].mean(1, keepdims=True)) * 3**0.5,
    )


def _scale(value: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(value)))) or 1.0


def network_inputs(sample: Sample, statistics: Statistics, dtype: str) -> dict[str, np.ndarray]:
    """Arrays for a network, from a sample whose positions are in the network's frame.

    Returns `position` (B, N, 3), the newest frame in the data's units; `displacement` (B, K - 1, N, 3) in units of
    `displacement_scale`, newest last; `adjacency` (B, N, N), 1 where two points are bonded; `scalar` (B, N, F) where
    the points have features. Differences are taken in float64, before the cast to `dtype`: in float32 a displacement
    a thousand times smaller than the coordinates would keep four digits.
    """
    batch, _, n_points = sample.position.shape[:3]
    adjacency = np.zeros((n_points, n_points), dtype)
    if sample.edges is not None:
        adjacency[sample.edges[0], sample.edges[1]] = 1
    inputs = {
        "position": sample.position[:, -1].astype(dtype),
        "displacement": (np.diff(sample.position, axis=1) / statistics.displacement_scale).astype(dtype),
        "adjacency": np.broadcast_to(adjacency, (batch, n_points, n_points)),
    }
    return inputs if sample.scalar is None else inputs | {"scalar": sample.scalar.astype(dtype)}


def check_output(found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise ValueError unless a model's output has the shape (samples, points, 3) of its input."""
    if tuple(found) != tuple(expected):
        raise ValueError(f"the model returned shape {tuple(found)}; expected {tuple(expected)} (samples, points, 3)")


def normalised_residual(position: np.ndarray, target: np.ndarray, statistics: Statistics) -> np.ndarray:
    """What a network is trained to return (B, N, 3), in units of `residual_scale`."""
    return (target - extrapolate(position, statistics.residual, statistics.coefficient)) / statistics.residual_scale


def prediction(position: np.ndarray, output: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Predicted positions (B, N, 3), float64, from a network's output (B, N, 3)."""
    base = extrapolate(position, statistics.residual, statistics.coefficient)
    return base + statistics.residual_scale * output.astype(np.float64)


@dataclass(frozen=True)
class Shape:
    """What a model needs to know of its task to be built.

    Attributes: n_points N; n_displacements K - 1; n_scalars F; statistics of the training split."""

    n_points: int
    n_displacements: int
    n_scalars: int
    statistics: Statistics
