"""Error of every method on the test split, one step ahead, the most accurate method first.

The mean over seeds has a 95 % confidence interval over seeds and blocks of test samples if there
are three seeds. The dashed line is the error of predicting no motion, the dotted line the error of
constant velocity, and the thin line the floor: the error that remains when the same states are
simulated again, which no method can beat. The numbers on the right are skills, 1 - MSE / MSE of no
motion. An arrow points to an error beyond the axis."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    FAINT,
    REFERENCES,
    Drawing,
    MethodStyle,
    Styles,
    ceiling,
    fit_log_axis,
    floor_line,
    kind_legend,
    largest_size,
    panels,
    read_methods,
    reference_entries,
    reference_lines,
    sig,
    skill,
    task_rows,
    with_floor,
)
from equitraj.report.floor import Level, levels

TITLE = "Accuracy one step ahead"
INPUTS = ("summary", "audit", "floor")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a row per method, sorted by error."""
    summary, styles = read_methods(inputs)
    floors = levels(inputs["floor"])
    table = largest_size(summary)
    tasks = list(table["task"].unique())
    most = table.groupby("task").size().max()
    figure, axes = panels(len(tasks), height=0.185 * most + 0.75)
    for axis, task in zip(axes, tasks, strict=True):
        rows = task_rows(table, task)
        rows = rows.sort_values("mse_mean", ascending=False)
        _panel(axis, rows, styles, floors.get(task))
        axis.set_title(task, pad=12)
    kind_legend(figure, styles, styles, reference_entries())
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, styles: Styles, floor: Level | None) -> None:
    references = rows[REFERENCES].max()
    _set_limits(axis, rows, references, floor)
    reference_lines(axis, references, vertical=True)
    if floor:
        floor_line(axis, floor.value, floor.kind, vertical=True)
    count = len(rows)
    for y in range(count):
        row = rows.iloc[y]
        _row(axis, y, row, styles[row["method"]])
    axis.text(
        1.02,
        count - 0.25,
        "skill",
        transform=axis.get_yaxis_transform(),
        fontsize=7.5,
        color=FAINT,
    )
    axis.set_yticks(range(count), rows["method"])
    axis.set_ylim(-0.6, count - 0.4)
    axis.set_xlabel("test MSE")
    axis.grid(axis="y")


def _set_limits(axis: Axes, rows: pd.DataFrame, references: pd.Series, floor: Level | None) -> None:
    """Show all errors below the ceiling, and most of their intervals."""
    errors = rows["mse_mean"]
    shown = errors[errors < ceiling(references)]
    lowest = floor.value if floor else None
    points = with_floor([*shown, *references], lowest)
    intervals = rows.loc[shown.index, ["mse_low", "mse_high"]]
    ends = intervals.clip(min(points) / 3, max(points) * 3).to_numpy()
    fit_log_axis(axis.xaxis, [*points, *ends.ravel()])


def _row(axis: Axes, y: int, row: pd.Series, look: MethodStyle) -> None:
    error = row["mse_mean"]
    left, right = axis.get_xlim()
    axis.text(
        1.02,
        y,
        skill(row["skill_mean"]) if np.isfinite(error) else "failed",
        transform=axis.get_yaxis_transform(),
        va="center",
        fontsize=7.5,
    )
    if error > right:
        _arrow(axis, y, error, look.colour)
        return
    # an interval may reach below zero, which has no place on a logarithmic axis
    low = max(row["mse_low"], left)
    axis.plot(
        [low, row["mse_high"]],
        [y, y],
        color=look.colour,
        linewidth=1.8,
        alpha=0.55,
    )
    axis.plot(error, y, **look.point)


def _arrow(axis: Axes, y: int, error: float, colour: str) -> None:
    """Write an error beyond the axis, with an arrow towards it."""
    right = axis.get_xlim()[1]
    axis.annotate(
        f"{sig(error)} ",
        xy=(right, y),
        xytext=(0.8, y),
        xycoords=("data", "data"),
        textcoords=("axes fraction", "data"),
        ha="right",
        va="center",
        color=colour,
        fontsize=7.5,
        arrowprops={"arrowstyle": "->", "color": colour},
    )


def finding(table: pd.DataFrame) -> str:
    """Name the best method of each task, and count the methods that beat both references."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        finished = rows.dropna(subset=["mse_mean"])
        if finished.empty:
            parts.append(f"{task}: every method failed")
            continue
        errors = finished["mse_mean"]
        best = finished.loc[errors.idxmin()]
        lower_reference = finished[REFERENCES].min(axis=1)
        beats_both = errors < lower_reference
        still, velocity = (sig(best[column]) for column in REFERENCES)
        parts.append(
            f"{task}: {best['method']} is best with {sig(best['mse_mean'])}, "
            f"and {beats_both.sum()} of {len(finished)} methods beat both no motion ({still}) "
            f"and constant velocity ({velocity})"
        )
    return "; ".join(parts) + "."
