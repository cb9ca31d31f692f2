"""Relative error of equivariance against the angle of the rotation, on a logarithmic axis.

The curves are means over axes and test samples with their 95 % confidence intervals. An error of a
built-in symmetry stays in the grey band of rounding errors at every angle. The error of a learned
symmetry grows with the angle, up to the largest rotation in the training data."""

from pathlib import Path

from equitraj.report.figures.shared import curves
from equitraj.report.figures.style import Drawing

TITLE = "Equivariance error against the angle"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per method."""
    return curves(
        inputs,
        probe="angle",
        xlabel="angle of rotation (degrees)",
        ylabel="relative error",
        unit=" degrees",
    )
