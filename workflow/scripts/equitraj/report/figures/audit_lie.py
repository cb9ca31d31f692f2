"""Lie derivative of each method: the rate at which it loses equivariance under a small motion.

The motion is an infinitesimal rotation (filled) or translation (open). The derivative is the root
mean square over test samples, relative to the predicted displacement (Gruver et al., ICLR 2023). It
follows the reference frame of each sample and does not detect where a reference frame jumps. The
panel on the right shows the derivative of each layer in order, if the framework gives access to
the layers."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from equitraj.report.figures.shared import (
    ZERO,
    FillStyle,
    at_rounding,
    face_entries,
    floor_entry,
    label_few,
    marker_rows,
    probe_rows,
    row_panels,
)
from equitraj.report.figures.style import (
    FAINT,
    PALE,
    Drawing,
    Styles,
    kind_legend,
    listing,
    log_axis,
    log_limits,
    nothing,
    read_methods,
    sig,
    task_rows,
)

TITLE = "Lie derivatives"
INPUTS = ("summary", "audit", "probes")
FACES: dict[str, FillStyle] = {"rotation": "full", "translation": "none"}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a row per method, and a panel of layers if there are any."""
    rows = probe_rows(inputs, "lie")
    if rows.empty:
        return nothing("no Lie derivative was measured")
    layers = probe_rows(inputs, "lie_layer")
    _, styles = read_methods(inputs)
    tasks = list(rows["task"].unique())
    most = rows.groupby("task")["method"].nunique().max()
    columns = 1 if layers.empty else 2
    figure, grid = row_panels(tasks, most, columns, sharey=False)
    for axes, task in zip(grid, tasks, strict=True):
        marker_rows(axes[0], task_rows(rows, task), FACES, styles)
        axes[0].set_xlabel("Lie derivative (relative)")
        if columns == 2:
            _layers(axes[1], task_rows(layers, task), styles)
    entries = [*face_entries(FACES), floor_entry()]
    kind_legend(figure, styles, rows["method"].unique(), entries)
    return figure, finding(rows)


def _layers(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    if rows.empty:
        _no_layers(axis)
        return
    floor = rows["floor"].median()
    errors = rows["value"].clip(lower=ZERO)
    limits = log_limits([*errors, floor])
    log_axis(axis.yaxis, limits)
    axis.axhspan(limits[0], floor, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    ends = {}
    for method, part in rows.groupby("method"):
        means = part.groupby("x")["value"].mean()
        curve = means.clip(lower=ZERO)
        look = styles[method]
        axis.plot(
            curve.index,
            curve,
            **look.line,
            marker=look.marker,
            linewidth=1.1,
        )
        ends[method] = (curve.index[-1], curve.iloc[-1])
    label_few(axis, ends, styles, at_rounding(rows), "methods at rounding")
    axis.set_title("layer by layer")
    axis.set(xlabel="layer, from the input to the output", ylabel="relative to the layer's output")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid()


def _no_layers(axis: Axes) -> None:
    axis.text(
        0.5,
        0.5,
        "no layer was measured",
        ha="center",
        transform=axis.transAxes,
        color=FAINT,
    )
    axis.set_axis_off()


def finding(rows: pd.DataFrame) -> str:
    """Count the methods at rounding under all motions, and give each motion's largest rate."""
    exact = len(at_rounding(rows))
    count = rows["method"].nunique()
    largest = []
    for motion, part in rows.groupby("item"):
        top = part.loc[part["value"].idxmax()]
        value = sig(top["value"])
        where = f"{top['method']} on {top['task']}"
        largest.append(f"under {motion} the largest is {value} ({where})")
    return (
        f"{exact} of {count} methods have a Lie derivative at rounding under all that was "
        f"measured; {listing(largest)}."
    )
