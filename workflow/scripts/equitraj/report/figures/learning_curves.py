"""Validation error after each epoch, for the methods that are trained by gradient descent.

The thick lines are means over seeds, and the faint lines are the seeds. The selected model is the
one with the lowest validation error; the test split plays no part."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    FAINT,
    REFERENCE,
    Drawing,
    MethodStyle,
    Styles,
    ceiling,
    fit_log_axis,
    kind_legend,
    label_right,
    largest_size,
    listing,
    nothing,
    panel_height,
    panels,
    read_methods,
    read_table,
    reference_entries,
    sig,
    task_rows,
)

TITLE = "Learning curves"
INPUTS = ("summary", "audit", "history")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per method."""
    summary, styles = read_methods(inputs)
    table = read_table(inputs["history"])
    if table.empty:
        return nothing("no method was trained by gradient descent", "epochs")
    table = largest_size(table)
    tasks = list(table["task"].unique())
    height = panel_height(table["method"].nunique())
    figure, axes = panels(len(tasks), height=height)
    for axis, task in zip(axes, tasks, strict=True):
        still = task_rows(summary, task)["mse_persistence"].max()
        _panel(axis, task_rows(table, task), still, styles)
        axis.set_title(task)
    kind_legend(figure, styles, table["method"], reference_entries()[:1])
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, still: float, styles: Styles) -> None:
    errors = rows["validation_mse"]
    shown = errors[errors < ceiling([still])]
    fit_log_axis(axis.yaxis, [still, *shown])
    first = rows["epoch"].min()
    last = rows["epoch"].max()
    axis.set_xlim(first, max(last, first + 1))
    axis.axhline(
        still,
        color=FAINT,
        linestyle=REFERENCE["no motion"],
        linewidth=1,
        zorder=1,
    )
    ends = {}
    for method, runs in rows.groupby("method"):
        mean = _curves(axis, runs, styles[method])
        ends[method] = (mean.index[-1], mean.iloc[-1])
    label_right(axis, list(ends.values()), list(ends), styles)
    axis.set(xlabel="epoch", ylabel="validation MSE")
    axis.grid()


def _curves(axis: Axes, runs: pd.DataFrame, look: MethodStyle) -> pd.Series:
    """Draw the seeds of a method and their mean, and return the mean.

    The mean ends where the first seed stops.
    """
    for _, run in runs.groupby("seed"):
        axis.plot(
            run["epoch"],
            run["validation_mse"],
            color=look.colour,
            linewidth=0.6,
            alpha=0.35,
        )
    epochs = runs.groupby("epoch")["validation_mse"]
    complete = epochs.size() == epochs.size().max()
    mean = epochs.mean()[complete]
    axis.plot(mean.index, mean, **look.line)
    return mean


def finding(table: pd.DataFrame) -> str:
    """The lowest validation error of each task, and the methods whose error still fell."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        best = rows.loc[rows["validation_mse"].idxmin()]
        error = sig(best["validation_mse"])
        parts.append(f"{task}: {best['method']} at {error} (epoch {best['epoch']:.0f})")
    lowest = "; ".join(parts)
    falling = listing(
        sorted(method for method, runs in table.groupby("method") if _still_falling(runs))
    )
    return (
        f"Lowest validation error on {lowest}; "
        f"still falling by over 5 % in the last tenth of the epochs: {falling}."
    )


def _still_falling(runs: pd.DataFrame) -> bool:
    """Whether the last tenth of the epochs lowered the smallest error by over 5 %, averaged."""
    run = ["task", "seed"]
    n_epochs = runs.groupby(run)["epoch"].transform("max")
    late = runs["epoch"] > 0.9 * n_epochs
    late_best = runs[late].groupby(run)["validation_mse"].min()
    early_best = runs[~late].groupby(run)["validation_mse"].min()
    ratio = late_best / early_best
    return bool(ratio.mean() < 0.95)
