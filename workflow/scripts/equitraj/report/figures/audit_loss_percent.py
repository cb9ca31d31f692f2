"""What lack of symmetry costs: on randomly rotated test data the loss is exactly that of the
symmetrised method (circle) plus the variance of the method over the rotations (triangle). The bars
give the share of the second, the part that an exactly equivariant method does not have; in float64,
mean over seeds."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.report.figures import shared, style

TITLE = "Share of the loss that is lack of symmetry"
INPUTS = ("summary", "audit")
TERMS = {
    "loss_twirled": ("o", "loss of the symmetrised method"),
    "loss_variance": ("^", "variance over rotations"),
}


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """Two panels per task, a row per method: the share, and both terms."""
    summary, audit = style.read_table(inputs["summary"]), style.read_table(inputs["audit"])
    rows = audit[(audit["generator"] == "rotation") & (audit["weights"] == "trained")].dropna(
        subset=["loss_percent"]
    )
    rows = rows[rows["dtype"] == rows["dtype"].max()]
    if rows.empty:
        return style.empty(
            "no loss was measured on rotated data"
        ), "No loss was measured on rotated data: 0 rows."
    table = (
        style.largest_size(rows)
        .groupby(["task", "method"], sort=False)[["loss_percent", *TERMS]]
        .mean()
    )
    kinds, tasks = style.method_kinds(summary, audit), list(table.index.unique("task"))
    styles = style.method_styles(summary, audit)
    figure, grid = shared.row_panels(tasks, table.groupby("task").size().max(), columns=2)
    for axes, task in zip(grid, tasks, strict=True):
        part = table.loc[task]
        methods = shared.by_kind(part.index, kinds, part["loss_percent"].round(4).to_dict())
        _shares(axes[0], part.loc[methods, "loss_percent"], styles)
        _terms(axes[1], part.loc[methods], styles)
        shared.rows_axis(axes[0], methods, kinds)
    entries = [
        Line2D([], [], linestyle="none", marker=m, color=style.FAINT, label=label)
        for m, label in TERMS.values()
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)
    return figure, finding(table)


def _shares(axis: Axes, shares: pd.Series, styles: dict[str, style.MethodStyle]) -> None:
    axis.barh(
        range(len(shares)), shares, color=[styles[m].colour for m in shares.index], height=0.7
    )
    for y, share in enumerate(shares):
        text = f"{share:.3g} %" if share >= 0.01 else "< 0.01 %" if share > 1e-6 else "0 %"
        axis.annotate(text, (share, y), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axis.set_xlim(0, 118)
    axis.set_xticks([0, 25, 50, 75, 100])
    axis.set_xlabel("share of the loss on rotated data (%)")


def _terms(axis: Axes, terms: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    columns = list(TERMS)
    smallest = terms["loss_twirled"].where(lambda values: values > 0).min()
    low = (
        1e-3 * smallest if np.isfinite(smallest) else shared.ZERO
    )  # a variance far below counts as none
    style.log_axis(
        axis.xaxis, style.log_limits([low, *terms[columns].to_numpy().ravel().clip(low)])
    )
    for y, (method, row) in enumerate(terms[columns].iterrows()):
        for column, (marker, _) in TERMS.items():
            if row[column] >= low:
                axis.plot(
                    row[column],
                    y,
                    marker=marker,
                    color=styles[method].colour,
                    markersize=4.5,
                    alpha=0.9,
                )
            else:
                axis.plot(
                    low, y, marker="<", color=styles[method].colour, markersize=4, fillstyle="none"
                )
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("the two terms (MSE; < far below)")
    axis.grid(axis="x")


def finding(table: pd.DataFrame) -> str:
    """How many methods lose less than 0.01 % to lack of symmetry, and who loses most, for each
    task."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        shares = rows.droplevel("task")["loss_percent"]
        parts.append(
            f"{task}: for {(shares < 0.01).sum()} of {len(shares)} methods less than 0.01 % of the loss on rotated "
            f"data is lack of symmetry; the most is {style.sig(shares.max())} % ({shares.idxmax()})"
        )
    return "; ".join(parts) + "."
