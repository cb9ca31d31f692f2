"""Relative difference between the rollout from a rotated start and the rotated rollout, step by
step. The grey band is rounding, a thousand times that of one step since it is carried along; where
the dynamics of a method are unstable, even rounding grows beyond that."""

from pathlib import Path

from matplotlib.figure import Figure

from equitraj.report.figures.shared import curves

TITLE = "Equivariance along the rollout"
INPUTS = ("summary", "audit", "probes")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    return curves(inputs, "rollout", "rollout step", "relative rotation error", "step ", slack=1e3)
