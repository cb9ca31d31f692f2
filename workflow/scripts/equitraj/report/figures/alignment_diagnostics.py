"""Is an alignment a good frame? From left to right: the share of steps at which its rotation jumps;
how much a small perturbation of a point is amplified; the share of the variance that it puts into
far-away points; the relative change of the aligned points when the input is rotated, when planar,
collinear, symmetric or coincident points are (the largest of the four), and when the input is
reflected. A dot per task."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.report.figures import style

TITLE = "Alignments under test"
INPUTS = ("alignment",)
COLUMNS = {
    "jump_rate": "jumps per step\n(%)",
    "perturbation_gain": "perturbation\ngain",
    "far_share": "variance in far\npoints (%)",
    "rotation_error": "change under\nrotation",
    "degenerate": "rotation of\ndegenerate points",
    "reflection_error": "change under\nreflection",
}
SHARES = ("jump_rate", "far_share")  # drawn in per cent on a linear axis
COLOURS = [style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.INK]
ZERO = 1e-17  # a value of exactly 0 is drawn here on a logarithmic axis


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per diagnostic, a row per alignment."""
    table = style.read_table(inputs["alignment"])
    if table.empty:
        return style.empty("no alignment was measured"), "No alignment was measured: 0 rows."
    table = with_degenerate(table)
    alignments, tasks = (
        sorted(table["alignment"].unique(), reverse=True),
        list(table["task"].unique()),
    )
    columns = [column for column in COLUMNS if column in table and table[column].notna().any()]
    height = 0.22 * len(alignments) + 1.0
    figure, axes = style.panels(len(columns), columns=len(columns), height=height, sharey=True)
    for axis, column in zip(axes, columns, strict=True):
        _panel(axis, table, column, alignments, tasks)
        axis.set_xlabel(COLUMNS[column], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
    entries = [
        Line2D([], [], linestyle="none", marker="o", color=COLOURS[i % len(COLOURS)], label=task)
        for i, task in enumerate(tasks)
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=4)
    return figure, finding(table)


def with_degenerate(table: pd.DataFrame) -> pd.DataFrame:
    """alignment.csv with a column `degenerate`: the largest of its rotation errors on degenerate
    points."""
    return table.assign(degenerate=table.filter(like="rotation_error_").max(axis=1))


def _panel(
    axis: Axes, table: pd.DataFrame, column: str, alignments: list[str], tasks: list[str]
) -> None:
    values = table[column].to_numpy(dtype=float) * (100 if column in SHARES else 1)
    shift = 0.5 * ((table["task"].map(tasks.index) + 0.5) / len(tasks) - 0.5)
    y = table["alignment"].map(alignments.index) - shift
    colours = [COLOURS[tasks.index(task) % len(COLOURS)] for task in table["task"]]
    if column in SHARES:
        axis.set_xlim(-0.08 * max(np.nanmax(values), 0.1), 1.15 * max(np.nanmax(values), 0.1))
    else:
        values = np.where(values == 0, ZERO, values)
        style.log_axis(axis.xaxis, style.log_limits(values))
        if np.nanmax(values) > 200 * np.nanmin(values):
            axis.xaxis.get_major_locator().set_params(numticks=3)
    axis.scatter(values, y, c=colours, s=14, zorder=3)
    axis.set_yticks(range(len(alignments)), alignments, fontsize=7.5)
    axis.set_ylim(-0.6, len(alignments) - 0.4)
    axis.grid()


def finding(table: pd.DataFrame) -> str:
    """The alignment that jumps most, the one that amplifies most, and which remove rotations."""
    worst = table.drop(columns="task").groupby("alignment").max()
    invariant = sorted(worst.index[worst["rotation_error"] < 1e-6])
    throughout = worst.loc[invariant].filter(like="rotation_error").max(axis=1) < 1e-6
    jump, gain = worst["jump_rate"].idxmax(), worst["perturbation_gain"].idxmax()
    jumps = f"{jump} jumps most, at {100 * worst['jump_rate'].max():.3g} % of the steps"
    if worst["jump_rate"].max() == 0:
        jumps = "no alignment jumps (0 %)"
    return (
        f"{len(invariant)} of {len(worst)} alignments remove rotations to a relative change below 1e-6"
        f"{style.bracketed(invariant)}, {throughout.sum()} of these on degenerate points too; {jumps}; "
        f"{gain} amplifies small perturbations most, by {style.sig(worst['perturbation_gain'].max())}."
    )
