"""Relative rotation error of each method before training (open marker) and after it (filled).

The error is the worst over tasks and seeds, in both precisions. A built-in symmetry is present
before training; a learned symmetry appears only after it."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from equitraj.report.figures.style import (
    FAINT,
    Drawing,
    MethodStyle,
    Styles,
    fit_log_axis,
    kind_legend,
    method_styles,
    nothing,
    panels,
    read_table,
    sig,
)

TITLE = "Rotation error before and after training"
INPUTS = ("summary", "audit")
FACES = {"before training": "white", "after training": FAINT}
ZERO = 1e-17  # where an error of exactly 0 is drawn


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per precision with a row per method."""
    summary = read_table(inputs["summary"])
    audit = read_table(inputs["audit"])
    rotation = audit["generator"] == "rotation"
    applicable = audit["verdict"] != "not applicable"
    rows = audit[rotation & applicable]
    if rows.empty:
        return nothing("no method was audited under rotation")
    styles = method_styles(summary, audit)
    errors = worst_errors(rows)
    worst = errors.groupby("method")["trained"].max()
    methods = list(worst.sort_values(ascending=False).index)
    dtypes = list(errors.index.unique("dtype"))
    figure, axes = panels(len(dtypes), height=0.2 * len(methods) + 1.2, sharey=True)
    for axis, dtype in zip(axes, dtypes, strict=True):
        _panel(axis, errors.loc[dtype].reindex(methods), styles)
        axis.set_title(dtype)
    entries = [_entry(label, face) for label, face in FACES.items()]
    kind_legend(figure, styles, methods, entries)
    return figure, finding(rows, errors)


def worst_errors(rows: pd.DataFrame) -> pd.DataFrame:
    """The largest error by precision and method, in the columns `initial` and `trained`."""
    errors = rows.pivot_table(
        index=["dtype", "method"],
        columns="weights",
        values="rel_mean",
        aggfunc="max",
    )
    return errors.reindex(columns=["initial", "trained"])


def _entry(label: str, face: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker="o",
        color=FAINT,
        markerfacecolor=face,
        label=label,
    )


def _panel(axis: Axes, errors: pd.DataFrame, styles: Styles) -> None:
    shown = errors.clip(lower=ZERO)
    for y, (method, row) in enumerate(shown.iterrows()):
        _row(axis, y, row, styles[method])
    fit_log_axis(axis.xaxis, shown.to_numpy().ravel())
    axis.set_xlabel("relative error")
    axis.set_yticks(range(len(errors)), errors.index)
    axis.set_ylim(-0.6, len(errors) - 0.4)
    axis.grid()


def _row(axis: Axes, y: int, row: pd.Series, look: MethodStyle) -> None:
    initial, trained = row["initial"], row["trained"]
    axis.plot(
        [initial, trained],
        [y, y],
        color=look.colour,
        linewidth=1,
        alpha=0.5,
    )
    axis.plot(initial, y, **look.point, markerfacecolor="white")
    axis.plot(trained, y, **look.point, markersize=4)


def finding(rows: pd.DataFrame, errors: pd.DataFrame) -> str:
    """Count the methods that are equivariant with any weights, and name the nearest other one.

    Both refer to the finer precision.
    """
    dtype = errors.index.unique("dtype").max()
    finest = rows[rows["dtype"] == dtype]
    exact = (finest["verdict"] == "exact").groupby(finest["method"]).all()
    count = f"{exact.sum()} of {len(exact)} methods"
    text = f"In {dtype} {count} are equivariant to rounding with all weights tested"
    others = errors.loc[dtype].loc[exact.index[~exact]]
    others = others.dropna(subset=["trained"])
    if others.empty:
        return text + "."
    nearest = others["trained"].idxmin()
    after = sig(others.loc[nearest, "trained"])
    initial = others.loc[nearest, "initial"]
    before = "" if pd.isna(initial) else f" ({sig(initial)} before)"
    return (
        f"{text}; of the other {len(others)} the nearest to it after training is {nearest}, "
        f"at {after}{before}."
    )
