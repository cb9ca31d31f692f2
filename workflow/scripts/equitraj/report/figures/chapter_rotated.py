"""The trajectory and a copy of it turned by 1 radian, each without alignment and after two
alignments. Where an alignment removes rotations, the copy lies on the original."""

from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.chapter.alignment2d import ALIGNED, rotation
from equitraj.report.figures._chapter import TITLES, planar, plane, some
from equitraj.report.figures.style import FAINT, GREEN, panels, sig

INPUTS = ("lifted",)
TITLE = "Does alignment remove a rotation?"
SHOWN = 4
SAME = 1e-6  # reduced units, far above rounding and far below the size of the chain


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    aligned = {
        name: (align(frames), align(frames @ rotation(1.0))) for name, align in ALIGNED.items()
    }
    _, principal, vector = (
        np.abs(copy - original).max(axis=(1, 2)) for original, copy in aligned.values()
    )
    flipped = principal > SAME
    shown = np.append(
        some(len(frames), SHOWN - 1), np.argmax(flipped)
    )  # one frame at least that shows the flaw
    figure, axes = panels(3, columns=3, height=2.7)
    for ax, (name, (original, copy)) in zip(axes, aligned.items(), strict=True):
        ax.add_collection(LineCollection(original[shown], colors=FAINT, linewidths=4, alpha=0.45))
        ax.add_collection(LineCollection(copy[shown], colors=GREEN, linewidths=1.4))
        plane(ax, TITLES[name], first=ax is axes[0])
    lines = [
        Line2D([], [], color=FAINT, linewidth=4, alpha=0.45),
        Line2D([], [], color=GREEN, linewidth=1.4),
    ]
    figure.legend(lines, ["as it is", "turned by 1 radian"], loc="outside lower center", ncols=2)
    return figure, (
        f"After the 0-1 vector alignment the turned copy differs by at most {sig(vector.max(), 2)}: rounding. After "
        f"principal axes it comes out turned round in {100 * flipped.mean():.0f} % of the frames (by up to "
        f"{sig(principal.max(), 2)} reduced units), because nothing fixes the sign of an eigenvector; in the others "
        f"it agrees to {sig(principal[~flipped].max(initial=0), 2)}."
    )
