"""Controls of the audit: predictors that must pass or fail on the samples of the audit.

A measuring instrument can be trusted only after it has shown both answers. All controls are written
in NumPy, so that no framework can change what they do.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.claims import is_as_expected
from equitraj.data.tasks import Sample, spread
from equitraj.frames.axes import extent
from equitraj.symmetry.actions import Element, about_origin, draw
from equitraj.symmetry.measure import Predict, measure
from equitraj.symmetry.verdict import noise_floor, verdict

N_ELEMENTS = 8
N_SAMPLES = 16
WIDTH = 32  # hidden units of the perceptron
TESTED = ("rotation", "inversion", "mirror", "translation", "permutation", "euclidean")
OCTAHEDRAL = Rotation.create_group("O").as_matrix()  # the 24 proper rotations of the cube


@dataclass(frozen=True)
class Control:
    """A predictor with a known verdict.

    Attributes: name; generator, as in the audit's table; predict; elements; expected verdict, or
    "not exact".
    """

    name: str
    generator: str
    predict: Predict
    elements: list[Element]
    expected: str


@dataclass(frozen=True)
class Transposed(Element):
    """A rotation whose undo applies the rotation again, not its transpose.

    This is the most common mistake in tests of equivariance.
    """

    def undo(self, prediction: np.ndarray) -> np.ndarray:
        """Return R y, which is wrong: R^T y is right."""
        transpose = self.matrix.T
        return prediction @ transpose


def springs(sample: Sample, step: float) -> np.ndarray:
    """Return positions that the attraction of all pairs of points has moved.

    The map is equivariant under E(3) and permutations by construction. A pair's displacement grows
    with the cube of its distance, so that the map is not linear in the positions.
    """
    position = sample.newest
    separation = position[:, None] - position[:, :, None]
    squared_distance = np.square(separation).sum(-1, keepdims=True)
    force = (squared_distance * separation).sum(2)
    return position + step * force / _rms(force)


def perceptron(centre: np.ndarray, size: float, step: float, rng: np.random.Generator) -> Predict:
    """Return a random two-layer perceptron on coordinates about `centre` (N, 3): no symmetry."""
    n_inputs = 3 * len(centre)
    first = rng.normal(size=(n_inputs, WIDTH)) / (size * np.sqrt(n_inputs))
    bias = rng.normal(size=WIDTH)
    second = rng.normal(size=(WIDTH, n_inputs)) / np.sqrt(WIDTH)

    def predict(sample: Sample) -> np.ndarray:
        position = sample.newest
        flat = (position - centre).reshape(len(position), -1)
        hidden = np.tanh(flat @ first + bias)
        output = hidden @ second
        return position + step * output.reshape(position.shape)

    return predict


def group_average(predict: Predict, group: np.ndarray) -> Predict:
    """Return the mean over a finite group (G, 3, 3) of R^T f(R x) (Reynolds, 1895).

    It is exactly equivariant under that group.
    """

    def averaged(sample: Sample) -> np.ndarray:
        n_points = sample.position.shape[2]
        elements = [about_origin(matrix, n_points) for matrix in group]
        predictions = []
        for g in elements:
            prediction = predict(g.apply(sample))
            predictions.append(g.undo(prediction))
        return np.mean(predictions, axis=0)

    return averaged


def _rms(value: np.ndarray) -> float:
    squared = value**2
    mean_square = np.mean(squared)
    root = float(np.sqrt(mean_square))
    return root or 1.0


def controls(sample: Sample, seed: int = 0) -> list[Control]:
    """Return all controls for such samples. Their motion has the size of the true motion."""
    rng = np.random.default_rng(seed)
    newest = sample.newest
    n_points = newest.shape[1]
    size = extent(newest)
    step = 0.05 * size if sample.target is None else _rms(sample.target - newest)

    def drawn(generator: str) -> list[Element]:
        return draw(generator, N_ELEMENTS, n_points, size, rng)

    good = partial(springs, step=step)
    bad = perceptron(newest.mean(0), size, step, rng)
    averaged = group_average(bad, OCTAHEDRAL)
    averaged_name = "group-averaged perceptron"
    octahedral = [about_origin(matrix, n_points) for matrix in OCTAHEDRAL[::3]]
    turns = drawn("rotation")
    transposed: list[Element] = [Transposed(g.order, g.matrix) for g in turns]
    shifts = [size * rng.normal(size=(n_points, 3)) for _ in range(N_ELEMENTS)]
    scattered = [Element(np.arange(n_points), shift=shift) for shift in shifts]
    passing = [Control("springs", g, good, drawn(g), "exact") for g in TESTED]
    passing.append(Control(averaged_name, "rotation", averaged, octahedral, "exact"))
    broken = [g for g in TESTED if g != "permutation" or n_points > 2]
    failing = [Control("perceptron", g, bad, drawn(g), "broken") for g in broken]
    if n_points > 2:
        failing += [
            Control(f"{averaged_name}, other rotations", "rotation", averaged, turns, "not exact"),
            Control("springs, transposed rotation", "rotation", good, transposed, "broken"),
            Control("springs, a shift for each point", "translation", good, scattered, "broken"),
        ]
    return passing + failing


def run(sample: Sample, seed: int = 0) -> list[dict]:
    """Return a row per control.

    Raises:
        ValueError: a control that must pass fails, or one that must fail passes. No verdict on
            these samples can be trusted then.
    """
    few = sample.take(spread(len(sample), N_SAMPLES))
    rows = [_row(control, few) for control in controls(few, seed)]
    wrong = [
        f"{row['control']} under {row['generator']}: {row['verdict']}, not {row['expected']}"
        for row in rows
        if not is_as_expected(row["verdict"], row["expected"])
    ]
    if wrong:
        raise ValueError(
            f"the audit's controls went wrong: {'; '.join(wrong)}. No verdict on these data can be "
            "trusted: look at the test samples (are they finite, do they move, are there at least "
            "two points?)"
        )
    return rows


def _row(control: Control, sample: Sample) -> dict:
    prediction = control.predict(sample)
    measurement = measure(control.predict, sample, prediction, control.elements)
    mean = float(np.mean(measurement.relative))
    magnitude = np.stack(measurement.magnitude)
    floor = noise_floor(0.0, measurement.norm, magnitude, "float64")
    return {
        "control": control.name,
        "generator": control.generator,
        "rel_mean": mean,
        "noise_floor": floor,
        "verdict": verdict(mean, floor),
        "expected": control.expected,
    }
