"""The verdict on a measured error: exact, approximate or broken, by the noise floor and a stated
rule."""

from collections.abc import Callable

import numpy as np

from equitraj.base.claims import BROKEN, EXACT_FACTOR, LEVELS, completed
from equitraj.data.tasks import Sample
from equitraj.symmetry.actions import GENERATORS, Element
from equitraj.symmetry.measure import Predict, displacement_norm

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
SIGMA = 4.0  # standard errors beyond which an expectation is not met by chance


def forward_noise(other: np.ndarray, sample: Sample, prediction: np.ndarray, dtype: str) -> float:
    """Rounding of the forward pass, relative to the motion, mean over samples: the difference to
    `other`, the same weights in the other precision, scaled by the ratio of the machine epsilons
    for float64."""
    ratio = 1.0 if dtype == "float32" else EPSILON["float64"] / EPSILON["float32"]
    difference = np.linalg.norm(prediction - other, axis=(1, 2))
    return float(np.mean(ratio * difference / displacement_norm(prediction, sample)))


def noise_floor(forward: float, norm: np.ndarray, magnitude: np.ndarray, dtype: str) -> float:
    """Relative error that rounding alone makes: the largest of three numbers.

    One is `forward`, the rounding of the forward pass. The second is the rounding of the
    transformed input and of the output to float64, one last digit of every coordinate: `magnitude`
    (G, B) or (B,), the size of the coordinates, over `norm` (B,), the motion. The third is one last
    digit of the predicted displacement in `dtype`: data that happen to be exact in it lose that
    digit when they are turned. None asks the method how it answers to a small change of its input:
    a frame that flips would call its own flips noise.
    """
    rounding = EPSILON["float64"] * np.mean(magnitude / norm)
    return float(max(forward, rounding, EPSILON[dtype]))


def verdict(relative_mean: float, floor: float) -> str:
    """`exact` within ten noise floors, `broken` from a hundredth of the predicted motion on,
    `approximate` between."""
    if not np.isfinite(relative_mean):
        return "broken"
    if relative_mean <= EXACT_FACTOR * floor:
        return "exact"
    return "broken" if relative_mean >= BROKEN else "approximate"


def claim_of(generator: str, claims: dict[str, str]) -> str:
    """What a method claims for a generator: the weakest of the symmetries it is made of; "no" for
    what is reported."""
    known = GENERATORS.get(
        generator.split("_")[0] if generator.startswith("translation") else generator
    )
    claims = completed(claims)
    return (
        min((claims[c] for c in known.claims), key=LEVELS.index) if known and known.claims else "no"
    )


def expectation_holds(predict: Predict, sample: Sample, elements: list[Element]) -> bool:
    """Whether E g^-1 f(g x) = E f(x) over the method's own random draws, `predict(sample,
    draw=...)`, as far as as many draws as elements can tell.

    Per sample |m_g - m|^2 over its expected value (v_g + v) / (G - 1) is 1 on average where the
    means are equal; it is rejected beyond four standard errors of its mean over the samples.
    """
    count = len(elements)
    turned = np.stack([g.undo(predict(g.apply(sample), draw=i)) for i, g in enumerate(elements)])
    plain = np.stack([predict(sample, draw=count + i) for i in range(count)])
    spread = (turned.var(0) + plain.var(0)).sum((1, 2))
    expected = np.maximum(spread / max(count - 1, 1), np.finfo(float).tiny)
    ratio = np.square(turned.mean(0) - plain.mean(0)).sum((1, 2)) / expected
    return bool(ratio.mean() <= 1 + SIGMA * ratio.std() / np.sqrt(len(ratio)))


def agrees(claim: str, result: str, expectation: Callable[[], bool]) -> bool:
    """Whether a claim holds: an exact one by the verdict, one in expectation by its test; others
    cannot fail."""
    if claim == "exact":
        return result == "exact"
    return claim != "in expectation" or result == "exact" or expectation()
