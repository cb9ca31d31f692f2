"""Relative error under rotation during the training, in float64.

The error of a built-in symmetry stays in the grey band of rounding errors from the first epoch to
the last. The error of a learned symmetry falls with the loss, and if a symmetry is unlearned, its
error rises while the loss falls."""

from pathlib import Path

from equitraj.report.figures.shared import curves
from equitraj.report.figures.style import Drawing

TITLE = "Equivariance along the training"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per trained method."""
    return curves(
        inputs,
        probe="training",
        xlabel="epoch",
        ylabel="relative rotation error",
        unit="epoch ",
    )
