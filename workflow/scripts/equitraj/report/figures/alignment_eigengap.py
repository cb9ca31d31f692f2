"""How near the principal axes come to being undetermined: the share of frames whose relative gap of
the two leading second moments is below a value. At a gap of 0 the two axes may be exchanged or
turned at will."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Gap of the two leading moments"
INPUTS = ("eigengap",)
COLOURS = [style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.INK]
NEAR = 0.1  # a gap below which the axes turn ten times as far as the points move


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """One panel, a line per task."""
    table = style.read_table(inputs["eigengap"]).dropna(subset=["gap"])
    if table.empty:
        return style.empty(
            "no gap of moments was measured"
        ), "No gap of moments was measured: 0 rows."
    figure, (axis,) = style.panels(1, height=2.8)
    axis.set(
        xlim=(0, 1.02),
        ylim=(0, 1.03),
        xlabel="relative gap of the two leading moments",
        ylabel="share of frames",
    )
    axis.axvspan(0, NEAR, color=style.PALE, alpha=0.5, linewidth=0)
    axis.text(
        NEAR / 2, 1.0, "near\ndegenerate", ha="center", va="top", fontsize=7, color=style.FAINT
    )
    tasks = list(table["task"].unique())
    looks, points = {}, []
    for number, task in enumerate(tasks):
        rows = table[table["task"] == task].sort_values("quantile")
        looks[task] = style.MethodStyle(
            "", COLOURS[number % len(COLOURS)], "o", style.DASHES[number % 4]
        )
        axis.plot(
            rows["gap"], rows["quantile"], color=looks[task].colour, linestyle=looks[task].linestyle
        )
        points.append((rows["gap"].iloc[-1], rows["quantile"].iloc[-1]))
    style.label_right(axis, points, tasks, looks)
    axis.grid()
    return figure, finding(table)


def share_below(rows: pd.DataFrame, gap: float) -> float:
    """The share of frames with a smaller gap, interpolated between the quantiles of the table."""
    rows = rows.sort_values("quantile")
    if gap <= rows["gap"].iloc[0]:
        return 0.0
    below = rows[rows["gap"] <= gap].iloc[-1]
    above = rows[rows["gap"] > gap]
    if above.empty:
        return 1.0
    part = (gap - below["gap"]) / (above["gap"].iloc[0] - below["gap"])
    return float(below["quantile"] + part * (above["quantile"].iloc[0] - below["quantile"]))


def finding(table: pd.DataFrame) -> str:
    """Smallest and median gap of each task, and the share near degenerate."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        median = rows.loc[(rows["quantile"] - 0.5).abs().idxmin(), "gap"]
        parts.append(
            f"{task}: the smallest gap is {style.sig(rows['gap'].min())}, the median {style.sig(median)}, and "
            f"{100 * share_below(rows, NEAR):.3g} % of the frames are below {NEAR:g}"
        )
    return "; ".join(parts) + "."
