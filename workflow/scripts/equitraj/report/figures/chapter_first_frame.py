"""The first frame of the trajectory: a chain of points in the plane, numbered along the chain."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equitraj.report.figures._chapter import planar, plane, short
from equitraj.report.figures.style import FAINT, INK, WIDTH, Drawing

INPUTS = ("lifted",)
TITLE = "The first frame"


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw the chain with a number in each point."""
    frames = planar(inputs["lifted"])
    first = frames[0]
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(*first.T, "-", color=FAINT, linewidth=1.5, zorder=1)
    axes.scatter(first[:, 0], first[:, 1], s=170, color=INK, zorder=2)
    for number, point in enumerate(first):
        axes.annotate(
            str(number),
            point,
            ha="center",
            va="center",
            color="white",
            fontsize=8,
            weight="bold",
        )
    plane(axes, "Frame 0")
    axes.tick_params(colors=INK)
    return figure, finding(frames)


def finding(frames: np.ndarray) -> str:
    """The lengths of bonds in the first frame, and the median step of a point."""
    first = frames[0]
    lengths = np.linalg.norm(np.diff(first, axis=0), axis=1)
    steps = np.linalg.norm(np.diff(frames, axis=0), axis=-1)
    median = float(np.median(steps))
    return (
        f"{len(first)} points; neighbours on the chain are {short(lengths.min())} to "
        f"{short(lengths.max())} apart in this frame, and from one frame to the next a point "
        f"moves by a median of {short(median)}, both in reduced units: "
        f"consecutive frames look the same."
    )
