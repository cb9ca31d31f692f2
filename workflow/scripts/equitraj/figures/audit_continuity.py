"""Change of the prediction per change of the input, against the relative gap of the two leading moments of the points.
Where two moments meet, principal axes are not determined: a method with a frame that jumps there has a gain that grows
without bound to the right, a continuous one stays flat."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.figures import shared, style

TITLE = "Continuity near degenerate frames"
INPUTS = ("summary", "audit", "probes")
FLAT = 10.0  # a gain that grows by less than this counts as flat


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    rows = shared.probe_rows(inputs, "continuity")
    if rows.empty:
        return style.empty("continuity was not measured"), "Continuity was not measured: 0 rows."
    styles = style.method_styles(style.read_table(inputs["summary"]), style.read_table(inputs["audit"]))
    growth = rows.groupby(["task", "method"]).apply(growing, include_groups=False)
    tasks = list(rows["task"].unique())
    labels = max((growth[task] >= FLAT).sum() + 3 for task in tasks)
    figure, axes = style.panels(len(tasks), height=style.panel_height(labels) + 0.3)
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, rows[rows["task"] == task], growth[task], styles)
        axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()))
    return figure, finding(growth, rows)


def growing(rows: pd.DataFrame) -> float:
    """The gain at the smallest gap over that at the largest."""
    curve = rows.groupby("x")["value"].mean()
    return curve.iloc[0] / max(curve.iloc[-1], shared.ZERO)


def _panel(axis: Axes, rows: pd.DataFrame, growth: pd.Series, styles: dict[str, style.MethodStyle]) -> None:
    style.log_axis(axis.xaxis, style.log_limits(rows["x"]))
    axis.invert_xaxis()
    style.log_axis(axis.yaxis, style.log_limits(rows["value"].clip(lower=shared.ZERO)))
    ends = {}
    for method, part in rows.groupby("method"):
        curve = part.groupby("x")["value"].mean().clip(lower=shared.ZERO)
        look = styles[method]
        axis.plot(
            curve.index, curve, color=look.colour, marker=look.marker, linestyle=look.linestyle,
            markersize=3.5, linewidth=1.1,
        )  # fmt: skip
        ends[method] = (curve.index[0], curve.iloc[0])
    shared.label_few(axis, ends, styles, growth.index[growth < FLAT], "methods flat")
    axis.set(xlabel="relative gap of the two leading moments", ylabel="gain")
    axis.grid()


def finding(growth: pd.Series, rows: pd.DataFrame) -> str:
    """Which methods are flat, and whose gain grows most."""
    worst = growth.groupby("method").max()
    task, method = growth.idxmax()
    smallest = rows[(rows["task"] == task) & (rows["method"] == method)]["x"].min()
    flat = f"{(worst < FLAT).sum()} of {len(worst)} methods have a gain that grows by less than a factor {FLAT:g}"
    if not np.isfinite(worst.max()) or worst.max() < FLAT:
        return flat + "."
    return f"{flat}; that of {method} grows most, {style.sig(worst.max())} times at a gap of {style.sig(smallest)}."
