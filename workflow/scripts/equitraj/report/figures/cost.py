"""Error on the test split against training time, as means over seeds, on the hardware of this run.

The lines are the errors of the two references, which need no training. A point on the upper edge
has a larger error than the axis shows."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    REFERENCES,
    Drawing,
    Styles,
    ceiling,
    fit_log_axis,
    kind_legend,
    label_right,
    largest_size,
    nothing,
    panel_height,
    panels,
    read_methods,
    reference_entries,
    reference_lines,
    sig,
    task_rows,
)

TITLE = "Accuracy against training time"
INPUTS = ("summary", "audit")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a point per method that has parameters."""
    summary, styles = read_methods(inputs)
    table = largest_size(summary).dropna(subset=["mse_mean"])
    fitted = [method for method, look in styles.items() if look.kind != "baseline"]
    trained = table["train_seconds_mean"] > 0
    table = table[trained & table["method"].isin(fitted)]
    if table.empty:
        return nothing("no method was trained")
    tasks = list(table["task"].unique())
    most = table.groupby("task").size().max()
    figure, axes = panels(len(tasks), height=panel_height(most))
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, task_rows(table, task), styles)
        axis.set_title(task)
    kind_legend(figure, styles, table["method"], reference_entries())
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    references = rows[REFERENCES].max()
    errors = rows["mse_mean"]
    shown = errors[errors < ceiling(references)]
    seconds = rows["train_seconds_mean"]
    fit_log_axis(axis.yaxis, [*shown, *references])
    fit_log_axis(axis.xaxis, seconds)
    reference_lines(axis, references)
    top = axis.get_ylim()[1]
    points = list(zip(seconds, errors.clip(upper=top), strict=True))
    for point, method in zip(points, rows["method"], strict=True):
        axis.plot(*point, **styles[method].point, clip_on=False)
    label_right(axis, points, list(rows["method"]), styles)
    axis.set(xlabel="training time (s)", ylabel="test MSE")
    axis.grid()


def finding(table: pd.DataFrame) -> str:
    """The most accurate method of each task, and the fastest one with at most twice its error."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        best = rows.loc[rows["mse_mean"].idxmin()]
        near = rows[rows["mse_mean"] <= 2 * best["mse_mean"]]
        fast = near.loc[near["train_seconds_mean"].idxmin()]
        text = f"{task}: {best['method']} reaches {_error_and_time(best)}"
        if fast["method"] == best["method"]:
            text += " and is the fastest within a factor of 2"
        else:
            text += f", {fast['method']} {_error_and_time(fast)}"
        parts.append(text)
    return "; ".join(parts) + "."


def _error_and_time(row: pd.Series) -> str:
    error = sig(row["mse_mean"])
    seconds = sig(row["train_seconds_mean"])
    return f"{error} in {seconds} s"
