"""The chapter's test of rotation: random points turned by 80 degrees before or after the model.

The panels show the prediction from turned points (rotated first) and the turned prediction
(rotated last). An equivariant model gives the same picture twice. As in the chapter, the baseline
is tested with random weights."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK, plane, short
from equitraj.report.figures.style import FAINT, Drawing, panels, sig

INPUTS = ("baseline", "network")
TITLE = "Rotated first, rotated last"


def pair(
    axes: list[Axes], name: str, arrays: dict[str, np.ndarray], colour: str, marker: str
) -> None:
    """Draw both orders of one model side by side, each with the other one behind it in grey."""
    first = arrays["rotated_first"][:, :2]
    last = arrays["rotated_last"][:, :2]
    orders = {"first": (first, last), "last": (last, first)}
    for ax, (order, (front, back)) in zip(axes, orders.items(), strict=True):
        ax.plot(*back.T, "-", color=FAINT, linewidth=4, alpha=0.3)
        ax.plot(*front.T, "-", marker=marker, markersize=4, color=colour, linewidth=1.2)
        plane(ax, f"{name}: rotated {order}", first=order == "first")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per model and a column per order."""
    baseline = read_arrays(inputs["baseline"])
    network = read_arrays(inputs["network"])
    figure, axes = panels(4, columns=2, height=2.6)
    pair(axes[:2], "Linear baseline", baseline, BASELINE, "s")
    pair(axes[2:], "e3nn network", network, NETWORK, "o")
    for ax in axes[2:]:
        ax.locator_params(axis="x", nbins=4)
        ax.set_xlabel("x displacement (reduced units)")
    axes[2].set_ylabel("y displacement (reduced units)")
    return figure, finding(baseline, network)


def finding(baseline: dict[str, np.ndarray], network: dict[str, np.ndarray]) -> str:
    """The differences of the two orders, with the chapter's weights and with trained ones."""
    baseline_difference = sig(float(baseline["rotation_difference"]), 5)
    network_difference = short(float(network["rotation_difference"]))
    baseline_trained = short(float(baseline["rotation_relative_trained"]))
    network_trained = short(float(network["rotation_relative_trained_float32"]))
    network_exact = short(float(network["rotation_relative_trained_float64"]))
    return (
        f"Mean squared difference of the two orders: baseline {baseline_difference}, e3nn network "
        f"{network_difference}. With trained weights, random rotations and real frames, relative "
        f"to the predicted displacement: baseline {baseline_trained}, network {network_trained} "
        f"in float32 and {network_exact} in float64."
    )
