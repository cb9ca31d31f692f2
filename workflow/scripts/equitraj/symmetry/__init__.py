"""The symmetry audit: how far g^-1 f(g x) is from f(x) on real samples, for each kind of
transformation.

Errors are Frobenius norms over the points of a sample, relative to the norm of the predicted
displacement f(x) - x_last (or of the typical true one, where less motion than that is predicted),
because a displacement is what a method predicts: relative to the positions every method looks
equivariant. docs/symmetry.md has all definitions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
    "dtype generator samples abs_mean abs_low abs_high abs_p95 abs_max out_mean out_low out_high out_p95 out_max "
    "rel_mean rel_low rel_high rel_p95 rel_max loss_total loss_twirled loss_variance loss_percent identity_error "
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
    """One row per dtype and generator for the predictors `load("float32")` and `load("float64")`.

    `n_elements` maps each dtype to the number of elements per generator, the same first ones in
    both. The rounding of the forward pass is the difference between the dtypes, or `forward(sample,
    prediction)` where it is given.
    """
    predict = {dtype: load(dtype) for dtype in n_elements}
    prediction = {dtype: predict[dtype](sample) for dtype in n_elements}
    rows = []
    for dtype, count in n_elements.items():
        other = prediction[next((d for d in prediction if d != dtype), dtype)]
        given = forward and forward(sample, prediction[dtype])
        noise = given or forward_noise(other, sample, prediction[dtype], dtype)
        rows += Subject(predict[dtype], sample, prediction[dtype], claims, dtype, noise).rows(
            count, seed, lag, generators
        )
    return rows


@dataclass(frozen=True)
class Subject:
    """What is audited in one precision.

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
        """A row per generator, and per label of its elements."""
        n_points, size = self.sample.position.shape[2], extent(self.sample.position[:, -1])
        # a method that draws its frames gets each element by itself, so that it draws the same ones
        # for all of them
        batch = 0 if "in expectation" in self.claims.values() else BATCH
        for generator in (g for g in GENERATORS if g in generators):
            rng = np.random.default_rng([seed, EVERY.index(generator)])
            elements = draw(generator, count, n_points, size, rng)
            found = measure_by_label(self.predict, self.sample, self.prediction, elements, batch)
            for label, measurement in found.items():
                yield self.row(label or generator, measurement, measurement.loss(), elements)
        if "time_reversal" in generators:
            yield self.reversal_row(lag)

    def reversal_row(self, lag: int) -> dict:
        """The row of time reversal; no group acts, so that there is nothing to average over."""
        if (found := time_reversal(self.predict, self.sample, self.prediction, lag)) is not None:
            return self.row("time_reversal", found, {}, [])
        nothing = {"dtype": self.dtype, "generator": "time_reversal", "samples": 0, "claim": "no"}
        return dict.fromkeys(COLUMNS) | nothing | {"verdict": "not applicable", "agrees": "yes"}

    def row(self, generator: str, found: Measurement, loss: dict, elements: list[Element]) -> dict:
        """One row of the table."""
        claim, errors = claim_of(generator, self.claims), found.errors()
        floor = noise_floor(self.forward, found.norm, np.stack(found.magnitude), self.dtype)
        result = verdict(errors["rel_mean"], floor)
        holds = agrees(
            claim, result, lambda: expectation_holds(self.predict, self.sample, elements)
        )
        row = dict.fromkeys(COLUMNS) | {
            "dtype": self.dtype,
            "generator": generator,
            "samples": np.size(found.relative),
        }
        row |= errors | loss | {"noise_floor": floor, "verdict": result, "claim": claim}
        return row | {"agrees": "yes" if holds else "no"}
