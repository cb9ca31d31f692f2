"""How a shift of one point moves all points in the reference frame of each alignment.

A cell is the median ratio of the change of a point (row) to the shift of the moved point (column).
In a good reference frame little changes except the moved point, on the diagonal. A reference frame
that depends on two points only turns all other points when one of the two moves."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from equitraj.report.figures.style import WIDTH, Drawing, nothing, read_table, sig, task_rows

TITLE = "Which point moves which"
INPUTS = ("perturbation",)
SMALLEST = 1e-2  # a smaller gain has the colour of this one


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a heat map per alignment, for the first task."""
    table = read_table(inputs["perturbation"])
    if table.empty:
        return nothing("no perturbation was measured")
    task = table["task"].iloc[0]
    rows = task_rows(table, task)
    alignments = list(rows["alignment"].unique())
    figure, axes = _grid(len(alignments))
    largest = float(np.nanpercentile(rows["gain"], 99.5))
    norm = LogNorm(SMALLEST, max(10.0, largest))
    for axis, alignment in zip(axes, alignments, strict=True):
        selected = rows["alignment"] == alignment
        image = _panel(axis, rows[selected], norm)
        axis.set_title(alignment, fontsize=7.5, fontweight="normal")
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=50, fraction=0.04)
    bar.set_label(f"gain on {task} (column: moved point, row: affected point)")
    return figure, finding(rows, task)


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    columns = 5 if count > 16 else 4
    lines = -(-count // columns)
    figure = Figure(figsize=(WIDTH, 1.5 * lines + 0.9), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    axes = list(grid.ravel())
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def _panel(axis: Axes, rows: pd.DataFrame, norm: LogNorm) -> AxesImage:
    table = rows.pivot_table(index="point", columns="moved", values="gain")
    gain = np.clip(table.to_numpy(), norm.vmin, norm.vmax)
    image = axis.imshow(gain, norm=norm, cmap="magma_r", interpolation="nearest")
    ends = [0, len(gain) - 1]
    labels = [str(end) for end in ends]
    axis.set_xticks(ends, labels, fontsize=7)
    axis.set_yticks(ends, labels, fontsize=7)
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)
    return image


def finding(rows: pd.DataFrame, task: str) -> str:
    """The alignments with the least and the largest gain of other points, and the largest gain.

    The gain of other points is the mean off the diagonal.
    """
    off_diagonal = rows[rows["moved"] != rows["point"]]
    gains = off_diagonal.groupby("alignment")["gain"].mean()
    top = rows.loc[rows["gain"].idxmax()]
    point, moved = int(top["point"]), int(top["moved"])
    return (
        f"On {task} a shift of one point moves the others least in the reference frame "
        f"{gains.idxmin()} (mean gain {sig(gains.min())}) "
        f"and most in {gains.idxmax()} ({sig(gains.max())}); "
        f"the largest single gain is {sig(top['gain'])}, of point {point} when point {moved} "
        f"moves, in {top['alignment']}."
    )
