"""Predicted against true values on the validation frames. Points on the line are exact.

Upper row: the mean of x, y and z of each point, as in the chapter. Lower row: the displacements
along x and y, which are the quantities to predict."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from equitraj.chapter.data import (
    chapter_centre,
    pairs,
    parity,
    r2,
    read_arrays,
    reference_predictions,
)
from equitraj.data.trajectory import read
from equitraj.report.figures._chapter import BASELINE, NETWORK
from equitraj.report.figures.style import INK, Drawing, panels, sig

INPUTS = ("lifted", "baseline", "network")
TITLE = "Parity, as printed and of displacements"
SHOWN = 4000
MODELS = {  # colour and marker
    "Linear baseline": (BASELINE, "s"),
    "e3nn network": (NETWORK, "o"),
}


def scatter(
    axes: Axes, value: np.ndarray, prediction: np.ndarray, colour: str, marker: str
) -> None:
    """Draw about SHOWN of the pairs, evenly spread, and the line of exact predictions.

    The text gives R2 of all pairs.
    """
    value = value.ravel()
    prediction = prediction.ravel()
    stride = max(1, len(value) // SHOWN)
    axes.scatter(
        value[::stride],
        prediction[::stride],
        s=4,
        color=colour,
        marker=marker,
        alpha=0.35,
        linewidths=0,
        rasterized=True,
    )
    centre = value.mean()
    axes.axline((centre, centre), slope=1, color=INK, linewidth=0.8)
    axes.text(
        0.04,
        0.95,
        f"R² = {sig(r2(value, prediction), 4)}",
        transform=axes.transAxes,
        va="top",
        weight="bold",
    )
    axes.locator_params(nbins=5)
    axes.set_aspect("equal", adjustable="datalim")


def column(
    upper: Axes, lower: Axes, name: str, start: np.ndarray, value: np.ndarray, guess: np.ndarray
) -> None:
    """Draw both panels of one model, with its predictions `guess` (V, N, 3)."""
    colour, marker = MODELS[name]
    scatter(upper, chapter_centre(value), chapter_centre(guess), colour, marker)
    true_step = (value - start)[..., :2]
    predicted_step = (guess - start)[..., :2]
    scatter(lower, true_step, predicted_step, colour, marker)
    upper.set(
        title=f"{name}: as in the chapter",
        xlabel="true mean of x, y, z (reduced units)",
    )
    lower.set(
        title=f"{name}: displacements",
        xlabel="true displacement (reduced units)",
    )


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a column of two panels per model."""
    position = read(inputs["lifted"]).position
    baseline = read_arrays(inputs["baseline"])
    network = read_arrays(inputs["network"])
    n_train = int(baseline["n_train"])
    starts, values = pairs(position)
    start, value = starts[n_train:], values[n_train:]
    still = reference_predictions(position, n_train)["persistence"]
    figure, axes = panels(4, columns=2, height=2.9)
    scores = [parity(start, value, still)]
    for number, (name, arrays) in enumerate(zip(MODELS, (baseline, network), strict=True)):
        prediction = arrays["validation_prediction"].astype(float)
        scores.append(parity(start, value, prediction))
        column(axes[number], axes[2 + number], name, start, value, prediction)
    axes[0].set_ylabel("predicted mean of x, y, z")
    axes[2].set_ylabel("predicted displacement")
    return figure, finding(*scores)


def finding(still: dict[str, float], baseline: dict[str, float], network: dict[str, float]) -> str:
    """R2 of the chapter's quantity and of displacements, compared with no motion."""
    baseline_r2 = sig(baseline["chapter"])
    network_r2 = sig(network["chapter"], 5)
    still_r2 = sig(still["chapter"], 5)
    displacement = [sig(score["displacement"]) for score in (baseline, network, still)]
    return (
        f"R² as the chapter computes it is {baseline_r2} for the baseline and {network_r2} for "
        f"the network, but also {still_r2} for no motion at all. R² of the displacements is "
        f"{displacement[0]}, {displacement[1]} and {displacement[2]}: a value below 0 is worse "
        f"than always predicting their mean."
    )
