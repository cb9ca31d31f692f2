"""Lie derivative of each method: the rate at which it ceases to be equivariant under an
infinitesimal rotation (filled) or translation (open), root mean square over test samples, relative
to the predicted displacement (Gruver et al., ICLR 2023). It follows the frame of each sample, and
does not see where a frame jumps. At the right, where the framework lets one look inside, the same
for each layer in order."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from equitraj.report.figures import shared, style

TITLE = "Lie derivatives"
INPUTS = ("summary", "audit", "probes")
FACES = {"rotation": "full", "translation": "none"}


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task with a row per method; beside it a panel of layers where there are any."""
    rows = shared.probe_rows(inputs, "lie")
    if rows.empty:
        return style.empty(
            "no Lie derivative was measured"
        ), "No Lie derivative was measured: 0 rows."
    layers = shared.probe_rows(inputs, "lie_layer")
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    kinds, styles = style.method_kinds(summary, audit), style.method_styles(summary, audit)
    tasks = list(rows["task"].unique())
    count, columns = rows.groupby("task")["method"].nunique().max(), 1 if layers.empty else 2
    figure, grid = shared.row_panels(tasks, count, columns, sharey=False)
    for axes, task in zip(grid, tasks, strict=True):
        shared.marker_rows(axes[0], rows[rows["task"] == task], FACES, kinds, styles)
        axes[0].set_xlabel("Lie derivative (relative)")
        if columns == 2:
            _layers(axes[1], layers[layers["task"] == task], styles)
    extra = [*shared.face_entries(FACES), shared.floor_entry()]
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()), extra)
    return figure, finding(rows)


def _layers(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    if rows.empty:
        axis.text(
            0.5,
            0.5,
            "no layer was looked at",
            ha="center",
            transform=axis.transAxes,
            color=style.FAINT,
        )
        axis.set_axis_off()
        return
    floor = rows["floor"].median()
    limits = style.log_limits([*rows["value"].clip(lower=shared.ZERO), floor])
    style.log_axis(axis.yaxis, limits)
    axis.axhspan(limits[0], floor, color=style.PALE, alpha=0.5, linewidth=0, zorder=0)
    ends = {}
    for method, part in rows.groupby("method"):
        curve = part.groupby("x")["value"].mean().clip(lower=shared.ZERO)
        look = styles[method]
        axis.plot(
            curve.index,
            curve,
            color=look.colour,
            marker=look.marker,
            linestyle=look.linestyle,
            linewidth=1.1,
        )
        ends[method] = (curve.index[-1], curve.iloc[-1])
    shared.label_few(axis, ends, styles, shared.at_rounding(rows), "methods at rounding")
    axis.set_title("layer by layer")
    axis.set(xlabel="layer, from the input to the output", ylabel="relative to the layer's output")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid()


def finding(rows: pd.DataFrame) -> str:
    """Who is at rounding under both, and the largest derivative under each."""
    exact, count = shared.at_rounding(rows), rows["method"].nunique()
    parts = []
    for item, part in rows.groupby("item"):
        top = part.loc[part["value"].idxmax()]
        parts.append(
            f"under {item} the largest is {style.sig(top['value'])} ({top['method']} on {top['task']})"
        )
    return (
        f"{len(exact)} of {count} methods have a Lie derivative at rounding under all that was measured; "
        f"{style.listing(parts)}."
    )
