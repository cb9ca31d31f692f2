"""The trajectory drawn over itself, without centring and after two ways of centring.

Either the mean of each frame is at the origin, or point 0 is. Colour is time, from dark at the
first frame to light at the last."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

from equitraj.chapter.alignment2d import centre_of_mass, point0
from equitraj.report.figures._chapter import (
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
TITLE = "Centring a trajectory"


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per way of centring."""
    frames = planar(inputs["lifted"])
    shown = some(len(frames))
    norm = Normalize(0, len(frames) - 1)
    centred = {
        "Not centred": frames,
        "Centre of mass at origin": centre_of_mass(frames),
        "Point 0 at origin": point0(frames),
    }
    figure, axes = panels(3, columns=3, height=2.45)
    for ax, (title, moved) in zip(axes, centred.items(), strict=True):
        chains(ax, moved[shown], shown, norm)
        plane(ax, title, first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    drift = np.linalg.norm(np.ptp(frames.mean(1), axis=0))
    last = frames.shape[1] - 1
    _, mean, point = (spread_of_ends(moved) for moved in centred.values())
    return figure, (
        f"The chain drifts by {short(float(drift))} reduced units, and centring removes that. The "
        f"mean leaves points 0 and {last} with standard deviations of {short(mean[0])} and "
        f"{short(mean[1])}; point 0 at the origin pins that point and leaves {short(point[1])} to "
        f"point {last}."
    )
