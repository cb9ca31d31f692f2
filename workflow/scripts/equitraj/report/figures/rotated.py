"""Error on the test split turned by random rotations against the error on the test split as it is,
mean over seeds. A method that is equivariant in fact lies on the diagonal, whatever it claims; what
lies above it has learned an orientation."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import shared, style

TITLE = "The same test data, rotated"
INPUTS = ("summary", "audit")
ON_DIAGONAL = 0.01  # relative change of the error that counts as none
N_BEST = 3  # methods on the diagonal that are named, the most accurate ones


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a point per method."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    table = style.largest_size(summary).dropna(subset=["mse_mean", "mse_rotated_mean"])
    tasks = list(table["task"].unique())
    if not tasks:
        return style.empty(
            "nothing was evaluated on rotated data"
        ), "Nothing was evaluated on rotated data: 0 rows."
    labels = max(len(rows) - len(unnamed(rows)) for _, rows in table.groupby("task"))
    figure, axes = style.panels(len(tasks), height=style.panel_height(labels + 1))
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, table[table["task"] == task], styles)
        axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in table["method"]))
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    limits = style.log_limits([*rows["mse_mean"], *rows["mse_rotated_mean"]])
    style.log_axis(axis.xaxis, limits)
    style.log_axis(axis.yaxis, limits)
    axis.plot(limits, limits, color=style.FAINT, linewidth=0.8, zorder=1)
    for row in rows.itertuples():
        look = styles[row.method]
        axis.plot(
            row.mse_mean, row.mse_rotated_mean, marker=look.marker, color=look.colour, alpha=0.85
        )
    ends = {row.method: (row.mse_mean, row.mse_rotated_mean) for row in rows.itertuples()}
    shared.label_few(axis, ends, styles, unnamed(rows), "others on the diagonal")
    axis.set(xlabel="test MSE, data as given", ylabel="test MSE, data rotated")
    axis.grid()


def unnamed(rows: pd.DataFrame) -> set[str]:
    """The methods of a task that lie on the diagonal, but for the most accurate ones."""
    table = rows.drop_duplicates("method").set_index("method").sort_values("mse_mean")
    on = (table["mse_rotated_mean"] / table["mse_mean"] - 1).abs() < ON_DIAGONAL
    return set(table.index[on][N_BEST:])


def finding(table: pd.DataFrame) -> str:
    """Who stays within 1 % of the diagonal, and the worst ratio."""
    ratio = table["mse_rotated_mean"] / table["mse_mean"]
    worst = table.loc[ratio.idxmax()]
    off = ratio.groupby(table["method"]).agg(lambda values: (values - 1).abs().max())
    stay = sorted(off.index[off < ON_DIAGONAL])
    return (
        f"{len(stay)} of {len(off)} methods keep their error within 1 % when the test data are rotated"
        f"{style.bracketed(stay)}; the largest loss is {worst['method']} on {worst['task']}, whose error grows by a "
        f"factor of {style.sig(ratio.max())} to {style.sig(worst['mse_rotated_mean'])}."
    )
