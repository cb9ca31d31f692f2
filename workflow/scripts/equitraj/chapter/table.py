"""The table of the chapters' numbers: printed, reproduced, and correctly measured."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
from numpy.linalg import lstsq

from equitraj.base.files import atomic
from equitraj.chapter.data import pairs, parity, reference_predictions
from equitraj.chapter.ladder import INITIALISATIONS, relative_changes

COLUMNS = ("quantity", "chapter", "ours", "relative_difference", "note")
PRINTED = {
    "baseline_rmse": 0.4302848,
    "baseline_rotation": 4.4521255,
    "baseline_translation": 3.6074016,
    "network_mse": 0.0001,
    "network_rotation": 1.3626e-16,
}
# Energies that the input-data chapter prints before and after a change, by model and change in
# `ladder.py`.
PRINTED_ENERGIES = {
    ("dense", "rotation"): (-8.25600129780722, -8.551914894325305),
    ("dense", "permutation_same_element"): (-8.25600129780722, -5.554268946535305),
    ("permutation", "permutation_same_element"): (30.669697848057446, 30.669697848057446),
    ("permutation+translation", "permutation_same_element"): (
        355.8549377572814,
        355.85493775728145,
    ),
    ("permutation+translation", "translation"): (355.8549377572814, 355.85493775728145),
    ("permutation+translation", "rotation"): (355.8549377572814, 345.7658165778177),
    ("permutation+translation+rotation", "permutation_same_element"): (
        -226.96608366775686,
        -226.96608366775683,
    ),
    ("permutation+translation+rotation", "translation"): (-226.96608366775686, -226.96608366775686),
    ("permutation+translation+rotation", "rotation"): (-226.96608366775686, -226.96608366775686),
    ("permutation+translation+rotation", "conformation"): (-226.96608366775686, -244.723501248453),
}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """One quantity.

    `chapter` is NaN if the chapter prints no number; `comparable` is False if only the orders of
    magnitude can agree.
    """

    quantity: str
    ours: float
    note: str
    chapter: float = nan
    comparable: bool = True

    def cells(self) -> list[str]:
        """The cells of the table; a cell without a value is empty."""
        printed = difference = ""
        if np.isfinite(self.chapter):
            printed = f"{self.chapter:.8g}"
            if self.comparable and self.chapter != 0:
                relative = (self.ours - self.chapter) / self.chapter
                difference = f"{relative:.2g}"
        return [self.quantity, printed, f"{self.ours:.8g}", difference, self.note]


def autoregression_mse(position: np.ndarray, n_train: int, order: int) -> float:
    """MSE on the validation pairs of a linear autoregression on `order` displacements.

    It is fitted on the training pairs.
    """
    displacement = np.diff(position, axis=0)
    index = np.arange(order, len(displacement))
    following = displacement[index]
    earlier = [displacement[index - k] for k in range(1, order + 1)]
    past = np.stack(earlier, -1)
    known = index < n_train
    fitted = past[known].reshape(-1, order)
    weight, *_ = lstsq(fitted, following[known].ravel(), rcond=None)
    error = past[~known] @ weight - following[~known]
    return float(np.mean(error**2))


def error_rows(position: np.ndarray, baseline: Arrays, network: Arrays) -> Iterator[Row]:
    """The printed losses, then both models and the references in the same units."""
    persistence = float(baseline["persistence_mse"])
    network_mse = float(network["validation_mse"])
    ratio = network_mse / persistence
    mse = {
        "baseline": (
            float(baseline["validation_mse"]),
            "the chapter's baseline; 12 epochs stop far from its optimum",
        ),
        "baseline fitted by least squares": (
            float(baseline["least_squares_mse"]),
            "the same map at its optimum",
        ),
        "e3nn network": (
            network_mse,
            f"the chapter's network as printed: {ratio:.3g} times the error of "
            "predicting no motion",
        ),
        "persistence": (persistence, "no motion at all; the mark that a useful model has to pass"),
        "constant velocity": (
            float(baseline["velocity_mse"]),
            "needs the frame before, which both models lack",
        ),
    }
    for order in (2, 3, 5):
        error = autoregression_mse(position, int(baseline["n_train"]), order)
        note = (
            f"{order} coefficients for {order} displacements, so {order + 1} frames; "
            "history decides accuracy here"
        )
        mse[f"linear autoregression on {order} displacements"] = (error, note)
    yield Row(
        "baseline: final validation loss",
        float(baseline["validation_rmse"][-1]),
        "a root mean square error of positions, not comparable with the loss of the other model; "
        "see the MSE rows",
        PRINTED["baseline_rmse"],
    )
    yield Row(
        "e3nn network: final validation loss",
        float(network["validation_loss"][-1]),
        "a mean squared error, printed with one digit, of a training without a seed: "
        "only the magnitude can agree",
        PRINTED["network_mse"],
        comparable=False,
    )
    for name, (value, note) in mse.items():
        yield Row(f"{name}: MSE of positions", value, note)
        yield Row(f"{name}: RMSE of positions", np.sqrt(value), "the square root of the row above")


def symmetry_rows(baseline: Arrays, network: Arrays) -> Iterator[Row]:
    """The printed differences, each followed by the trained weights' symmetry on real frames."""
    fits = ("trained", "least_squares")
    yield Row(
        "baseline: rotation difference",
        float(baseline["rotation_difference"]),
        "one angle, random points and random weights: only the bias was trained, "
        "so this is not the trained model",
        PRINTED["baseline_rotation"],
    )
    yield from _measured("baseline", "rotation", baseline, fits)
    yield from _measured("baseline", "reflection", baseline, fits)
    yield Row(
        "baseline: translation difference",
        float(baseline["translation_difference"]),
        "adds a different vector to each point, which is no translation: "
        "a correct network would fail this too",
        PRINTED["baseline_translation"],
    )
    yield from _measured("baseline", "translation", baseline, fits)
    relative = float(network["rotation_difference_relative"])
    yield Row(
        "e3nn network: rotation difference",
        float(network["rotation_difference"]),
        f"a squared difference on random points: {relative:.2g} of the output, "
        "float32 rounding and not float64",
        PRINTED["network_rotation"],
        comparable=False,
    )
    weights = ("trained_float32", "trained_float64", "initial_float32", "initial_float64")
    for generator in ("rotation", "reflection", "translation"):
        yield from _measured("e3nn network", generator, network, weights)


def _measured(
    model: str, generator: str, arrays: Arrays, weights: tuple[str, ...]
) -> Iterator[Row]:
    for name in weights:
        absolute = float(arrays[f"{generator}_absolute_{name}"])
        note = (
            "relative to the predicted displacement, on validation frames; "
            f"{absolute:.2g} in units of length"
        )
        if name == "least_squares":
            note += "; planar data leave the z row of W at zero"
        label = name.replace("_", " ")
        yield Row(
            f"{model}: relative {generator} error ({label})",
            float(arrays[f"{generator}_relative_{name}"]),
            note,
        )


def parity_rows(position: np.ndarray, baseline: Arrays, network: Arrays) -> Iterator[Row]:
    """Parity R2 as the chapters compute it, then by coordinate and of displacements.

    For both models and for predictions without a model.
    """
    n_train = int(baseline["n_train"])
    start, value = pairs(position[n_train:])
    references = reference_predictions(position, n_train)
    predictions = {
        "baseline": baseline["validation_prediction"],
        "e3nn network": network["validation_prediction"],
        "baseline fitted by least squares": baseline["least_squares_prediction"],
        "persistence": references["persistence"],
        "constant velocity": references["velocity"],
    }
    notes = {
        "chapter": "of the mean of x, y and z of one point, no centre of mass: "
        "mixes coordinates and hides the motion",
        "x": "of the x coordinates alone; positions differ little from frame to frame, "
        "so no motion scores well too",
        "y": "of the y coordinates alone",
        "displacement": "of the displacements, what is to be predicted; "
        "0 is their mean, below 0 is worse",
    }
    for name, prediction in predictions.items():
        scores = parity(start, value, prediction)
        for kind, note in notes.items():
            words = "as in the chapter" if kind == "chapter" else f"of {kind}"
            yield Row(f"{name}: parity R2 {words}", scores[kind], note)


def ladder_rows() -> Iterator[Row]:
    """The printed butane energies as relative changes, and the median over initialisations."""
    ours = relative_changes()
    for (model, change), (before, after) in PRINTED_ENERGIES.items():
        printed = abs(after - before) / abs(before)
        values = ours[model, change]
        share = 100 * np.mean(values < printed)
        note = f"one draw without a seed; ours is the median of {INITIALISATIONS}, "
        if printed > 1e-9:
            note += f"{share:.0f} % of which change less"
        else:
            note += "all of them rounding: invariant"
        generator = change.replace("_", " ")
        quantity = f"butane, {model} model: relative change of energy under {generator}"
        yield Row(quantity, float(np.median(values)), note, printed, comparable=False)


def rows(position: np.ndarray, baseline: Arrays, network: Arrays) -> list[Row]:
    """All rows; `position` is (T, N, 3), the arrays are the files of `baseline` and `network`."""
    return [
        *error_rows(position, baseline, network),
        *symmetry_rows(baseline, network),
        *parity_rows(position, baseline, network),
        *ladder_rows(),
    ]


def write_table(path: str | Path, position: np.ndarray, baseline: Arrays, network: Arrays) -> None:
    """Write the table to `path`.

    Raises:
        ValueError: the two models were trained on different numbers of pairs.
    """
    n_baseline = int(baseline["n_train"])
    n_network = int(network["n_train"])
    if n_baseline != n_network:
        raise ValueError(
            f"baseline was trained on {n_baseline} pairs, network on {n_network}, "
            "expected equal numbers; run both with the same --train"
        )
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows(position, baseline, network):
            writer.writerow(row.cells())
