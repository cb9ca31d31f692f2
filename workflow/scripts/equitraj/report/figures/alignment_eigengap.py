"""How often are principal axes nearly undetermined?

The curves give the share of time steps whose relative gap of the two leading second moments is
below a value. At a gap of 0 the two axes may be exchanged or turned arbitrarily."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    DASHES,
    FAINT,
    PALE,
    Drawing,
    MethodStyle,
    Styles,
    label_right,
    nothing,
    panels,
    read_table,
    series_colour,
    sig,
    task_rows,
)

TITLE = "Gap of the two leading moments"
INPUTS = ("eigengap",)
NEAR = 0.1  # at this gap, the axes turn ten times as far as the points move


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw one panel with a line per task."""
    table = read_table(inputs["eigengap"]).dropna(subset=["gap"])
    if table.empty:
        return nothing("no gap of moments was measured")
    figure, (axis,) = panels(1, height=2.8)
    axis.set(
        xlim=(0, 1.02),
        ylim=(0, 1.03),
        xlabel="relative gap of the two leading moments",
        ylabel="share of frames",
    )
    _mark_degenerate(axis)
    tasks = list(table["task"].unique())
    looks: Styles = {}
    points = []
    for number, task in enumerate(tasks):
        rows = task_rows(table, task).sort_values("quantile")
        look = MethodStyle("", series_colour(number), "o", DASHES[number % 4])
        axis.plot(rows["gap"], rows["quantile"], **look.line)
        last = rows.iloc[-1]
        points.append((last["gap"], last["quantile"]))
        looks[task] = look
    label_right(axis, points, tasks, looks)
    axis.grid()
    return figure, finding(table)


def _mark_degenerate(axis: Axes) -> None:
    axis.axvspan(0, NEAR, color=PALE, alpha=0.5, linewidth=0)
    axis.text(
        NEAR / 2,
        1.0,
        "near\ndegenerate",
        ha="center",
        va="top",
        fontsize=7,
        color=FAINT,
    )


def share_below(rows: pd.DataFrame, gap: float) -> float:
    """The share of time steps with a smaller gap, interpolated between quantiles of the table."""
    rows = rows.sort_values("quantile")
    if gap <= rows["gap"].iloc[0]:
        return 0.0
    larger = rows["gap"] > gap
    if not larger.any():
        return 1.0
    below = rows[~larger].iloc[-1]
    above = rows[larger].iloc[0]
    part = (gap - below["gap"]) / (above["gap"] - below["gap"])
    share = below["quantile"] + part * (above["quantile"] - below["quantile"])
    return float(share)


def finding(table: pd.DataFrame) -> str:
    """The smallest and the median gap of each task, and its share of nearly degenerate steps."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        smallest = sig(rows["gap"].min())
        quantile = rows["quantile"]
        from_median = (quantile - 0.5).abs()
        median = sig(rows.loc[from_median.idxmin(), "gap"])
        percent = 100 * share_below(rows, NEAR)
        parts.append(
            f"{task}: the smallest gap is {smallest}, the median {median}, "
            f"and {percent:.3g} % of the frames are below {NEAR:g}"
        )
    return "; ".join(parts) + "."
