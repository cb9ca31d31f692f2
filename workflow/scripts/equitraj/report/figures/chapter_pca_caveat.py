"""New frames and copies of them turned by 1 radian, moved onto a reference frame by least squares
(left) and onto the principal components of the training frames (right). Only the first removes the
rotation: components fitted to training data are fixed directions in space."""

from pathlib import Path

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.chapter.alignment2d import centre_of_mass, fitted_axes, rotation, to_reference
from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import planar, plane, point_rms, some
from equitraj.report.figures.style import FAINT, GREEN, panels, sig

INPUTS = ("lifted", "baseline")
TITLE = "Fitted components are no alignment"
SHOWN = 4


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames, n_train = planar(inputs["lifted"]), int(read_arrays(inputs["baseline"])["n_train"])
    training, new = frames[:n_train], frames[n_train:]
    components = fitted_axes(training)
    alignments = {
        "Onto a reference frame": lambda moved: to_reference(moved, training[0]),
        "Onto components of the training frames": lambda moved: centre_of_mass(moved) @ components,
    }
    figure, axes = panels(2, columns=2, height=3.0)
    apart = []
    for ax, (title, align) in zip(axes, alignments.items(), strict=True):
        original, copy = align(new), align(new @ rotation(1.0))
        apart.append(point_rms(copy - original))
        shown = some(len(new), SHOWN)
        ax.add_collection(LineCollection(original[shown], colors=FAINT, linewidths=4, alpha=0.45))
        ax.add_collection(LineCollection(copy[shown], colors=GREEN, linewidths=1.4))
        plane(ax, title, first=ax is axes[0])
    lines = [
        Line2D([], [], color=FAINT, linewidth=4, alpha=0.45),
        Line2D([], [], color=GREEN, linewidth=1.4),
    ]
    figure.legend(lines, ["new frame", "turned by 1 radian"], loc="outside lower center", ncols=2)
    size = point_rms(centre_of_mass(new))
    return figure, (
        f"Root mean square distance between a point of a new frame and of its turned copy: {sig(apart[0], 2)} after "
        f"alignment onto a reference frame, which is rounding, and {sig(apart[1], 2)} reduced units on the components "
        f"of the {n_train} training frames, {100 * apart[1] / size:.0f} % of the size of the chain ({sig(size, 2)}): "
        f"the rotation is all there."
    )
