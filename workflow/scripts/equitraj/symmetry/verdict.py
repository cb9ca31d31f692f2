"""The verdict on a measured error (exact, approximate or broken) from the noise floor."""

from collections.abc import Callable

import numpy as np

from equitraj.base.claims import BROKEN, EXACT_FACTOR, LEVELS, completed
from equitraj.data.tasks import Sample
from equitraj.symmetry.actions import GENERATORS, Element
from equitraj.symmetry.measure import TINY, displacement_norm, frobenius

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
SIGMA = 4.0  # a difference of means above this many standard errors is not chance
DrawingPredict = Callable[..., np.ndarray]  # (sample, draw=...) -> (B, N, 3)


def forward_noise(other: np.ndarray, sample: Sample, prediction: np.ndarray, dtype: str) -> float:
    """Return the rounding of the forward pass, relative to the motion, mean over samples.

    It is the difference to `other`, the prediction of the same weights in the other precision. For
    float64 it is scaled by the ratio of the machine epsilons.
    """
    ratio = 1.0
    if dtype != "float32":
        ratio = EPSILON["float64"] / EPSILON["float32"]
    difference = frobenius(prediction - other)
    norm = displacement_norm(prediction, sample)
    relative = ratio * difference / norm
    return float(relative.mean())


def noise_floor(forward: float, norm: np.ndarray, magnitude: np.ndarray, dtype: str) -> float:
    """Return the relative error that rounding alone makes: the largest of three numbers.

    The first is `forward`, the rounding of the forward pass. The second is the rounding of the
    transformed input and of the output to float64, one last digit of every coordinate: `magnitude`
    (G, B) or (B,), the size of the coordinates, over `norm` (B,), the motion. The third is one last
    digit of the predicted displacement in `dtype`: data that are exact in it by chance lose that
    digit when they are rotated. None of them depends on the method's response to a small change of
    its input: otherwise the flips of a reference frame would count as noise.
    """
    rounding = EPSILON["float64"] * np.mean(magnitude / norm)
    largest = max(forward, rounding, EPSILON[dtype])
    return float(largest)


def verdict(relative_mean: float, floor: float) -> str:
    """Return `exact` up to ten noise floors, `broken` from 1 % of the motion, or `approximate`."""
    if not np.isfinite(relative_mean):
        return "broken"
    if relative_mean <= EXACT_FACTOR * floor:
        return "exact"
    return "broken" if relative_mean >= BROKEN else "approximate"


def claim_of(generator: str, claims: dict[str, str]) -> str:
    """Return a method's claim for a generator: the weakest of the symmetries that it combines.

    It is "no" for a generator that is only reported.
    """
    levels = completed(claims)
    is_translation = generator.startswith("translation")  # translation_10 has a magnitude
    name = "translation" if is_translation else generator
    known = GENERATORS.get(name)
    if known is None or not known.claims:
        return "no"
    combined = [levels[claim] for claim in known.claims]
    return min(combined, key=LEVELS.index)


def expectation_holds(predict: DrawingPredict, sample: Sample, elements: list[Element]) -> bool:
    """Return whether E g^-1 f(g x) = E f(x) over the draws of `predict(sample, draw=...)`.

    The test uses as many draws as elements. Per sample |m_g - m|^2 over its expected value (v_g +
    v) / (G - 1) is 1 on average where the means are equal. Equality is rejected if the mean over
    the samples exceeds 1 by more than four of its standard errors.
    """
    count = len(elements)
    undone = []
    for i, g in enumerate(elements):
        prediction = predict(g.apply(sample), draw=i)
        undone.append(g.undo(prediction))
    turned = np.stack(undone)
    plain = np.stack([predict(sample, draw=count + i) for i in range(count)])
    variance = turned.var(0) + plain.var(0)
    spread = variance.sum((1, 2))
    freedom = max(count - 1, 1)
    expected = np.maximum(spread / freedom, TINY)
    difference = turned.mean(0) - plain.mean(0)
    ratio = np.square(difference).sum((1, 2)) / expected
    limit = 1 + SIGMA * ratio.std() / np.sqrt(len(ratio))
    return bool(ratio.mean() <= limit)


def agrees(claim: str, result: str, expectation: Callable[[], bool]) -> bool:
    """Return whether a claim holds.

    The verdict decides an exact claim, and a test decides a claim in expectation. Other claims
    cannot fail.
    """
    if claim == "exact":
        return result == "exact"
    if claim != "in expectation" or result == "exact":
        return True
    return expectation()
