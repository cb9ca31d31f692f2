"""One point of the first frame is moved step by step by up to 0.2 along x, in turn a point near the
start of the chain, the first and the last; the whole frame is then aligned. Colour is the size of
the perturbation."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from equitraj.chapter.alignment2d import ALIGNED
from equitraj.report.figures._chapter import (
    SIZE,
    TITLES,
    chains,
    colourbar,
    planar,
    plane,
    point_rms,
)
from equitraj.report.figures.style import listing, panels, sig

INPUTS = ("lifted",)
TITLE = "One point moved, all points moved"
STEPS, LARGEST = 16, 0.2


def perturbed(frame: np.ndarray, point: int) -> np.ndarray:
    """Copies (STEPS, N, 2) of `frame` (N, 2) with one point moved towards negative x, evenly up to
    LARGEST."""
    copies = np.repeat(frame[None], STEPS, axis=0)
    copies[:, point, 0] -= np.linspace(0, LARGEST, STEPS)
    return copies


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frame = planar(inputs["lifted"])[0]
    points, norm = (1, 0, len(frame) - 1), Normalize(0, LARGEST)
    figure, axes = panels(9, columns=3, height=2.15)
    others = {}
    for row, point in enumerate(points):
        copies = perturbed(frame, point)
        for column, (name, align) in enumerate(ALIGNED.items()):
            moved = align(copies)
            others[point, name] = point_rms(np.delete(moved[-1] - moved[0], point, axis=0))
            ax = axes[3 * row + column]
            chains(ax, moved, np.linspace(0, LARGEST, STEPS), norm, SIZE, alpha=0.7)
            plane(ax, TITLES[name] if row == 0 else "", first=column == 0)
            if row < 2:
                ax.set_xlabel("")
        axes[3 * row].set_ylabel(f"Point {point} moved\ny (reduced units)")
    colourbar(figure, axes, norm, "perturbation (reduced units)", SIZE)
    _, principal, vector = ALIGNED
    small, large = (
        [sig(others[point, name], 2) for point in points] for name in (principal, vector)
    )
    return figure, (
        f"Moving point {listing(map(str, points))} by {LARGEST} moves the other points, after alignment on the 0-1 "
        f"vector, by a root mean square of {listing(large)}; on the mean and principal axes by {listing(small)}. The "
        f"0-1 vector hands the error of its two points to all the others; the principal axes share every error out "
        f"evenly."
    )
