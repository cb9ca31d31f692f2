"""The symmetry audit: how far g^-1 f(g x) is from f(x) on real samples, for each kind of transformation.

The group acts on world coordinates: g x = A x + t for every point and frame alike (A orthogonal, t one vector for the
whole sample: a *rigid* translation), or by renaming the points together with their features and bonds. Errors are
Frobenius norms over the points of a sample, relative to the norm of the predicted displacement f(x) - x_last (or of the
typical true one, where less motion than that is predicted), because a displacement is what a method predicts: relative
to the positions every method looks equivariant.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.tasks import Sample

Predict = Callable[[Sample], np.ndarray]
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
EXACT_FACTOR = 10.0  # an error within this many noise floors is rounding
BROKEN = 1e-2  # an error of a hundredth of the predicted motion is visible in a picture


@dataclass(frozen=True)
class Element:
    """Attributes: matrix (3, 3), orthogonal; shift (3,); order (N,): place i of the new sample holds point order[i]."""

    matrix: np.ndarray
    shift: np.ndarray
    order: np.ndarray

    def apply(self, sample: Sample) -> Sample:
        """g x: positions, velocities, features and bonds of a sample transformed together."""

        def place(value: np.ndarray | None, move: bool) -> np.ndarray | None:
            if value is None:
                return None
            value = value[..., self.order, :]
            return value @ self.matrix.T + self.shift if move else value

        target = None if sample.target is None else place(sample.target, True)
        velocity = None if sample.velocity is None else place(sample.velocity, False) @ self.matrix.T
        edges = None if sample.edges is None else np.argsort(self.order)[sample.edges]
        return replace(
            sample,
            position=place(sample.position, True),
            target=target,
            velocity=velocity,
            scalar=place(sample.scalar, False),
            edges=edges,
        )

    def undo(self, prediction: np.ndarray) -> np.ndarray:
        """g^-1 y for predicted positions (B, N, 3)."""
        return ((prediction - self.shift) @ self.matrix)[:, np.argsort(self.order)]


def rotation(rng: np.random.Generator, n_points: int, extent: float) -> Element:
    """A Haar-random rotation about the origin."""
    return Element(Rotation.random(rng=rng).as_matrix(), np.zeros(3), np.arange(n_points))


def reflection(rng: np.random.Generator, n_points: int, extent: float) -> Element:
    """A Haar-random improper rotation: a Haar-random rotation and the inversion."""
    return Element(-Rotation.random(rng=rng).as_matrix(), np.zeros(3), np.arange(n_points))


def translation(rng: np.random.Generator, n_points: int, extent: float) -> Element:
    """A shift in a random direction, of a tenth to ten times the points' extent, evenly in the logarithm."""
    direction = rng.normal(size=3)
    length = extent * 10 ** rng.uniform(-1, 1)
    return Element(np.eye(3), length * direction / np.linalg.norm(direction), np.arange(n_points))


def permutation(rng: np.random.Generator, n_points: int, extent: float) -> Element:
    """A random renaming of the points."""
    return Element(np.eye(3), np.zeros(3), rng.permutation(n_points))


ACTIONS = {"rotation": rotation, "reflection": reflection, "translation": translation, "permutation": permutation}


@dataclass(frozen=True)
class Measurement:
    """Attributes: absolute, largest |g^-1 f(gx) - f(x)| of a coordinate, in the data's units; relative (G, B), to the
    predicted displacement; loss_percent, the share of the loss over the group that is scatter over the group:
    E|g^-1 f(gx) - y|^2 = |mean - y|^2 + variance, 100 * variance / left side."""

    absolute: float
    relative: np.ndarray
    loss_percent: float


def displacement_norm(prediction: np.ndarray, sample: Sample) -> np.ndarray:
    """(B,) norm of the predicted displacement, or of the typical true one where less motion than that is predicted."""
    typical = np.sqrt(np.mean(np.square(sample.target - sample.position[:, -1]).sum((1, 2))))
    return np.maximum(np.linalg.norm(prediction - sample.position[:, -1], axis=(1, 2)), typical or 1.0)


def measure(predict: Predict, sample: Sample, prediction: np.ndarray, elements: list[Element]) -> Measurement:
    """Compare g^-1 f(gx) with f(x) = `prediction` (B, N, 3) for every element and sample."""
    turned = np.stack([g.undo(predict(g.apply(sample))) for g in elements])
    error = turned - prediction
    norm = displacement_norm(prediction, sample)
    loss = np.mean((turned - sample.target) ** 2)
    variance = np.mean((turned - turned.mean(0)) ** 2)
    return Measurement(
        absolute=float(np.abs(error).max()),
        relative=np.linalg.norm(error, axis=(2, 3)) / norm,
        loss_percent=float(100 * variance / loss) if loss > 0 else 0.0,
    )


def noise_floor(other: np.ndarray, sample: Sample, prediction: np.ndarray, dtype: str) -> float:
    """Relative error that rounding alone makes, mean over samples: the largest of three numbers.

    One is the difference to `other`, the same weights in the other precision: the rounding of the forward pass in
    float32, scaled by the ratio of the machine epsilons for float64. The second is the rounding of the transformed
    input and of the output to float64, one last digit of every coordinate. The third is one last digit of the predicted
    displacement in `dtype`: data that happen to be exact in it lose that digit when they are turned. None asks the
    method how it answers to a small change of its input: a frame that flips would call its own flips noise.
    """
    norm = displacement_norm(prediction, sample)
    ratio = 1.0 if dtype == "float32" else EPSILON["float64"] / EPSILON["float32"]
    forward = ratio * np.linalg.norm(prediction - other, axis=(1, 2)) / norm
    rounding = EPSILON["float64"] * np.linalg.norm(sample.position[:, -1], axis=(1, 2)) / norm
    return float(max(forward.mean(), rounding.mean(), EPSILON[dtype]))


def verdict(relative_mean: float, floor: float) -> str:
    """`exact` within ten noise floors, `broken` from a hundredth of the predicted motion on, `approximate` between."""
    if not np.isfinite(relative_mean):
        return "broken"
    if relative_mean <= EXACT_FACTOR * floor:
        return "exact"
    return "broken" if relative_mean >= BROKEN else "approximate"


def audit(
    load: Callable[[str], Predict], sample: Sample, claims: dict[str, bool], n_elements: int, seed: int
) -> list[dict]:
    """One row per dtype and generator for the predictors `load("float32")` and `load("float64")`."""
    predict = {dtype: load(dtype) for dtype in EPSILON}
    prediction = {dtype: predict[dtype](sample) for dtype in EPSILON}
    n_points = sample.position.shape[2]
    centred = sample.position[:, -1] - sample.position[:, -1].mean(1, keepdims=True)
    extent = float(np.sqrt(np.mean((centred**2).sum(-1))))
    rows = []
    for dtype, other in (("float32", "float64"), ("float64", "float32")):
        rng = np.random.default_rng(seed)
        floor = noise_floor(prediction[other], sample, prediction[dtype], dtype)
        for generator, action in ACTIONS.items():
            elements = [action(rng, n_points, extent) for _ in range(n_elements)]
            m = measure(predict[dtype], sample, prediction[dtype], elements)
            result = verdict(mean := float(m.relative.mean()), floor)
            row = {"dtype": dtype, "generator": generator, "samples": m.relative.size, "abs_max": m.absolute}
            row |= {
                "rel_mean": mean,
                "rel_p95": float(np.quantile(m.relative, 0.95)),
                "rel_max": float(m.relative.max()),
            }
            row |= {"loss_percent": m.loss_percent, "noise_floor": floor, "verdict": result}
            row |= {"claim": "yes" if claims[generator] else "no"}
            rows.append(row | {"agrees": "no" if claims[generator] and result != "exact" else "yes"})
    return rows
