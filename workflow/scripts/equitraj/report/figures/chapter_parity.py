"""Predicted against true values on the validation frames. Upper row: what the chapter plots, the
mean of x, y and z of each point. Lower row: the displacements along x and y, which are what has to
be predicted. Points on the line are exact."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from equitraj.report.figures.style import INK, panels, sig

INPUTS = ("lifted", "baseline", "network")
TITLE = "Parity, as printed and of displacements"
SHOWN = 4000


def scatter(
    axes: Axes, value: np.ndarray, prediction: np.ndarray, colour: str, marker: str
) -> None:
    """Draw at most SHOWN of the pairs, evenly spread, the line of exact predictions, and R2 of all
    pairs."""
    value, prediction = value.ravel(), prediction.ravel()
    step = max(1, len(value) // SHOWN)
    axes.scatter(
        value[::step],
        prediction[::step],
        s=4,
        color=colour,
        marker=marker,
        alpha=0.35,
        linewidths=0,
        rasterized=True,
    )
    axes.axline((value.mean(),) * 2, slope=1, color=INK, linewidth=0.8)
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


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    position, baseline, network = (
        read(inputs["lifted"]).position,
        read_arrays(inputs["baseline"]),
        read_arrays(inputs["network"]),
    )
    n_train = int(baseline["n_train"])
    start, value = (part[n_train:] for part in pairs(position))
    figure, axes = panels(4, columns=2, height=2.9)
    models = (("Linear baseline", baseline, BASELINE, "s"), ("e3nn network", network, NETWORK, "o"))
    scores = {}
    for column, (name, arrays, colour, marker) in enumerate(models):
        prediction = arrays["validation_prediction"].astype(float)
        scores[name] = parity(start, value, prediction)
        scatter(axes[column], chapter_centre(value), chapter_centre(prediction), colour, marker)
        scatter(
            axes[2 + column],
            (value - start)[..., :2],
            (prediction - start)[..., :2],
            colour,
            marker,
        )
        axes[column].set(
            title=f"{name}: as in the chapter", xlabel="true mean of x, y, z (reduced units)"
        )
        axes[2 + column].set(
            title=f"{name}: displacements", xlabel="true displacement (reduced units)"
        )
    for row, what in enumerate(("mean of x, y, z", "displacement")):
        axes[2 * row].set_ylabel(f"predicted {what}")
    still = parity(start, value, reference_predictions(position, n_train)["persistence"])
    baseline_score, network_score = scores["Linear baseline"], scores["e3nn network"]
    return figure, (
        f"R² as the chapter computes it is {sig(baseline_score['chapter'])} for the baseline and "
        f"{sig(network_score['chapter'], 5)} for the network, but also {sig(still['chapter'], 5)} for no motion at "
        f"all. Of the displacements R² is {sig(baseline_score['displacement'])}, {sig(network_score['displacement'])} "
        f"and {sig(still['displacement'])}: anything below 0 is worse than always predicting their mean."
    )
