"""Relative difference between the rollout from a rotated start and the rotated rollout, by step.

The grey band is rounding: a thousand times the rounding error of one step, because errors are
carried along. If the dynamics of a method are unstable, even rounding errors grow beyond it."""

from pathlib import Path

from equitraj.report.figures.shared import curves
from equitraj.report.figures.style import Drawing

TITLE = "Equivariance along the rollout"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per method."""
    return curves(
        inputs,
        probe="rollout",
        xlabel="rollout step",
        ylabel="relative rotation error",
        unit="step ",
        slack=1e3,
    )
