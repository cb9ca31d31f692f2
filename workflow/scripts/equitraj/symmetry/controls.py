"""Controls of the audit: what must fail and what must pass on the very samples that a method is
audited on.

A measuring instrument is read only after it has shown both answers. Everything here is in NumPy, so
that no framework stands between a control and its expectation.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.claims import is_as_expected
from equitraj.data.tasks import Sample, spread
from equitraj.frames.axes import extent
from equitraj.symmetry.actions import Element, draw
from equitraj.symmetry.measure import Predict, measure
from equitraj.symmetry.verdict import noise_floor, verdict

N_ELEMENTS = 8
N_SAMPLES = 16
OCTAHEDRAL = Rotation.create_group("O").as_matrix()  # the 24 proper rotations of the cube


@dataclass(frozen=True)
class Control:
    """Attributes: name; generator, as in the audit's table; predict; elements; expected verdict, or
    "not exact"."""

    name: str
    generator: str
    predict: Predict
    elements: list[Element]
    expected: str


@dataclass(frozen=True)
class Transposed(Element):
    """A rotation undone by itself in place of its transpose: the commonest mistake in testing
    equivariance."""

    def undo(self, prediction: np.ndarray) -> np.ndarray:
        """R y in place of R^T y."""
        return prediction @ self.matrix.T


def springs(sample: Sample, step: float) -> np.ndarray:
    """Every pair of points attracts: equivariant under E(3) and permutations by construction.

    A pair's displacement grows with the cube of its distance, so that the whole is not linear in
    the positions.
    """
    position = sample.position[:, -1]
    apart = position[:, None] - position[:, :, None]
    force = (np.square(apart).sum(-1, keepdims=True) * apart).sum(2)
    return position + step * force / _rms(force)


def perceptron(centre: np.ndarray, size: float, step: float, rng: np.random.Generator) -> Predict:
    """A random two-layer perceptron on all coordinates about a fixed centre (N, 3), which knows of
    no symmetry."""
    n_points = len(centre)
    first = rng.normal(size=(3 * n_points, 32)) / (size * np.sqrt(3 * n_points))
    bias, second = rng.normal(size=32), rng.normal(size=(32, 3 * n_points)) / np.sqrt(32)

    def predict(sample: Sample) -> np.ndarray:
        position = sample.position[:, -1]
        hidden = np.tanh((position - centre).reshape(len(position), -1) @ first + bias)
        return position + step * (hidden @ second).reshape(position.shape)

    return predict


def group_average(predict: Predict, group: np.ndarray) -> Predict:
    """The mean over a finite group (G, 3, 3) of R^T f(R x): exactly equivariant under that group
    (Reynolds, 1895)."""

    def averaged(sample: Sample) -> np.ndarray:
        every = [Element(np.arange(sample.position.shape[2]), matrix) for matrix in group]
        return np.mean([g.undo(predict(g.apply(sample))) for g in every], axis=0)

    return averaged


def _rms(value: np.ndarray) -> float:
    return float(np.sqrt(np.mean(value**2))) or 1.0


def controls(sample: Sample, seed: int = 0) -> list[Control]:
    """All controls for samples like these; their motion is of the size of the true one."""
    rng, n_points = np.random.default_rng(seed), sample.position.shape[2]
    size = extent(sample.position[:, -1])
    step = 0.05 * size if sample.target is None else _rms(sample.target - sample.position[:, -1])
    good = lambda s: springs(s, step)  # noqa: E731
    bad = perceptron(sample.position[:, -1].mean(0), size, step, rng)
    averaged = group_average(bad, OCTAHEDRAL)
    octahedral = [Element(np.arange(n_points), OCTAHEDRAL[i]) for i in range(0, 24, 3)]
    turns = draw("rotation", N_ELEMENTS, n_points, size, rng)
    transposed = [Transposed(g.order, g.matrix) for g in turns]
    scattered = [
        Element(np.arange(n_points), shift=size * rng.normal(size=(n_points, 3)))
        for _ in range(N_ELEMENTS)
    ]
    found = [
        Control("springs", g, good, draw(g, N_ELEMENTS, n_points, size, rng), "exact")
        for g in ("rotation", "inversion", "mirror", "translation", "permutation", "euclidean")
    ]
    found.append(Control("group-averaged perceptron", "rotation", averaged, octahedral, "exact"))
    found += [
        Control("perceptron", g, bad, draw(g, N_ELEMENTS, n_points, size, rng), "broken")
        for g in ("rotation", "inversion", "mirror", "translation", "permutation", "euclidean")
        if g != "permutation" or n_points > 2
    ]
    found.append(
        Control(
            "group-averaged perceptron, other rotations", "rotation", averaged, turns, "not exact"
        )
    )
    found.append(Control("springs, transposed rotation", "rotation", good, transposed, "broken"))
    found.append(
        Control("springs, a shift for each point", "translation", good, scattered, "broken")
    )
    return [
        control
        for control in found
        if n_points > 2 or control.expected == "exact" or control.predict is bad
    ]


def run(sample: Sample, seed: int = 0) -> list[dict]:
    """A row per control.

    Raises:
        ValueError: a control that must pass fails, or one that must fail passes: no verdict on
        these samples counts.
    """
    few = sample.take(spread(len(sample), N_SAMPLES))
    rows = [_row(control, few) for control in controls(few, seed)]
    wrong = [
        f"{r['control']} under {r['generator']}: {r['verdict']}, not {r['expected']}"
        for r in rows
        if not is_as_expected(r["verdict"], r["expected"])
    ]
    if wrong:
        raise ValueError(
            f"the audit's controls went wrong: {'; '.join(wrong)}. No verdict on these data can be trusted: look at "
            "the test samples (are they finite, do they move, are there at least two points?)"
        )
    return rows


def _row(control: Control, sample: Sample) -> dict:
    prediction = control.predict(sample)
    found = measure(control.predict, sample, prediction, control.elements)
    mean, floor = (
        float(np.mean(found.relative)),
        noise_floor(0.0, found.norm, np.stack(found.magnitude), "float64"),
    )
    row = {
        "control": control.name,
        "generator": control.generator,
        "rel_mean": mean,
        "noise_floor": floor,
    }
    return row | {"verdict": verdict(mean, floor), "expected": control.expected}
