"""Is an alignment a good reference frame? Each panel shows one test, with a dot per task.

From left to right: the share of steps at which the rotation of the alignment jumps; how much it
amplifies a small perturbation of a point; the share of the variance that it puts into far-away
points; and the relative change of the aligned points when the input is rotated, when degenerate
points are rotated (planar, collinear, symmetric or coincident ones; the largest of the four), and
when the input is reflected."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from equitraj.report.figures.style import (
    Drawing,
    bracketed,
    fit_log_axis,
    nothing,
    panels,
    read_table,
    series_colour,
    sig,
)

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
ZERO = 1e-17  # where a value of exactly 0 is drawn on a logarithmic axis
INVARIANT = 1e-6  # relative change below which an alignment removes rotations


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per diagnostic with a row per alignment."""
    table = read_table(inputs["alignment"])
    if table.empty:
        return nothing("no alignment was measured")
    table = with_degenerate(table)
    alignments = sorted(table["alignment"].unique(), reverse=True)
    tasks = list(table["task"].unique())
    columns = [column for column in COLUMNS if column in table and table[column].notna().any()]
    figure, axes = panels(
        len(columns),
        columns=len(columns),
        height=0.22 * len(alignments) + 1.0,
        sharey=True,
    )
    for axis, column in zip(axes, columns, strict=True):
        _panel(axis, table, column, alignments, tasks)
        axis.set_xlabel(COLUMNS[column], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
    entries = [_entry(number, task) for number, task in enumerate(tasks)]
    figure.legend(handles=entries, loc="outside lower center", ncols=4)
    return figure, finding(table)


def _entry(number: int, task: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker="o",
        color=series_colour(number),
        label=task,
    )


def with_degenerate(table: pd.DataFrame) -> pd.DataFrame:
    """Add to alignment.csv a column `degenerate`, the largest error on degenerate points."""
    errors = table.filter(like="rotation_error_")
    largest = errors.max(axis=1)
    return table.assign(degenerate=largest)


def _panel(
    axis: Axes, table: pd.DataFrame, column: str, alignments: list[str], tasks: list[str]
) -> None:
    values = table[column].to_numpy(dtype=float)
    values = values * (100 if column in SHARES else 1)
    largest = np.nanmax(values)
    if column in SHARES:
        width = max(largest, 0.1)
        axis.set_xlim(-0.08 * width, 1.15 * width)
    else:
        values = np.where(values == 0, ZERO, values)
        fit_log_axis(axis.xaxis, values)
        _thin_ticks(axis, values)
    numbers = table["task"].map(tasks.index)
    shift = 0.5 * ((numbers + 0.5) / len(tasks) - 0.5)
    rows = table["alignment"].map(alignments.index)
    colours = [series_colour(number) for number in numbers]
    axis.scatter(values, rows - shift, c=colours, s=14, zorder=3)
    axis.set_yticks(range(len(alignments)), alignments, fontsize=7.5)
    axis.set_ylim(-0.6, len(alignments) - 0.4)
    axis.grid()


def _thin_ticks(axis: Axes, values: np.ndarray) -> None:
    """Show few ticks on a wide range of values."""
    locator = axis.xaxis.get_major_locator()
    wide = np.nanmax(values) > 200 * np.nanmin(values)
    if wide and isinstance(locator, LogLocator):
        locator.set_params(numticks=3)


def finding(table: pd.DataFrame) -> str:
    """Count the alignments that remove rotations, and name those that jump and amplify most."""
    worst = table.drop(columns="task").groupby("alignment").max()
    jump_rate = worst["jump_rate"]
    jumps = f"{jump_rate.idxmax()} jumps most, at {100 * jump_rate.max():.3g} % of the steps"
    if jump_rate.max() == 0:
        jumps = "no alignment jumps (0 %)"
    gain = worst["perturbation_gain"]
    invariant = sorted(worst.index[worst["rotation_error"] < INVARIANT])
    errors = worst.loc[invariant].filter(like="rotation_error")
    throughout = errors.max(axis=1) < INVARIANT
    return (
        f"{len(invariant)} of {len(worst)} alignments remove rotations to a relative change below "
        f"1e-6{bracketed(invariant)}, {throughout.sum()} of these on degenerate points too; "
        f"{jumps}; the largest gain of a small perturbation is {sig(gain.max())}, of the "
        f"alignment {gain.idxmax()!r}."
    )
