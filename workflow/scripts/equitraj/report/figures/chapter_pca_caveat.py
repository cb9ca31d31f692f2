"""Why fitted principal components are no alignment: new frames and copies turned by 1 radian.

Both are moved onto a reference frame by least squares (left) and onto the principal components of
the training frames (right). Only the first removes the rotation: components that are fitted to
training data are fixed directions in space."""

from pathlib import Path

from equitraj.chapter.alignment2d import centre_of_mass, fitted_axes, rotation, to_reference
from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import (
    overlay,
    overlay_legend,
    planar,
    plane,
    point_rms,
    short,
    some,
)
from equitraj.report.figures.style import Drawing, panels

INPUTS = ("lifted", "baseline")
TITLE = "Fitted components are no alignment"
SHOWN = 4


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per way of moving the frames."""
    frames = planar(inputs["lifted"])
    n_train = int(read_arrays(inputs["baseline"])["n_train"])
    training, new = frames[:n_train], frames[n_train:]
    turned = new @ rotation(1.0)
    components = fitted_axes(training)
    reference = training[0]
    aligned = {
        "Onto a reference frame": (
            to_reference(new, reference),
            to_reference(turned, reference),
        ),
        "Onto components of the training frames": (
            centre_of_mass(new) @ components,
            centre_of_mass(turned) @ components,
        ),
    }
    shown = some(len(new), SHOWN)
    figure, axes = panels(2, columns=2, height=3.0)
    for ax, (title, (original, copy)) in zip(axes, aligned.items(), strict=True):
        overlay(ax, original[shown], copy[shown])
        plane(ax, title, first=ax is axes[0])
    overlay_legend(figure, "new frame", "turned by 1 radian")
    by_reference, by_components = (
        point_rms(copy - original) for original, copy in aligned.values()
    )
    size = point_rms(centre_of_mass(new))
    return figure, (
        f"Root mean square distance between a point of a new frame and of its turned copy: "
        f"{short(by_reference)} after alignment onto a reference frame, which is rounding, and "
        f"{short(by_components)} reduced units on the components of the {n_train} training "
        f"frames, {100 * by_components / size:.0f} % of the size of the chain ({short(size)}): "
        f"the whole rotation remains."
    )
