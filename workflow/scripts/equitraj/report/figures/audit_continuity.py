"""Change of the prediction per change of the input, near degenerate reference frames.

The horizontal axis is the relative gap of the two leading second moments of the points. Where two
moments are equal, principal axes are undetermined. The gain of a method whose reference frame jumps
there grows without bound to the right; the gain of a continuous method stays near 1, and the gain
of a method that jumps everywhere is large throughout."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.shared import ZERO, label_few, probe_rows
from equitraj.report.figures.style import (
    Drawing,
    Styles,
    fit_log_axis,
    kind_legend,
    listing,
    nothing,
    panel_height,
    panels,
    read_methods,
    sig,
    task_rows,
)

TITLE = "Continuity near degenerate frames"
INPUTS = ("summary", "audit", "probes")
FLAT = 10.0  # a method with a smaller gain at every gap counts as continuous


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per method."""
    rows = probe_rows(inputs, "continuity")
    if rows.empty:
        return nothing("continuity was not measured")
    _, styles = read_methods(inputs)
    gains = rows.groupby(["task", "method", "x"])["value"].mean()
    growth = gains.groupby(["task", "method"]).max()
    tasks = list(rows["task"].unique())
    steep = max((growth[task] >= FLAT).sum() for task in tasks)
    figure, axes = panels(len(tasks), height=panel_height(steep + 3) + 0.3)
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, task_rows(rows, task), growth[task], styles)
        axis.set_title(task)
    kind_legend(figure, styles, rows["method"].unique())
    return figure, finding(growth, rows)


def _panel(axis: Axes, rows: pd.DataFrame, growth: pd.Series, styles: Styles) -> None:
    fit_log_axis(axis.xaxis, rows["x"])
    axis.invert_xaxis()
    fit_log_axis(axis.yaxis, rows["value"].clip(lower=ZERO))
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
            markersize=3.5,
            linewidth=1.1,
        )
        ends[method] = (curve.index[0], curve.iloc[0])
    flat = growth.index[growth < FLAT]
    label_few(axis, ends, styles, flat, "methods continuous")
    axis.set(xlabel="relative gap of the two leading moments", ylabel="gain")
    axis.grid()


def finding(growth: pd.Series, rows: pd.DataFrame) -> str:
    """Count the continuous methods, and give the largest gains of the others."""
    worst = growth.groupby("method").max()
    flat = worst < FLAT
    count = f"{flat.sum()} of {len(worst)} methods have a gain below {FLAT:g} at every gap"
    if worst.max() < FLAT:
        return count + "."
    steep = worst[~flat].sort_values()
    others = listing(f"{method} {sig(gain)}" for method, gain in steep.items())
    return f"{count}; the largest of the others: {others}."
