"""How one point's shift moves all points in the frame of each alignment: the median of the change
of a point (row) over the shift of the moved point (column). A good frame moves little but the point
itself, the diagonal; a frame that hangs on two points swings all others when one of the two
moves."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from equitraj.report.figures import style

TITLE = "Which point moves which"
INPUTS = ("perturbation",)
SMALLEST = 1e-2  # a gain below this is drawn as this


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A heat map per alignment, of the first task."""
    table = style.read_table(inputs["perturbation"])
    if table.empty:
        return style.empty("no perturbation was measured"), "No perturbation was measured: 0 rows."
    task = table["task"].iloc[0]
    rows = table[table["task"] == task]
    alignments = list(rows["alignment"].unique())
    columns = 5 if len(alignments) > 16 else 4
    lines = -(-len(alignments) // columns)
    figure = Figure(figsize=(style.WIDTH, 1.5 * lines + 0.9), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for spare in axes[len(alignments) :]:
        spare.remove()
    norm = LogNorm(SMALLEST, max(10.0, float(np.nanpercentile(rows["gain"], 99.5))))
    for axis, alignment in zip(axes, alignments, strict=False):
        image = _panel(axis, rows[rows["alignment"] == alignment], norm)
        axis.set_title(alignment, fontsize=7.5, fontweight="normal")
    bar = figure.colorbar(
        image, ax=list(axes[: len(alignments)]), location="bottom", aspect=50, fraction=0.04
    )
    bar.set_label(f"gain on {task} (column: moved point, row: point that answers)")
    return figure, finding(rows, task)


def _panel(axis: Axes, rows: pd.DataFrame, norm: LogNorm) -> AxesImage:
    gain = rows.pivot_table(index="point", columns="moved", values="gain").to_numpy()
    image = axis.imshow(
        np.clip(gain, norm.vmin, norm.vmax), norm=norm, cmap="magma_r", interpolation="nearest"
    )
    last = len(gain) - 1
    axis.set_xticks([0, last], [0, last], fontsize=7)
    axis.set_yticks([0, last], [0, last], fontsize=7)
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)
    return image


def finding(rows: pd.DataFrame, task: str) -> str:
    """The alignment that carries a shift over to other points least and most (mean off the
    diagonal)."""
    others = rows[rows["moved"] != rows["point"]].groupby("alignment")["gain"].mean()
    top = rows.loc[rows["gain"].idxmax()]
    return (
        f"On {task} a shift of one point moves the others least in the frame {others.idxmin()} "
        f"(mean gain {style.sig(others.min())}) and most in {others.idxmax()} ({style.sig(others.max())}); the largest "
        f"single gain is {style.sig(top['gain'])}, of point {int(top['point'])} when point {int(top['moved'])} moves, "
        f"in {top['alignment']}."
    )
