"""Test error against the number of past frames that a method sees (history K), mean over seeds.
Tasks share a panel when they predict the same targets; the dashed line is the error of predicting
no motion, and a point on the upper edge has a larger error than the axis shows."""

from os.path import commonprefix
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "What history buys"
INPUTS = ("summary", "audit")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per set of targets, a line per method over history."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    groups = same_targets(style.largest_size(summary).dropna(subset=["mse_mean"]))
    if not groups:
        message = "the study has one history length for each set of targets"
        return style.empty(message), f"There is nothing to compare: {message} (0 pairs)."
    most = max(rows["method"].nunique() for rows in groups.values())
    figure, axes = style.panels(len(groups), height=style.panel_height(most))
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        _panel(axis, rows, styles)
        axis.set_title(name)
    kinds = (styles[m].kind for rows in groups.values() for m in rows["method"])
    style.kind_legend(figure, kinds, style.reference_entries()[:1])
    return figure, finding(groups)


def same_targets(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by set of targets, where these are met with more than one history.

    Tasks that predict the same targets have the same error of no motion, to the last digit that a
    table keeps.
    """
    groups = {}
    for _, rows in table.groupby(table["mse_persistence"].map(lambda v: f"{v:.6e}"), sort=False):
        if rows["history"].nunique() > 1:
            name = commonprefix(sorted(rows["task"].unique())).rstrip("_-") or ", ".join(
                sorted(rows["task"].unique())
            )
            groups[name.removesuffix("_k")] = rows.sort_values("history")
    return groups


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    still = rows["mse_persistence"].max()
    shown = rows["mse_mean"][rows["mse_mean"] < style.ceiling([still])]
    style.log_axis(axis.yaxis, style.log_limits([*shown, still]))
    axis.set_xticks(sorted(rows["history"].unique()))
    axis.axhline(still, color=style.FAINT, linestyle=style.REFERENCE["no motion"], linewidth=1)
    ends = []
    for method, line in rows.groupby("method"):
        look = styles[method]
        height = line["mse_mean"].clip(upper=axis.get_ylim()[1])
        axis.plot(
            line["history"], height, marker=look.marker, color=look.colour, linestyle=look.linestyle
        )
        ends.append((line["history"].iloc[-1], height.iloc[-1]))
    style.label_right(axis, ends, sorted(rows["method"].unique()), styles)
    axis.set(xlabel="history K (frames)", ylabel="test MSE")
    axis.grid()


def finding(groups: dict[str, pd.DataFrame]) -> str:
    """The best error at the shortest and at the longest history, and the ratio of the two."""
    parts = []
    for name, rows in groups.items():
        best = rows.loc[rows.groupby("history")["mse_mean"].idxmin()]
        first, last = best.iloc[0], best.iloc[-1]
        parts.append(
            f"{name}: the best error is {style.sig(first['mse_mean'])} with K = {first['history']} ({first['method']}) "
            f"and {style.sig(last['mse_mean'])} with K = {last['history']} ({last['method']}), a factor of "
            f"{style.sig(first['mse_mean'] / last['mse_mean'])}"
        )
    return "; ".join(parts) + "."
