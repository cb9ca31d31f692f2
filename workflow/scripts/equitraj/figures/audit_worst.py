"""The worst rotation that an optimiser found on SO(3) (filled) beside the 95th percentile (p95) of random ones (open):
where they lie far apart, random rotations do not show the error. The grey band is rounding."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.figures import shared, style

TITLE = "The worst rotation"
INPUTS = ("summary", "audit", "probes")
RANDOM, WORST = "random p95", "worst"


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a row per method."""
    rows = shared.probe_rows(inputs, "worst_rotation")
    if rows.empty:
        return style.empty("no worst rotation was searched for"), "No worst rotation was searched for: 0 rows."
    summary, audit = style.read_table(inputs["summary"]), style.read_table(inputs["audit"])
    kinds, styles = style.method_kinds(summary, audit), style.method_styles(summary, audit)
    tasks = list(rows["task"].unique())
    figure, axes = style.panels(len(tasks), height=0.155 * rows.groupby("task")["method"].nunique().max() + 0.85)
    for axis, task in zip(axes, tasks, strict=True):
        part = rows[rows["task"] == task]
        pairs = part.pivot_table(index="method", columns="item", values="value").reindex(columns=[RANDOM, WORST])
        methods = shared.by_kind(pairs.index, kinds, pairs[WORST].to_dict())
        _panel(axis, pairs.loc[methods], part["floor"].median(), styles)
        shared.rows_axis(axis, methods, kinds)
        axis.set_title(task)
    looks = {"random p95": "white", "worst": style.FAINT}
    extra = [
        Line2D([], [], linestyle="none", marker="o", color=style.FAINT, markerfacecolor=face, label=label)
        for label, face in looks.items()
    ]
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()), [*extra, shared.floor_entry()])
    return figure, finding(rows)


def _panel(axis: Axes, pairs: pd.DataFrame, floor: float, styles: dict[str, style.MethodStyle]) -> None:
    values = pairs.clip(lower=shared.ZERO)
    limits = style.log_limits([*values.to_numpy().ravel(), floor])
    style.log_axis(axis.xaxis, limits)
    axis.axvspan(limits[0], floor, color=style.PALE, alpha=0.5, linewidth=0, zorder=0)
    for y, (method, row) in enumerate(values.iterrows()):
        look = styles[method]
        axis.plot(row, [y, y], color=look.colour, linewidth=1, alpha=0.5)
        axis.plot(row[RANDOM], y, marker=look.marker, color=look.colour, markerfacecolor="white", markersize=4.5)
        axis.plot(row[WORST], y, marker=look.marker, color=look.colour, markersize=4.5)
    axis.set_xlabel("relative error")
    axis.grid()


def finding(rows: pd.DataFrame) -> str:
    """The largest ratio of worst to random among what is above rounding, and how many stay at rounding at the worst."""
    worst = rows[rows["item"] == WORST]
    exact = shared.at_rounding(worst)
    text = f"{len(exact)} of {worst['method'].nunique()} methods stay at rounding under the worst rotation found"
    pairs = rows.pivot_table(index=["task", "method"], columns="item", values="value")
    pairs = pairs[~pairs.index.isin(exact, level="method")].dropna()
    if pairs.empty:
        return text + "."
    ratio = pairs[WORST] / pairs[RANDOM]
    task, method = ratio.idxmax()
    return (
        f"{text}; of the others the worst rotation is most above the random 95th percentile for {method} on {task}: "
        f"{style.sig(pairs[WORST][task, method])} against {style.sig(pairs[RANDOM][task, method])}, "
        f"{style.sig(ratio.max())} times."
    )
