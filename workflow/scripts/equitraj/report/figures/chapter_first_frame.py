"""The first frame of the trajectory: a chain of points in the plane, numbered along the chain."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equitraj.report.figures._chapter import planar, plane
from equitraj.report.figures.style import FAINT, INK, WIDTH, sig

INPUTS = ("lifted",)
TITLE = "The first frame"


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    first = frames[0]
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(*first.T, "-", color=FAINT, linewidth=1.5, zorder=1)
    axes.scatter(*first.T, s=170, color=INK, zorder=2)
    for number, point in enumerate(first):
        axes.annotate(
            str(number), point, ha="center", va="center", color="white", fontsize=8, weight="bold"
        )
    plane(axes, "Frame 0")
    axes.tick_params(colors=INK)
    length = np.linalg.norm(np.diff(first, axis=0), axis=1)
    step = np.linalg.norm(np.diff(frames, axis=0), axis=-1)
    return figure, (
        f"{len(first)} points; neighbours on the chain are {sig(length.min(), 2)} to {sig(length.max(), 2)} apart in "
        f"this frame, and from one frame to the next a point moves by a median of {sig(float(np.median(step)), 2)}, "
        f"both in reduced units: two frames in a row look the same."
    )
