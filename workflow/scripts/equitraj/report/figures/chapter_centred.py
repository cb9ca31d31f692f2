"""The trajectory drawn over itself: as it is, with the mean of each frame at the origin, and with
point 0 there. Colour is time, from dark at the first frame to light at the last."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from equitraj.chapter.alignment2d import centre_of_mass, point0
from equitraj.report.figures._chapter import chains, colourbar, planar, plane, point_rms, some
from equitraj.report.figures.style import panels, sig

INPUTS = ("lifted",)
TITLE = "Centring a trajectory"
CENTRED = {
    "Not centred": lambda frames: frames,
    "Centre of mass at origin": centre_of_mass,
    "Point 0 at origin": point0,
}


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    shown, norm = some(len(frames)), Normalize(0, len(frames) - 1)
    figure, axes = panels(3, columns=3, height=2.45)
    spread = []
    for ax, (title, centre) in zip(axes, CENTRED.items(), strict=True):
        moved = centre(frames)
        spread.append([point_rms(moved[:, n] - moved[:, n].mean(0)) for n in (0, -1)])
        chains(ax, moved[shown], shown, norm)
        plane(ax, title, first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    drift, last = np.linalg.norm(np.ptp(frames.mean(1), axis=0)), frames.shape[1] - 1
    return figure, (
        f"The chain drifts by {sig(drift, 2)} reduced units, and centring removes that. The mean leaves points 0 and "
        f"{last} with standard deviations of {sig(spread[1][0], 2)} and {sig(spread[1][1], 2)}; point 0 at the origin "
        f"pins that point and leaves {sig(spread[2][1], 2)} to point {last}."
    )
