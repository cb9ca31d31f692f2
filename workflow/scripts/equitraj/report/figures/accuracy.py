"""One-step test error of every method, best first: mean over seeds with its 95 % interval over
seeds and blocks of test samples, where there are three seeds. The dashed line is the error of
predicting no motion, the dotted one that of constant velocity, and the thin one the floor, which no
method can beat: what is left where the same states are simulated again; at the right the skill, 1 -
MSE / MSE of no motion. An arrow points to an error beyond the axis."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style
from equitraj.report.floor import Level, levels

TITLE = "Accuracy one step ahead"
INPUTS = ("summary", "audit", "floor")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a row per method, sorted by error."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    table = style.largest_size(summary)
    tasks, floors = list(table["task"].unique()), levels(inputs["floor"])
    rows = table.groupby("task").size().max()
    figure, axes = style.panels(len(tasks), height=0.185 * rows + 0.75)
    for axis, task in zip(axes, tasks, strict=True):
        _panel(
            axis,
            table[table["task"] == task].sort_values("mse_mean", ascending=False),
            styles,
            floors.get(task),
        )
        axis.set_title(task, pad=12)
    style.kind_legend(figure, (s.kind for s in styles.values()), style.reference_entries())
    return figure, finding(table)


def _panel(
    axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle], floor: Level | None
) -> None:
    references = rows[["mse_persistence", "mse_velocity"]].max()
    shown = rows["mse_mean"][rows["mse_mean"] < style.ceiling(references)]
    around = style.with_floor([*shown, *references], floor and floor.value)
    ends = rows.loc[shown.index, ["mse_low", "mse_high"]].clip(min(around) / 3, max(around) * 3)
    style.log_axis(axis.xaxis, style.log_limits([*around, *ends.to_numpy().ravel()]))
    for value, dash in zip(references, style.REFERENCE.values(), strict=True):
        axis.axvline(value, color=style.FAINT, linestyle=dash, linewidth=1, zorder=1)
    if floor:
        style.floor_line(axis, floor.value, floor.kind, vertical=True)
    for y, row in enumerate(rows.itertuples()):
        _row(axis, y, row, styles[row.method])
    axis.text(
        1.02,
        len(rows) - 0.25,
        "skill",
        transform=axis.get_yaxis_transform(),
        fontsize=7.5,
        color=style.FAINT,
    )
    axis.set_yticks(range(len(rows)), rows["method"])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel("test MSE")
    axis.grid(axis="y")


def _row(axis: Axes, y: int, row: tuple, look: style.MethodStyle) -> None:
    left, right = axis.get_xlim()
    beside = style.skill(row.skill_mean) if np.isfinite(row.mse_mean) else "failed"
    axis.text(1.02, y, beside, transform=axis.get_yaxis_transform(), va="center", fontsize=7.5)
    if row.mse_mean > right:
        axis.annotate(
            f"{style.sig(row.mse_mean)} ", (right, y), (0.8, y), ("data", "data"), ("axes fraction", "data"),
            ha="right", va="center", color=look.colour, fontsize=7.5,
            arrowprops={"arrowstyle": "->", "color": look.colour},
        )  # fmt: skip
        return
    # an interval may reach below zero, where no log axis goes
    axis.plot(
        [max(row.mse_low, left), row.mse_high], [y, y], color=look.colour, linewidth=1.8, alpha=0.55
    )
    axis.plot(row.mse_mean, y, marker=look.marker, color=look.colour)


def finding(table: pd.DataFrame) -> str:
    """The best method of each task, and how many beat both references."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        ok = rows.dropna(subset=["mse_mean"])
        if ok.empty:
            parts.append(f"{task}: every method failed")
            continue
        best = ok.loc[ok["mse_mean"].idxmin()]
        beaten = (ok["mse_mean"] < ok[["mse_persistence", "mse_velocity"]].min(axis=1)).sum()
        parts.append(
            f"{task}: {best['method']} is best with {style.sig(best['mse_mean'])}, and {beaten} of {len(ok)} methods "
            f"beat both no motion ({style.sig(best['mse_persistence'])}) and constant velocity "
            f"({style.sig(best['mse_velocity'])})"
        )
    return "; ".join(parts) + "."
