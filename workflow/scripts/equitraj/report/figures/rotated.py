"""Error on randomly rotated test data against the error on the test data as given.

Errors are means over seeds. A method that is equivariant in practice lies on the diagonal, whatever
it claims; a method above it has learned an orientation."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.shared import label_few
from equitraj.report.figures.style import (
    FAINT,
    Drawing,
    Styles,
    bracketed,
    kind_legend,
    largest_size,
    log_axis,
    log_limits,
    nothing,
    panel_height,
    panels,
    read_methods,
    sig,
    task_rows,
)

TITLE = "The same test data, rotated"
INPUTS = ("summary", "audit")
ON_DIAGONAL = 0.01  # relative change of the error that counts as none
N_BEST = 3  # methods on the diagonal that have a label, the most accurate ones


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a point per method."""
    summary, styles = read_methods(inputs)
    table = largest_size(summary)
    table = table.dropna(subset=["mse_mean", "mse_rotated_mean"])
    if table.empty:
        return nothing("nothing was evaluated on rotated data")
    tasks = list(table["task"].unique())
    labels = max(len(rows) - len(unnamed(rows)) for _, rows in table.groupby("task"))
    figure, axes = panels(len(tasks), height=panel_height(labels + 1))
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, task_rows(table, task), styles)
        axis.set_title(task)
    kind_legend(figure, styles, table["method"])
    return figure, finding(table)


def _panel(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    original, rotated = rows["mse_mean"], rows["mse_rotated_mean"]
    limits = log_limits([*original, *rotated])
    log_axis(axis.xaxis, limits)
    log_axis(axis.yaxis, limits)
    axis.plot(limits, limits, color=FAINT, linewidth=0.8, zorder=1)
    ends = {}
    for row in rows.itertuples():
        point = (row.mse_mean, row.mse_rotated_mean)
        axis.plot(*point, **styles[row.method].point, alpha=0.85)
        ends[row.method] = point
    label_few(axis, ends, styles, unnamed(rows), "others on the diagonal")
    axis.set(xlabel="test MSE, data as given", ylabel="test MSE, data rotated")
    axis.grid()


def unnamed(rows: pd.DataFrame) -> set[str]:
    """The methods of a task that lie on the diagonal, except for the most accurate ones."""
    table = rows.drop_duplicates("method").set_index("method")
    table = table.sort_values("mse_mean")
    ratio = table["mse_rotated_mean"] / table["mse_mean"]
    on_diagonal = (ratio - 1).abs() < ON_DIAGONAL
    return set(table.index[on_diagonal][N_BEST:])


def finding(table: pd.DataFrame) -> str:
    """List the methods within 1 % of the diagonal, and give the worst ratio."""
    ratio = table["mse_rotated_mean"] / table["mse_mean"]
    change = (ratio - 1).abs().groupby(table["method"]).max()
    stay = sorted(change.index[change < ON_DIAGONAL])
    worst = table.loc[ratio.idxmax()]
    return (
        f"{len(stay)} of {len(change)} methods keep their error within 1 % when the test data are "
        f"rotated{bracketed(stay)}; the largest ratio of the two errors is {sig(ratio.max())}, "
        f"of {worst['method']} on {worst['task']}."
    )
