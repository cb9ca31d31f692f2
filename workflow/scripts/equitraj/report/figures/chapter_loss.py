"""Validation error of both chapter models after each epoch, both as mean squared error of
positions, beside three predictions that nobody has to train step by step: no motion, constant
velocity, and the baseline's own map fitted exactly."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK
from equitraj.report.figures.style import FAINT, INK, REFERENCE, WIDTH, sig, spread

INPUTS = ("baseline", "network")
TITLE = "Loss curves of the chapter"


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    baseline, network = read_arrays(inputs["baseline"]), read_arrays(inputs["network"])
    curves = {
        "linear baseline": (baseline["validation_rmse"] ** 2, BASELINE, "s"),
        "e3nn network": (network["validation_loss"], NETWORK, "o"),
    }
    persistence, velocity, fitted = (
        float(baseline[f"{k}_mse"]) for k in ("persistence", "velocity", "least_squares")
    )
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_yscale("log")
    longest, labels = max(len(c) for c, _, _ in curves.values()), []
    for name, (curve, colour, marker) in curves.items():
        axes.plot(np.arange(1, len(curve) + 1), curve, color=colour, marker=marker, markersize=4)
        labels.append((curve[-1], name, colour))
    axes.axhline(persistence, color=INK, linestyle=REFERENCE["no motion"], linewidth=1)
    axes.axhline(velocity, color=INK, linestyle=REFERENCE["constant velocity"], linewidth=1)
    axes.axhline(fitted, color=BASELINE, linestyle="-.", linewidth=1)
    labels += [
        (persistence, "no motion", INK),
        (velocity, "constant velocity", INK),
        (fitted, "baseline's map, fitted", BASELINE),
    ]
    axes.set(
        xlabel="epoch", ylabel="validation MSE (reduced units squared)", xlim=(0.5, longest + 0.5)
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    values = np.concatenate(
        [persistence, velocity, fitted, *(curve for curve, _, _ in curves.values())], axis=None
    )
    low, high = np.log10(values.min()) - 0.5, np.log10(values.max()) + 0.5
    axes.set_ylim(10**low, 10**high)
    heights = spread([(np.log10(value) - low) / (high - low) for value, _, _ in labels], 0.065)
    for height, (_, text, colour) in zip(heights, labels, strict=True):
        axes.annotate(
            text, (1.01, height), xycoords="axes fraction", color=colour, va="center", fontsize=8
        )
    axes.spines["left"].set_color(FAINT)
    ends = {name: curve[-1] / persistence for name, (curve, _, _) in curves.items()}
    return figure, (
        f"In units of the error of predicting no motion ({sig(persistence)}), the baseline ends at "
        f"{sig(ends['linear baseline'])} and the e3nn network at {sig(ends['e3nn network'])}; the baseline's own map, "
        f"fitted exactly, reaches {sig(fitted / persistence)}, and constant velocity "
        f"{sig(velocity / persistence, 2)}."
    )
