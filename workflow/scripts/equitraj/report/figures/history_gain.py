"""Test error against the number of past frames that a method sees (history K), as means over seeds.

Tasks that predict the same targets share a panel. The dashed line is the error of predicting no
motion, and a point on the upper edge has a larger error than the axis shows."""

from os.path import commonprefix
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    FAINT,
    REFERENCE,
    Drawing,
    Styles,
    ceiling,
    empty,
    fit_log_axis,
    kind_legend,
    label_right,
    largest_size,
    panel_height,
    panels,
    read_methods,
    reference_entries,
    sig,
)

TITLE = "What history buys"
INPUTS = ("summary", "audit")


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per set of targets with a line per method."""
    summary, styles = read_methods(inputs)
    table = largest_size(summary).dropna(subset=["mse_mean"])
    groups = same_targets(table)
    if not groups:
        message = "the study has one history length for each set of targets"
        return empty(message), f"There is nothing to compare: {message} (0 pairs)."
    most = max(rows["method"].nunique() for rows in groups.values())
    figure, axes = panels(len(groups), height=panel_height(most))
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        _panel(axis, rows, styles)
        axis.set_title(name)
    methods = pd.concat(groups)["method"]
    kind_legend(figure, styles, methods, reference_entries()[:1])
    return figure, finding(groups)


def same_targets(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by set of targets, for the sets that occur with more than one history.

    Tasks that predict the same targets have the same error of no motion, to the last digit that a
    table keeps.
    """
    groups = {}
    errors = table["mse_persistence"].map("{:.6e}".format)
    for _, rows in table.groupby(errors, sort=False):
        histories = rows["history"].nunique()
        if histories > 1:
            tasks = sorted(rows["task"].unique())
            groups[_common_name(tasks)] = rows.sort_values("history")
    return groups


def _common_name(tasks: list[str]) -> str:
    prefix = commonprefix(tasks).rstrip("_-")
    name = prefix or ", ".join(tasks)
    return name.removesuffix("_k")


def _panel(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    still = rows["mse_persistence"].max()
    errors = rows["mse_mean"]
    shown = errors[errors < ceiling([still])]
    fit_log_axis(axis.yaxis, [*shown, still])
    axis.set_xticks(sorted(rows["history"].unique()))
    axis.axhline(still, color=FAINT, linestyle=REFERENCE["no motion"], linewidth=1)
    top = axis.get_ylim()[1]
    ends = {}
    for method, line in rows.groupby("method"):
        look = styles[method]
        height = line["mse_mean"].clip(upper=top)
        axis.plot(line["history"], height, **look.line, marker=look.marker)
        ends[method] = (line["history"].iloc[-1], height.iloc[-1])
    label_right(axis, list(ends.values()), list(ends), styles)
    axis.set(xlabel="history K (frames)", ylabel="test MSE")
    axis.grid()


def finding(groups: dict[str, pd.DataFrame]) -> str:
    """The smallest errors with the shortest and the longest history, and their ratio."""
    parts = []
    for name, rows in groups.items():
        best = rows.loc[rows.groupby("history")["mse_mean"].idxmin()]
        first, last = best.iloc[0], best.iloc[-1]
        ratio = sig(first["mse_mean"] / last["mse_mean"])
        parts.append(
            f"{name}: the best error is {_error_and_history(first)} "
            f"and {_error_and_history(last)}, a factor of {ratio}"
        )
    return "; ".join(parts) + "."


def _error_and_history(row: pd.Series) -> str:
    error = sig(row["mse_mean"])
    return f"{error} with K = {row['history']} ({row['method']})"
