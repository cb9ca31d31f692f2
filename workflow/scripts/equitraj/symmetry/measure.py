"""How far g^-1 f(g x) is from f(x), element by element, and what that costs in the loss."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from equitraj.data.tasks import Sample, joined
from equitraj.symmetry.actions import Element

Predict = Callable[[Sample], np.ndarray]
RESAMPLES = 400
BATCH = 256  # samples that are predicted together: enough to fill a call, little to hold


def displacement_norm(prediction: np.ndarray, sample: Sample) -> np.ndarray:
    """(B,) norm of the predicted displacement, or of the typical true one where less motion than
    that is predicted."""
    predicted = np.linalg.norm(prediction - sample.position[:, -1], axis=(1, 2))
    if sample.target is None:
        typical = np.sqrt(np.mean(predicted**2))
    else:
        typical = np.sqrt(np.mean(np.square(sample.target - sample.position[:, -1]).sum((1, 2))))
    return np.maximum(predicted, typical or 1.0)


@dataclass
class Measurement:
    """Errors over G elements and B samples, one element at a time: nothing larger than a prediction
    is kept.

    Attributes: sample; prediction f(x) (B, N, 3); absolute, output, relative: per element, (B,)
    largest change of a coordinate in the data's units, change relative to the size of the output
    about its centre, and relative to the predicted displacement; magnitude, (B,) sizes of the
    transformed coordinates, which decide their rounding.
    """

    sample: Sample
    prediction: np.ndarray
    absolute: list[np.ndarray] = field(default_factory=list)
    output: list[np.ndarray] = field(default_factory=list)
    relative: list[np.ndarray] = field(default_factory=list)
    magnitude: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        centred = self.prediction - self.prediction.mean(1, keepdims=True)
        self.size = np.maximum(np.linalg.norm(centred, axis=(1, 2)), np.finfo(float).tiny)
        self.norm = displacement_norm(self.prediction, self.sample)
        self.mean, self.scatter = np.zeros_like(self.prediction), np.zeros_like(self.prediction)
        self.loss_sum = 0.0

    def add(self, turned: np.ndarray, magnitude: np.ndarray) -> None:
        """Count one element: g^-1 f(g x) (B, N, 3) and the sizes (B,) of g x."""
        error = turned - self.prediction
        length = np.linalg.norm(error, axis=(1, 2))
        self.absolute.append(np.abs(error).max((1, 2)))
        self.output.append(length / self.size)
        self.relative.append(length / self.norm)
        self.magnitude.append(magnitude)
        before = (
            error - self.mean
        )  # Welford (1962): mean and sum of squared deviations of the error, one at a time
        self.mean = self.mean + before / len(self.relative)
        self.scatter = self.scatter + before * (error - self.mean)
        if self.sample.target is not None:
            self.loss_sum += float(np.mean((turned - self.sample.target) ** 2))

    @property
    def twirled(self) -> np.ndarray:
        """(B, N, 3) mean over the elements of g^-1 f(g x)."""
        return self.prediction + self.mean

    @property
    def variance(self) -> np.ndarray:
        """(B, N, 3) variance over the elements of g^-1 f(g x)."""
        return self.scatter / len(self.relative)

    def loss(self) -> dict[str, float]:
        """The loss on transformed samples, E|g^-1 f(gx) - y|^2, and its two parts |twirled - y|^2 +
        variance.

        The identity holds for any f and any set of elements (Elesedy and Zaidi, ICML 2021, lemma 1,
        for the mean over a whole group); `identity_error` is the relative difference between the
        two sides, computed apart.
        """
        if self.sample.target is None:
            return dict.fromkeys(
                ("loss_total", "loss_twirled", "loss_variance", "loss_percent", "identity_error")
            )
        total = self.loss_sum / len(self.relative)
        twirled = float(np.mean((self.twirled - self.sample.target) ** 2))
        variance = float(np.mean(self.variance))
        return {
            "loss_total": total,
            "loss_twirled": twirled,
            "loss_variance": variance,
            "loss_percent": 100 * variance / (twirled + variance) if variance else 0.0,
            "identity_error": abs(total - twirled - variance) / total if total else 0.0,
        }

    def errors(self, seed: int = 0) -> dict[str, float]:
        """Mean with its 95 % interval, 95th percentile and maximum of the three errors."""
        row = {}
        for name, per_element in (
            ("abs", self.absolute),
            ("out", self.output),
            ("rel", self.relative),
        ):
            values = np.stack(per_element)
            low, high = interval(values, seed)
            row |= {f"{name}_mean": float(values.mean()), f"{name}_low": low, f"{name}_high": high}
            row |= {
                f"{name}_p95": float(np.quantile(values, 0.95)),
                f"{name}_max": float(values.max()),
            }
        return row


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of (G, B), elements and samples resampled independently (Owen,
    2007: the pigeonhole bootstrap)."""
    rng, (n_elements, n_samples) = np.random.default_rng(seed), values.shape
    elements = (
        rng.multinomial(n_elements, np.full(n_elements, 1 / n_elements), RESAMPLES) / n_elements
    )
    samples = rng.multinomial(n_samples, np.full(n_samples, 1 / n_samples), RESAMPLES) / n_samples
    means = np.einsum("rg,gb,rb->r", elements, values, samples, optimize=True)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def measure(
    predict: Predict, sample: Sample, prediction: np.ndarray, elements: list[Element]
) -> Measurement:
    """Compare g^-1 f(gx) with f(x) = `prediction` (B, N, 3) for every element and sample."""
    return measure_by_label(predict, sample, prediction, elements)[""]


def measure_by_label(
    predict: Predict,
    sample: Sample,
    prediction: np.ndarray,
    elements: list[Element],
    batch: int = BATCH,
) -> dict[str, Measurement]:
    """The measurement over all elements under "", and those over the elements of each label.

    `batch` 0 predicts one element at a time, as methods with random draws of their own need to draw
    the same ones.
    """
    found, together = {"": Measurement(sample, prediction)}, max(1, batch // len(sample))
    if sample.edges is not None and any((g.order[:-1] > g.order[1:]).any() for g in elements):
        together = 1  # one list of bonds holds for a whole batch
    for begin in range(0, len(elements), together):
        some = elements[begin : begin + together]
        moved = [g.apply(sample) for g in some]
        predicted = np.split(predict(joined(moved)), len(some))
        for g, one, output in zip(some, moved, predicted, strict=True):
            magnitude = np.linalg.norm(one.position[:, -1], axis=(1, 2)) / g.scale
            for label in {"", g.label}:
                found.setdefault(label, Measurement(sample, prediction)).add(
                    g.undo(output), magnitude
                )
    return found
