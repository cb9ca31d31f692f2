"""How a shift of one point of the first frame changes the aligned frame.

One point is moved step by step, by up to 0.2 along x: in turn a point near the start of the chain,
the first point and the last point. Then the whole frame is aligned. Colour is the size of the
perturbation."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

from equitraj.chapter.alignment2d import ALIGNED
from equitraj.report.figures._chapter import (
    SIZE,
    TITLES,
    chains,
    colourbar,
    planar,
    plane,
    point_rms,
    short,
)
from equitraj.report.figures.style import Drawing, listing, panels

INPUTS = ("lifted",)
TITLE = "One point moved, all points moved"
STEPS, LARGEST = 16, 0.2


def perturbed(frame: np.ndarray, point: int) -> np.ndarray:
    """Copies (STEPS, N, 2) of `frame` (N, 2) with one point moved towards negative x.

    The shifts are evenly spaced from 0 to LARGEST.
    """
    copies = np.repeat(frame[None], STEPS, axis=0)
    shifts = np.linspace(0, LARGEST, STEPS)
    copies[:, point, 0] -= shifts
    return copies


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per moved point and a column per alignment."""
    frame = planar(inputs["lifted"])[0]
    points = (1, 0, len(frame) - 1)
    norm = Normalize(0, LARGEST)
    shifts = np.linspace(0, LARGEST, STEPS)
    figure, axes = panels(9, columns=3, height=2.15)
    changes: dict[str, list[str]] = {name: [] for name in ALIGNED}
    for row, point in enumerate(points):
        copies = perturbed(frame, point)
        row_axes = axes[3 * row : 3 * row + 3]
        for ax, (name, align) in zip(row_axes, ALIGNED.items(), strict=True):
            aligned = align(copies)
            change = np.delete(aligned[-1] - aligned[0], point, axis=0)
            changes[name].append(short(point_rms(change)))
            chains(ax, aligned, shifts, norm, SIZE, alpha=0.7)
            title = TITLES[name] if row == 0 else ""
            plane(ax, title, first=ax is row_axes[0])
            if row < 2:
                ax.set_xlabel("")
        row_axes[0].set_ylabel(f"Point {point} moved\ny (reduced units)")
    colourbar(figure, axes, norm, "perturbation (reduced units)", SIZE)
    _, principal, vector = changes.values()
    return figure, (
        f"Moving point {listing(map(str, points))} by {LARGEST} moves the other points, after "
        f"alignment on the 0-1 vector, by a root mean square of {listing(vector)}; on the mean and "
        f"principal axes by {listing(principal)}. The 0-1 vector passes the error of its two "
        f"points on to all the others; the principal axes distribute every error evenly."
    )
