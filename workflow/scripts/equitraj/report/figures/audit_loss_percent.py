"""The cost of missing symmetry: the part of the loss that a method without it could avoid.

On randomly rotated test data the loss is exactly the loss of the symmetrised method (circle) plus
the variance of the method over the rotations (triangle). The bars give the share of the second
term, which is 0 for an exactly equivariant method. All values are in float64 and are means over
seeds."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from equitraj.report.figures.shared import ZERO, by_kind, row_panels, rows_axis
from equitraj.report.figures.style import (
    FAINT,
    Drawing,
    Styles,
    fit_log_axis,
    largest_size,
    method_kinds,
    method_styles,
    nothing,
    read_table,
    sig,
)

TITLE = "Share of the loss that is lack of symmetry"
INPUTS = ("summary", "audit")
TERMS = {
    "loss_twirled": ("o", "loss of the symmetrised method"),
    "loss_variance": ("^", "variance over rotations"),
}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw two panels per task with a row per method: the share, and both terms."""
    summary = read_table(inputs["summary"])
    audit = read_table(inputs["audit"])
    rows = rotated_rows(audit)
    if rows.empty:
        return nothing("no loss was measured on rotated data")
    runs = largest_size(rows).groupby(["task", "method"], sort=False)
    table = runs[["loss_percent", *TERMS]].mean()
    kinds = method_kinds(summary, audit)
    styles = method_styles(summary, audit)
    tasks = list(table.index.unique("task"))
    most = table.groupby("task").size().max()
    figure, grid = row_panels(tasks, most, columns=2)
    for (left, right), task in zip(grid, tasks, strict=True):
        losses = table.loc[task]
        share = losses["loss_percent"].round(4)
        methods = by_kind(losses.index, kinds, share.to_dict())
        losses = losses.loc[methods]
        _shares(left, losses["loss_percent"], styles)
        _terms(right, losses, styles)
        rows_axis(left, methods, kinds)
    entries = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=marker,
            color=FAINT,
            label=label,
        )
        for marker, label in TERMS.values()
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)
    return figure, finding(table)


def rotated_rows(audit: pd.DataFrame) -> pd.DataFrame:
    """The losses of trained methods on rotated data, in the finest precision."""
    rotation = audit["generator"] == "rotation"
    trained = audit["weights"] == "trained"
    rows = audit[rotation & trained]
    rows = rows.dropna(subset=["loss_percent"])
    finest = rows["dtype"].max()
    return rows[rows["dtype"] == finest]


def _shares(axis: Axes, shares: pd.Series, styles: Styles) -> None:
    colours = [styles[method].colour for method in shares.index]
    axis.barh(range(len(shares)), shares, color=colours, height=0.7)
    for y, share in enumerate(shares):
        axis.annotate(
            _percent(share),
            xy=(share, y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axis.set_xlim(0, 118)
    axis.set_xticks([0, 25, 50, 75, 100])
    axis.set_xlabel("share of the loss on rotated data (%)")


def _percent(share: float) -> str:
    if share >= 0.01:
        return f"{share:.3g} %"
    return "< 0.01 %" if share > 1e-6 else "0 %"


def _terms(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    losses = rows["loss_twirled"]
    smallest = losses[losses > 0].min()
    # a variance far below all losses counts as none
    low = 1e-3 * smallest if np.isfinite(smallest) else ZERO
    terms = rows[list(TERMS)]
    values = terms.to_numpy().ravel()
    fit_log_axis(axis.xaxis, [low, *values.clip(low)])
    for y, (method, row) in enumerate(terms.iterrows()):
        _markers(axis, y, row, low, styles[method].colour)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("the two terms (MSE; < far below)")
    axis.grid(axis="x")


def _markers(axis: Axes, y: int, row: pd.Series, low: float, colour: str) -> None:
    for column, (marker, _) in TERMS.items():
        if row[column] >= low:
            axis.plot(row[column], y, marker=marker, color=colour, markersize=4.5, alpha=0.9)
        else:
            axis.plot(low, y, marker="<", color=colour, markersize=4, fillstyle="none")


def finding(table: pd.DataFrame) -> str:
    """For each task, count the methods with a share below 0.01 %, and name the largest share."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        shares = rows.droplevel("task")["loss_percent"]
        small = (shares < 0.01).sum()
        parts.append(
            f"{task}: for {small} of {len(shares)} methods less than 0.01 % of the loss on "
            f"rotated data is lack of symmetry; "
            f"the most is {sig(shares.max())} % ({shares.idxmax()})"
        )
    return "; ".join(parts) + "."
