"""Relative error under rotation along the training, in float64: a symmetry that is built in is
there from the first epoch to the last, in the grey band of rounding; one that is learned falls with
the loss, and one that is unlearned rises while the loss falls."""

from pathlib import Path

from matplotlib.figure import Figure

from equitraj.report.figures.shared import curves

TITLE = "Equivariance along the training"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per trained method."""
    return curves(inputs, "training", "epoch", "relative rotation error", "epoch ")
