"""The trajectory drawn over itself without alignment, on its mean and principal axes, and on point
0 and the vector from point 1 to point 0. Colour is time, from dark at the first frame to light at
the last."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from equitraj.chapter.alignment2d import ALIGNED, centre_of_mass, principal_axis
from equitraj.report.figures._chapter import (
    TITLES,
    chains,
    colourbar,
    planar,
    plane,
    point_rms,
    some,
)
from equitraj.report.figures.style import panels, sig

INPUTS = ("lifted",)
TITLE = "Aligning a trajectory"


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    shown, norm = some(len(frames)), Normalize(0, len(frames) - 1)
    figure, axes = panels(3, columns=3, height=2.45)
    spread = []
    for ax, (name, align) in zip(axes, ALIGNED.items(), strict=True):
        moved = align(frames)
        spread.append([point_rms(moved[:, n] - moved[:, n].mean(0)) for n in (0, -1)])
        chains(ax, moved[shown], shown, norm)
        plane(ax, TITLES[name], first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    axis, last = principal_axis(centre_of_mass(frames)), frames.shape[1] - 1
    jumps = int((np.sum(axis[1:] * axis[:-1], axis=1) < 0).sum())
    return figure, (
        f"The principal axis turns round by half a turn {jumps} times between one frame and the next, because an "
        f"eigenvector has no sign. The 0-1 vector does not jump, but leaves all variation to the far end: a standard "
        f"deviation of {sig(spread[2][1], 2)} at point {last} and {sig(spread[2][0], 2)} at point 0 (principal axes: "
        f"{sig(spread[1][1], 2)} and {sig(spread[1][0], 2)})."
    )
