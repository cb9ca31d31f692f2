"""Relative error of equivariance against the angle of the rotation, mean over axes and test samples
with its 95 % interval, on a logarithmic axis. What is built in stays in the grey band, the noise of
rounding, at every angle; what is learned grows with the angle as far as the rotations go that it
was taught."""

from pathlib import Path

from matplotlib.figure import Figure

from equitraj.report.figures.shared import curves

TITLE = "Equivariance error against the angle"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    return curves(inputs, "angle", "angle of rotation (degrees)", "relative error", " degrees")
