"""The trajectory and a copy turned by 1 radian, without alignment and after two alignments.

If an alignment removes rotations, the copy lies on the original."""

from pathlib import Path

import numpy as np

from equitraj.chapter.alignment2d import ALIGNED, rotation
from equitraj.report.figures._chapter import (
    TITLES,
    overlay,
    overlay_legend,
    planar,
    plane,
    short,
    some,
)
from equitraj.report.figures.style import Drawing, panels

INPUTS = ("lifted",)
TITLE = "Does alignment remove a rotation?"
SHOWN = 4
SAME = 1e-6  # reduced units, far above rounding and far below the size of the chain


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per alignment."""
    frames = planar(inputs["lifted"])
    turned = frames @ rotation(1.0)
    aligned = {name: (align(frames), align(turned)) for name, align in ALIGNED.items()}
    _, principal, vector = (largest_change(*pair) for pair in aligned.values())
    flipped = principal > SAME
    # at least one frame shows the flaw
    shown = np.append(some(len(frames), SHOWN - 1), np.argmax(flipped))
    figure, axes = panels(3, columns=3, height=2.7)
    for ax, (name, (original, copy)) in zip(axes, aligned.items(), strict=True):
        overlay(ax, original[shown], copy[shown])
        plane(ax, TITLES[name], first=ax is axes[0])
    overlay_legend(figure, "original", "turned by 1 radian")
    others = principal[~flipped].max(initial=0)
    return figure, (
        f"After the 0-1 vector alignment the turned copy differs by at most "
        f"{short(vector.max())}: rounding. After principal axes it is turned by a further half "
        f"turn in {100 * flipped.mean():.0f} % of the frames (by up to {short(principal.max())} "
        f"reduced units), because nothing fixes the sign of an eigenvector; in the others it "
        f"agrees to {short(others)}."
    )


def largest_change(original: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """The largest difference of a coordinate in each frame, (T,)."""
    difference = copy - original
    sizes = np.abs(difference)
    return sizes.max(axis=(1, 2))
