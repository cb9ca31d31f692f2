"""Validation error after each epoch for the methods that are trained by gradient descent: mean over
seeds, each seed faintly behind it. The model that is kept is the one with the lowest validation
error; the test split plays no part."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Learning curves"
INPUTS = ("summary", "audit", "history")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    summary, table = style.read_table(inputs["summary"]), style.read_table(inputs["history"])
    audit = style.read_claims(inputs["audit"])
    if table.empty:
        return style.empty(
            "no method was trained by gradient descent"
        ), "Nothing was trained: 0 epochs."
    styles = style.method_styles(summary, audit)
    table = style.largest_size(table)
    tasks = list(table["task"].unique())
    figure, axes = style.panels(len(tasks), height=style.panel_height(table["method"].nunique()))
    for axis, task in zip(axes, tasks, strict=True):
        still = summary.loc[summary["task"] == task, "mse_persistence"].max()
        _panel(axis, table[table["task"] == task], still, styles)
        axis.set_title(task)
    style.kind_legend(
        figure, (styles[m].kind for m in table["method"]), style.reference_entries()[:1]
    )
    return figure, finding(table)


def _panel(
    axis: Axes, rows: pd.DataFrame, still: float, styles: dict[str, style.MethodStyle]
) -> None:
    shown = [still, *rows["validation_mse"][rows["validation_mse"] < style.ceiling([still])]]
    style.log_axis(axis.yaxis, style.log_limits(shown))
    axis.set_xlim(rows["epoch"].min(), max(rows["epoch"].max(), rows["epoch"].min() + 1))
    axis.axhline(
        still, color=style.FAINT, linestyle=style.REFERENCE["no motion"], linewidth=1, zorder=1
    )
    ends = []
    for method, runs in rows.groupby("method"):
        look = styles[method]
        for _, run in runs.groupby("seed"):
            axis.plot(
                run["epoch"], run["validation_mse"], color=look.colour, linewidth=0.6, alpha=0.35
            )
        epochs = runs.groupby("epoch")["validation_mse"]
        mean = epochs.mean()[
            epochs.size() == epochs.size().max()
        ]  # where a seed has stopped there is no mean
        axis.plot(mean.index, mean, color=look.colour, linestyle=look.linestyle)
        ends.append((mean.index[-1], mean.iloc[-1]))
    style.label_right(axis, ends, sorted(rows["method"].unique()), styles)
    axis.set(xlabel="epoch", ylabel="validation MSE")
    axis.grid()


def finding(table: pd.DataFrame) -> str:
    """The lowest validation error of each task, and which methods were still falling when training
    stopped."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        best = rows.loc[rows["validation_mse"].idxmin()]
        parts.append(
            f"{task}: {best['method']} at {style.sig(best['validation_mse'])} (epoch {best['epoch']:.0f})"
        )
    falling = sorted(method for method, runs in table.groupby("method") if _still_falling(runs))
    ends = f"still falling by over 5 % in the last tenth of the epochs: {style.listing(falling)}"
    return f"Lowest validation error on {'; '.join(parts)}; {ends}."


def _still_falling(runs: pd.DataFrame) -> bool:
    # the best of the last tenth of the epochs against the best before it, mean over runs
    last = runs["epoch"] > 0.9 * runs.groupby(["task", "seed"])["epoch"].transform("max")
    best = [
        part.groupby(["task", "seed"])["validation_mse"].min() for part in (runs[last], runs[~last])
    ]
    return bool((best[0] / best[1]).mean() < 0.95)
