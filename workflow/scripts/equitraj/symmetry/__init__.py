"""The symmetry audit: the distance of g^-1 f(g x) from f(x) on real samples, by transformation.

An error is a Frobenius norm over the points of a sample. It is relative to the norm of the
predicted displacement f(x) - x_last, because a method predicts a displacement: relative to the
positions, every method looks equivariant. Where the predicted motion is smaller than the typical
true one, the error is relative to the latter. docs/symmetry.md has all definitions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from equitraj.data.tasks import Sample
from equitraj.frames.axes import extent
from equitraj.symmetry.actions import GENERATORS, Element, draw
from equitraj.symmetry.measure import (
    BATCH,
    Measurement,
    Predict,
    displacement_norm,
    measure,
    measure_by_label,
)
from equitraj.symmetry.reversal import time_reversal
from equitraj.symmetry.verdict import (
    agrees,
    claim_of,
    expectation_holds,
    forward_noise,
    noise_floor,
    verdict,
)

__all__ = [
    "COLUMNS",
    "EVERY",
    "Element",
    "Measurement",
    "Predict",
    "audit",
    "displacement_norm",
    "draw",
    "extent",
    "measure",
    "verdict",
]

EVERY = (*GENERATORS, "time_reversal")
COLUMNS = (
    "dtype generator samples abs_mean abs_low abs_high abs_p95 abs_max "
    "out_mean out_low out_high out_p95 out_max rel_mean rel_low rel_high rel_p95 rel_max "
    "loss_total loss_twirled loss_variance loss_percent identity_error "
    "noise_floor verdict claim agrees"
).split()


def audit(
    load: Callable[[str], Predict],
    sample: Sample,
    claims: dict[str, str],
    n_elements: dict[str, int],
    seed: int = 0,
    lag: int = 1,
    forward: Callable[[Sample, np.ndarray], float] | None = None,
    generators: tuple[str, ...] = EVERY,
) -> list[dict]:
    """Return a row per dtype and generator for the predictors `load("float32")`, `load("float64")`.

    `n_elements` maps each dtype to the number of elements per generator; both dtypes share the
    first ones. The rounding of the forward pass is the difference between the dtypes, or
    `forward(sample, prediction)` where it is given.
    """
    predict = {dtype: load(dtype) for dtype in n_elements}
    predictions = {dtype: predict[dtype](sample) for dtype in n_elements}
    rows: list[dict] = []
    for dtype, count in n_elements.items():
        prediction = predictions[dtype]
        noise = forward(sample, prediction) if forward else 0.0
        if not noise:
            other_dtype = next((d for d in predictions if d != dtype), dtype)
            noise = forward_noise(predictions[other_dtype], sample, prediction, dtype)
        subject = Subject(predict[dtype], sample, prediction, claims, dtype, noise)
        rows += subject.rows(count, seed, lag, generators)
    return rows


@dataclass(frozen=True)
class Subject:
    """A predictor in one precision, with the samples that it is audited on.

    Attributes: predict; sample; prediction f(x) (B, N, 3); claims; dtype; forward, the rounding of
    the forward pass.
    """

    predict: Predict
    sample: Sample
    prediction: np.ndarray
    claims: dict[str, str]
    dtype: str
    forward: float

    def rows(self, count: int, seed: int, lag: int, generators: tuple[str, ...]) -> Iterator[dict]:
        """Yield a row per generator, and a row per label of its elements."""
        newest = self.sample.newest
        n_points = newest.shape[1]
        size = extent(newest)
        # a method that draws reference frames predicts one element at a time: all elements then get
        # the same draws
        levels = self.claims.values()
        draws_frames = "in expectation" in levels
        batch = 0 if draws_frames else BATCH
        for generator in GENERATORS:
            if generator not in generators:
                continue
            rng = np.random.default_rng([seed, EVERY.index(generator)])
            elements = draw(generator, count, n_points, size, rng)
            by_label = measure_by_label(self.predict, self.sample, self.prediction, elements, batch)
            for label, measurement in by_label.items():
                name = label or generator
                loss = measurement.loss()
                yield self.row(name, measurement, loss, elements)
        if "time_reversal" in generators:
            yield self.reversal_row(lag)

    def reversal_row(self, lag: int) -> dict:
        """Return the row of time reversal. No group acts, so there is nothing to average over."""
        generator = "time_reversal"
        measurement = time_reversal(self.predict, self.sample, self.prediction, lag)
        if measurement is not None:
            return self.row(generator, measurement, {}, [])
        return dict.fromkeys(COLUMNS) | {
            "dtype": self.dtype,
            "generator": generator,
            "samples": 0,
            "verdict": "not applicable",
            "claim": "no",
            "agrees": "yes",
        }

    def row(
        self, generator: str, measurement: Measurement, loss: dict, elements: list[Element]
    ) -> dict:
        """Return one row of the table."""
        claim = claim_of(generator, self.claims)
        errors = measurement.errors()
        magnitude = np.stack(measurement.magnitude)
        floor = noise_floor(self.forward, measurement.norm, magnitude, self.dtype)
        result = verdict(errors["rel_mean"], floor)
        expectation = partial(expectation_holds, self.predict, self.sample, elements)
        holds = agrees(claim, result, expectation)
        row = dict.fromkeys(COLUMNS) | errors | loss
        return row | {
            "dtype": self.dtype,
            "generator": generator,
            "samples": np.size(measurement.relative),
            "noise_floor": floor,
            "verdict": result,
            "claim": claim,
            "agrees": "yes" if holds else "no",
        }
