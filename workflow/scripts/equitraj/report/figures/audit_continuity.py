"""Change of the prediction per change of the input, against the relative gap of the two leading
moments of the points. Where two moments meet, principal axes are not determined: a method with a
frame that jumps there has a gain that grows without bound to the right, a continuous one stays near
1, and one that jumps anywhere is far above throughout."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import shared, style

TITLE = "Continuity near degenerate frames"
INPUTS = ("summary", "audit", "probes")
FLAT = 10.0  # a gain below this at every gap counts as continuous


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    rows = shared.probe_rows(inputs, "continuity")
    if rows.empty:
        return style.empty("continuity was not measured"), "Continuity was not measured: 0 rows."
    styles = style.method_styles(
        style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    )
    growth = rows.groupby(["task", "method", "x"])["value"].mean().groupby(["task", "method"]).max()
    tasks = list(rows["task"].unique())
    labels = max((growth[task] >= FLAT).sum() + 3 for task in tasks)
    figure, axes = style.panels(len(tasks), height=style.panel_height(labels) + 0.3)
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, rows[rows["task"] == task], growth[task], styles)
        axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()))
    return figure, finding(growth, rows)


def _panel(
    axis: Axes, rows: pd.DataFrame, growth: pd.Series, styles: dict[str, style.MethodStyle]
) -> None:
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
    shared.label_few(axis, ends, styles, growth.index[growth < FLAT], "methods continuous")
    axis.set(xlabel="relative gap of the two leading moments", ylabel="gain")
    axis.grid()


def finding(growth: pd.Series, rows: pd.DataFrame) -> str:
    """How many methods are continuous, and whose gain is the largest."""
    worst = growth.groupby("method").max()
    flat = f"{(worst < FLAT).sum()} of {len(worst)} methods have a gain below {FLAT:g} at every gap"
    if worst.max() < FLAT:
        return flat + "."
    others = [
        f"{method} {style.sig(value)}"
        for method, value in worst[~(worst < FLAT)].sort_values().items()
    ]
    return f"{flat}; the largest of the others: {style.listing(others)}."
