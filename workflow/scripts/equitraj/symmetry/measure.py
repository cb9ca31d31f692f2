"""The distance of g^-1 f(g x) from f(x), element by element, and its cost in the loss."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from equitraj.data.tasks import Sample, joined
from equitraj.symmetry.actions import Element

Predict = Callable[[Sample], np.ndarray]
RESAMPLES = 400
TINY = np.finfo(float).tiny
BATCH = 256  # samples that are predicted together: enough to fill a call, few enough to store
LOSS = ("loss_total", "loss_twirled", "loss_variance", "loss_percent", "identity_error")


def frobenius(value: np.ndarray) -> np.ndarray:
    """Return the Frobenius norms (B,) of arrays (B, N, 3)."""
    return np.linalg.norm(value, axis=(1, 2))


def displacement_norm(prediction: np.ndarray, sample: Sample) -> np.ndarray:
    """Return the norm (B,) of the predicted displacement, at least the typical true norm."""
    newest = sample.newest
    predicted = frobenius(prediction - newest)
    if sample.target is None:
        mean_square = np.mean(predicted**2)
    else:
        displacement = sample.target - newest
        squared = np.square(displacement).sum((1, 2))
        mean_square = np.mean(squared)
    typical = np.sqrt(mean_square)
    return np.maximum(predicted, typical or 1.0)


@dataclass
class Measurement:
    """Errors over G elements and B samples, added one element at a time.

    No stored array is larger than a prediction.

    Attributes: sample; prediction f(x) (B, N, 3); absolute, output, relative: per element, (B,)
    largest change of a coordinate in the data's units, change relative to the size of the output
    about its centre, and change relative to the predicted displacement; magnitude: per element,
    (B,) sizes of the transformed coordinates, which determine their rounding.
    """

    sample: Sample
    prediction: np.ndarray
    absolute: list[np.ndarray] = field(default_factory=list)
    output: list[np.ndarray] = field(default_factory=list)
    relative: list[np.ndarray] = field(default_factory=list)
    magnitude: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        prediction = self.prediction
        centre = prediction.mean(1, keepdims=True)
        size = frobenius(prediction - centre)
        self.size = np.maximum(size, TINY)
        self.norm = displacement_norm(prediction, self.sample)
        zero = np.zeros_like(prediction)
        self.mean = zero
        self.scatter = zero
        self.loss_sum = 0.0

    def add(self, turned: np.ndarray, magnitude: np.ndarray) -> None:
        """Add one element: g^-1 f(g x) (B, N, 3) and the sizes (B,) of g x."""
        error = turned - self.prediction
        length = frobenius(error)
        largest = np.abs(error).max((1, 2))
        self.absolute.append(largest)
        self.output.append(length / self.size)
        self.relative.append(length / self.norm)
        self.magnitude.append(magnitude)
        # Welford (1962): running mean and sum of squared deviations of the error
        before = error - self.mean
        self.mean = self.mean + before / len(self.relative)
        self.scatter = self.scatter + before * (error - self.mean)
        if self.sample.target is not None:
            loss = np.mean((turned - self.sample.target) ** 2)
            self.loss_sum += float(loss)

    @property
    def twirled(self) -> np.ndarray:
        """Mean (B, N, 3) over the elements of g^-1 f(g x)."""
        return self.prediction + self.mean

    @property
    def variance(self) -> np.ndarray:
        """Variance (B, N, 3) over the elements of g^-1 f(g x)."""
        count = len(self.relative)
        return self.scatter / count

    def loss(self) -> dict[str, float] | dict[str, None]:
        """Return the loss E|g^-1 f(gx) - y|^2 and its two parts |twirled - y|^2 + variance.

        The identity holds for any f and any set of elements (Elesedy and Zaidi, ICML 2021, lemma 1,
        for the mean over a whole group). `identity_error` is the relative difference between the
        two sides, which are computed separately.
        """
        if self.sample.target is None:
            return dict.fromkeys(LOSS)
        total = self.loss_sum / len(self.relative)
        twirled_error = self.twirled - self.sample.target
        twirled = float(np.mean(twirled_error**2))
        variance = float(np.mean(self.variance))
        percent = 100 * variance / (twirled + variance) if variance else 0.0
        identity_error = abs(total - twirled - variance) / total if total else 0.0
        values = (total, twirled, variance, percent, identity_error)
        return dict(zip(LOSS, values, strict=True))

    def errors(self, seed: int = 0) -> dict[str, float]:
        """Return mean, 95 % interval, 95th percentile and maximum of the three errors."""
        kinds = {"abs": self.absolute, "out": self.output, "rel": self.relative}
        row: dict[str, float] = {}
        for kind, per_element in kinds.items():
            values = np.stack(per_element)
            low, high = interval(values, seed)
            statistics = {
                "mean": float(values.mean()),
                "low": low,
                "high": high,
                "p95": float(np.quantile(values, 0.95)),
                "max": float(values.max()),
            }
            row |= {f"{kind}_{name}": value for name, value in statistics.items()}
        return row


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean of values (G, B).

    Elements and samples are resampled independently (Owen, 2007: the pigeonhole bootstrap).
    """
    rng = np.random.default_rng(seed)
    elements, samples = [_resampled(count, rng) for count in values.shape]
    means = np.einsum("rg,gb,rb->r", elements, values, samples, optimize=True)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _resampled(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw bootstrap weights (RESAMPLES, count) whose rows sum to 1."""
    share = 1 / count
    even = np.full(count, share)
    chosen = rng.multinomial(count, even, RESAMPLES)
    return chosen / count


def measure(
    predict: Predict, sample: Sample, prediction: np.ndarray, elements: list[Element]
) -> Measurement:
    """Compare g^-1 f(gx) with f(x) = `prediction` (B, N, 3) for every element and sample."""
    by_label = measure_by_label(predict, sample, prediction, elements)
    return by_label[""]


def measure_by_label(
    predict: Predict,
    sample: Sample,
    prediction: np.ndarray,
    elements: list[Element],
    batch: int = BATCH,
) -> dict[str, Measurement]:
    """Return the measurement over all elements under "", and one over the elements of each label.

    `batch` 0 predicts one element at a time: a method with random draws of its own then gets the
    same draws for every element.
    """
    by_label = {"": Measurement(sample, prediction)}
    together = max(1, batch // len(sample))
    if sample.edges is not None and any(_permutes(g) for g in elements):
        together = 1  # a batch has one list of bonds for all its samples
    for begin in range(0, len(elements), together):
        some = elements[begin : begin + together]
        moved = [g.apply(sample) for g in some]
        predicted = predict(joined(moved))
        outputs = np.split(predicted, len(some))
        for g, one, output in zip(some, moved, outputs, strict=True):
            size = frobenius(one.newest)
            for label in {"", g.label}:
                measurement = by_label.setdefault(label, Measurement(sample, prediction))
                measurement.add(g.undo(output), size / g.scale)
    return by_label


def _permutes(element: Element) -> bool:
    steps = np.diff(element.order)
    falls = steps < 0
    return bool(falls.any())
