"""Validation error of both chapter models after each epoch, as mean squared error of positions.

Three lines show predictions that need no training by steps: no motion, constant velocity, and the
baseline's own map fitted exactly."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK
from equitraj.report.figures.style import (
    FAINT,
    INK,
    REFERENCE,
    WIDTH,
    Drawing,
    LineStyle,
    sig,
    spread,
)

INPUTS = ("baseline", "network")
TITLE = "Loss curves of the chapter"
CURVES = {  # colour and marker
    "linear baseline": (BASELINE, "s"),
    "e3nn network": (NETWORK, "o"),
}
LINES: dict[str, tuple[str, LineStyle]] = {  # colour and dashes
    "no motion": (INK, REFERENCE["no motion"]),
    "constant velocity": (INK, REFERENCE["constant velocity"]),
    "baseline's map, fitted": (BASELINE, "-."),
}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a curve per model and a line per prediction without training."""
    baseline = read_arrays(inputs["baseline"])
    network = read_arrays(inputs["network"])
    curves = {
        "linear baseline": baseline["validation_rmse"] ** 2,
        "e3nn network": network["validation_loss"],
    }
    levels = {
        "no motion": float(baseline["persistence_mse"]),
        "constant velocity": float(baseline["velocity_mse"]),
        "baseline's map, fitted": float(baseline["least_squares_mse"]),
    }
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    _lines(axes, curves, levels)
    longest = max(len(curve) for curve in curves.values())
    axes.set(
        xlabel="epoch",
        ylabel="validation MSE (reduced units squared)",
        xlim=(0.5, longest + 0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    _labels(axes, curves, levels)
    axes.spines["left"].set_color(FAINT)
    return figure, finding(curves, levels)


def _lines(axes: Axes, curves: dict[str, np.ndarray], levels: dict[str, float]) -> None:
    axes.set_yscale("log")
    for name, curve in curves.items():
        colour, marker = CURVES[name]
        epochs = np.arange(1, len(curve) + 1)
        axes.plot(epochs, curve, color=colour, marker=marker, markersize=4)
    for name, level in levels.items():
        colour, dash = LINES[name]
        axes.axhline(level, color=colour, linestyle=dash, linewidth=1)


def _labels(axes: Axes, curves: dict[str, np.ndarray], levels: dict[str, float]) -> None:
    """Set the limits, and write the names at the right, near the ends of their lines."""
    values = np.concatenate([*levels.values(), *curves.values()], axis=None)
    low = np.log10(values.min()) - 0.5
    high = np.log10(values.max()) + 0.5
    axes.set_ylim(10**low, 10**high)
    ends = {name: curve[-1] for name, curve in curves.items()} | levels
    wanted = [(np.log10(end) - low) / (high - low) for end in ends.values()]
    colours = {name: colour for name, (colour, _) in (CURVES | LINES).items()}
    heights = spread(wanted, 0.065)
    for height, name in zip(heights, ends, strict=True):
        axes.annotate(
            name,
            (1.01, height),
            xycoords="axes fraction",
            color=colours[name],
            va="center",
            fontsize=8,
        )


def finding(curves: dict[str, np.ndarray], levels: dict[str, float]) -> str:
    """All final errors in units of the error of no motion."""
    still, velocity, fitted = levels.values()
    baseline, network = (sig(curve[-1] / still) for curve in curves.values())
    return (
        f"In units of the error of predicting no motion ({sig(still)}), the baseline ends at "
        f"{baseline} and the e3nn network at {network}; the baseline's own map, fitted exactly, "
        f"reaches {sig(fitted / still)}, and constant velocity {sig(velocity / still, 2)}."
    )
