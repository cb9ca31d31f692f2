"""The chapter's test of rotation: random points turned by 80 degrees before the model (rotated
first) or after it (rotated last). An equivariant model gives the same picture twice. The baseline
is tested, as in the chapter, with random weights."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK, plane
from equitraj.report.figures.style import FAINT, panels, sig

INPUTS = ("baseline", "network")
TITLE = "Rotated first, rotated last"


def pair(
    axes: list[Axes], name: str, arrays: dict[str, np.ndarray], colour: str, marker: str
) -> None:
    """Both orders of one model side by side, each with the other one behind it in grey, on the same
    scale."""
    first, last = arrays["rotated_first"][:, :2], arrays["rotated_last"][:, :2]
    for ax, (order, front, back) in zip(
        axes, (("first", first, last), ("last", last, first)), strict=True
    ):
        ax.plot(*back.T, "-", color=FAINT, linewidth=4, alpha=0.3)
        ax.plot(*front.T, "-", marker=marker, markersize=4, color=colour, linewidth=1.2)
        plane(ax, f"{name}: rotated {order}", first=order == "first")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    baseline, network = read_arrays(inputs["baseline"]), read_arrays(inputs["network"])
    figure, axes = panels(4, columns=2, height=2.6)
    pair(axes[:2], "Linear baseline", baseline, BASELINE, "s")
    pair(axes[2:], "e3nn network", network, NETWORK, "o")
    for ax in axes[2:]:
        ax.locator_params(axis="x", nbins=4)
        ax.set_xlabel("x displacement (reduced units)")
    axes[2].set_ylabel("y displacement (reduced units)")
    relative = (
        float(baseline["rotation_relative_trained"]),
        float(network["rotation_relative_trained_float32"]),
    )
    exact = float(network["rotation_relative_trained_float64"])
    return figure, (
        f"Mean squared difference of the two orders: baseline {sig(float(baseline['rotation_difference']), 5)}, e3nn "
        f"network {sig(float(network['rotation_difference']), 2)}. With trained weights, random rotations and real "
        f"frames, relative to the predicted displacement: baseline {sig(relative[0], 2)}, network "
        f"{sig(relative[1], 2)} in float32 and {sig(exact, 2)} in float64."
    )
