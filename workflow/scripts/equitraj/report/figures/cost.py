"""Test error against the time that training took, mean over seeds, on the hardware of this run. The
lines are the errors of the two references, which need no training; a point on the upper edge has a
larger error than the axis shows."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Accuracy against training time"
INPUTS = ("summary", "audit")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a point per method that has parameters."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    table = style.largest_size(summary).dropna(subset=["mse_mean"])
    table = table[
        (table["train_seconds_mean"] > 0)
        & table["method"].map(lambda m: styles[m].kind != "baseline")
    ]
    tasks = list(table["task"].unique())
    if not tasks:
        return style.empty("no method was trained"), "No method was trained: 0 rows."
    figure, axes = style.panels(
        len(tasks), height=style.panel_height(table.groupby("task").size().max())
    )
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, table[table["task"] == task], styles)
        axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in table["method"]), style.reference_entries())
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    references = rows[["mse_persistence", "mse_velocity"]].max()
    shown = rows["mse_mean"][rows["mse_mean"] < style.ceiling(references)]
    style.log_axis(axis.yaxis, style.log_limits([*shown, *references]))
    style.log_axis(axis.xaxis, style.log_limits(rows["train_seconds_mean"]))
    for value, dash in zip(references, style.REFERENCE.values(), strict=True):
        axis.axhline(value, color=style.FAINT, linestyle=dash, linewidth=1, zorder=1)
    height = rows["mse_mean"].clip(upper=axis.get_ylim()[1])
    points = list(zip(rows["train_seconds_mean"], height, strict=True))
    for point, method in zip(points, rows["method"], strict=True):
        axis.plot(*point, marker=styles[method].marker, color=styles[method].colour, clip_on=False)
    style.label_right(axis, points, rows["method"], styles)
    axis.set(xlabel="training time (s)", ylabel="test MSE")
    axis.grid()


def finding(table: pd.DataFrame) -> str:
    """The most accurate method of each task, its time, and the fastest within a factor of two of
    its error."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        best = rows.loc[rows["mse_mean"].idxmin()]
        near = rows[rows["mse_mean"] <= 2 * best["mse_mean"]]
        fast = near.loc[near["train_seconds_mean"].idxmin()]
        seconds = style.sig(best["train_seconds_mean"])
        text = f"{task}: {best['method']} reaches {style.sig(best['mse_mean'])} in {seconds} s"
        if fast["method"] != best["method"]:
            text += f", {fast['method']} {style.sig(fast['mse_mean'])} in {style.sig(fast['train_seconds_mean'])} s"
        parts.append(
            text
            + (
                " and is the fastest within a factor of 2"
                if fast["method"] == best["method"]
                else ""
            )
        )
    return "; ".join(parts) + "."
