"""Relative rotation error of each method before training (open marker) and after it (filled), the
worst over tasks and seeds, in both precisions. A symmetry that is built in is there before
training; one that is learned appears only after it."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.report.figures import style

TITLE = "Rotation error before and after training"
INPUTS = ("summary", "audit")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per precision, a row per method."""
    summary, audit = style.read_table(inputs["summary"]), style.read_table(inputs["audit"])
    rows = audit[(audit["generator"] == "rotation") & (audit["verdict"] != "not applicable")]
    if rows.empty:
        return style.empty(
            "no method was audited under rotation"
        ), "No method was audited under rotation: 0 rows."
    styles = style.method_styles(summary, audit)
    errors = rows.pivot_table(
        index=["dtype", "method"], columns="weights", values="rel_mean", aggfunc="max"
    )
    errors = errors.reindex(columns=["initial", "trained"])
    dtypes = list(errors.index.unique("dtype"))
    methods = list(errors.groupby("method")["trained"].max().sort_values(ascending=False).index)
    figure, axes = style.panels(len(dtypes), height=0.2 * len(methods) + 1.2, sharey=True)
    for axis, dtype in zip(axes, dtypes, strict=True):
        _panel(axis, errors.loc[dtype].reindex(methods), styles)
        axis.set_title(dtype)
    looks = {"before training": "white", "after training": style.FAINT}
    extra = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            color=style.FAINT,
            markerfacecolor=face,
            label=label,
        )
        for label, face in looks.items()
    ]
    style.kind_legend(figure, (styles[m].kind for m in methods), extra)
    return figure, finding(rows, errors)


def _panel(axis: Axes, errors: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    floor = 1e-17  # an error of exactly 0 is drawn here
    for y, (method, row) in enumerate(errors.clip(lower=floor).iterrows()):
        look = styles[method]
        axis.plot(
            [row["initial"], row["trained"]], [y, y], color=look.colour, linewidth=1, alpha=0.5
        )
        axis.plot(row["initial"], y, marker=look.marker, color=look.colour, markerfacecolor="white")
        axis.plot(row["trained"], y, marker=look.marker, color=look.colour, markersize=4)
    style.log_axis(axis.xaxis, style.log_limits(errors.clip(lower=floor).to_numpy().ravel()))
    axis.set_xlabel("relative error")
    axis.set_yticks(range(len(errors)), errors.index)
    axis.set_ylim(-0.6, len(errors) - 0.4)
    axis.grid()


def finding(rows: pd.DataFrame, errors: pd.DataFrame) -> str:
    """In the finer precision: who is equivariant with any weights, and who comes nearest to it of
    the others."""
    dtype = errors.index.unique("dtype").max()
    verdicts = rows[rows["dtype"] == dtype].groupby("method")["verdict"]
    exact = verdicts.agg(lambda values: (values == "exact").all())
    rest = errors.loc[dtype].loc[exact.index[~exact]].dropna(subset=["trained"])
    text = f"In {dtype} {exact.sum()} of {len(exact)} methods are equivariant to rounding with all weights tested"
    if rest.empty:
        return text + "."
    least = rest["trained"].idxmin()
    before = rest.loc[least, "initial"]
    return (
        f"{text}; of the other {len(rest)} the nearest to it after training is {least}, at "
        f"{style.sig(rest.loc[least, 'trained'])}{'' if pd.isna(before) else f' ({style.sig(before)} before)'}."
    )
