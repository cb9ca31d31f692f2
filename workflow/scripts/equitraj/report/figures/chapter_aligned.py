"""The trajectory drawn over itself, without alignment and after two alignments.

The alignments are on the mean and principal axes, and on point 0 and the vector from point 1 to
point 0. Colour is time, from dark at the first frame to light at the last."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

from equitraj.chapter.alignment2d import ALIGNED, centre_of_mass, principal_axis
from equitraj.report.figures._chapter import (
    TITLES,
    chains,
    colourbar,
    planar,
    plane,
    short,
    some,
    spread_of_ends,
)
from equitraj.report.figures.style import Drawing, panels

INPUTS = ("lifted",)
TITLE = "Aligning a trajectory"


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per alignment."""
    frames = planar(inputs["lifted"])
    shown = some(len(frames))
    norm = Normalize(0, len(frames) - 1)
    figure, axes = panels(3, columns=3, height=2.45)
    spreads = []
    for ax, (name, align) in zip(axes, ALIGNED.items(), strict=True):
        aligned = align(frames)
        spreads.append(spread_of_ends(aligned))
        chains(ax, aligned[shown], shown, norm)
        plane(ax, TITLES[name], first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    return figure, finding(frames, spreads)


def finding(frames: np.ndarray, spreads: list[tuple[float, float]]) -> str:
    """Count the jumps of the principal axis, and give the spread of both ends."""
    axis = principal_axis(centre_of_mass(frames))
    cosines = np.sum(axis[1:] * axis[:-1], axis=1)
    jumps = int((cosines < 0).sum())
    last = frames.shape[1] - 1
    _, principal, vector = spreads
    return (
        f"The principal axis turns by half a turn {jumps} times between one frame and the next, "
        f"because an eigenvector has no sign. The 0-1 vector does not jump, but leaves all "
        f"variation to the far end: a standard deviation of {short(vector[1])} at point {last} "
        f"and {short(vector[0])} at point 0 "
        f"(principal axes: {short(principal[1])} and {short(principal[0])})."
    )
