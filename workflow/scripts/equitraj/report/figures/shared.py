"""What the figures of the audit share: rows of a kind, curves of all methods, labels for the few
that matter.

With thirty methods most lie on top of each other, at rounding or on the diagonal: those get one
label together.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.base.claims import EXACT_FACTOR
from equitraj.report.figures import style

ZERO = 1e-17  # an error of exactly 0 is drawn here on a logarithmic axis
ROUNDING = 1e-10  # what counts as rounding in float64 where no table gives it
Draw = Callable[[Axes, pd.DataFrame, dict], None]


def by_kind(
    methods: Iterable[str], kinds: dict[str, str], value: dict[str, float] | None = None
) -> list[str]:
    """Methods by kind as in `style.KINDS`, within a kind by `value` (small first), then by name."""
    order, value = list(style.KINDS), value or {}
    return sorted(
        set(methods), key=lambda m: (order.index(kinds.get(m, "baseline")), value.get(m, 0.0), m)
    )


def probe_rows(inputs: dict[str, Path], probe: str) -> pd.DataFrame:
    """The rows of `probe` in probes.csv with a value, of each task's largest training set.

    Column `floor` is up to where an error counts as rounding. Where the table gives none it is that
    of the rotations in the audit, by the rule of its verdicts.
    """
    table = style.read_table(inputs["probes"])
    rows = table[(table["probe"] == probe) & table["value"].notna()]
    if rows.empty:
        return rows
    audit = style.read_table(
        inputs["audit"], ["task", "method", "generator", "weights", "dtype", "noise_floor"]
    )
    same = (
        (audit["generator"] == "rotation")
        & (audit["weights"] == "trained")
        & (audit["dtype"] == "float64")
    )
    floors = EXACT_FACTOR * audit[same].groupby(["task", "method"])["noise_floor"].max().rename(
        "audited"
    )
    rows = style.largest_size(rows).join(floors, on=["task", "method"])
    floor = pd.to_numeric(rows["floor"]).fillna(rows["audited"]).fillna(ROUNDING)
    return rows.drop(columns="audited").assign(floor=floor)


def at_rounding(rows: pd.DataFrame) -> set[str]:
    """The methods whose every value counts as rounding (column `floor`)."""
    below = rows["value"] <= rows["floor"]
    return set(below.groupby(rows["method"]).all().loc[lambda all_below: all_below].index)


def label_few(
    axis: Axes,
    ends: dict[str, tuple[float, float]],
    styles: dict,
    together: Iterable[str],
    what: str,
) -> None:
    """Name each method at its end point in the right margin; those in `together` get one label, as
    `7 {what}`.

    Args:
        ends: (x, y) of each method in data coordinates.
    """
    together = sorted(set(together) & set(ends))
    if len(together) < 3:
        together = []
    points = {method: end for method, end in ends.items() if method not in together}
    if together:
        name = f"{len(together)} {what}"
        points[name] = tuple(np.median([ends[method] for method in together], axis=0))
        styles = styles | {name: style.MethodStyle("", style.INK, "o", "-")}
    style.label_right(axis, list(points.values()), list(points), styles)


def curves(
    inputs: dict[str, Path], probe: str, xlabel: str, ylabel: str, unit: str = "", slack: float = 1
) -> tuple[Figure, str]:
    """A panel per task with a line per method for a probe of probes.csv, and who stays at rounding,
    who errs most.

    Args:
        slack: how many times more than otherwise counts as rounding.
        unit: what follows the number of x in the finding, for example " degrees" or, in front,
        "step ".
    """
    rows = probe_rows(inputs, probe)
    rows = rows.assign(floor=slack * rows["floor"])
    rows = rows[(probe != "angle") | (rows["x"] > 0)]  # at an angle of 0 nothing is turned
    if rows.empty:
        return style.empty(
            f"the audit has no measurement of {xlabel}"
        ), f"No measurement of {xlabel}: 0 rows."
    styles = style.method_styles(
        style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    )
    tasks = list(rows["task"].unique())
    labels = max(_labels(part) for _, part in rows.groupby("task"))
    figure, axes = style.panels(len(tasks), height=style.panel_height(labels) + 0.3)
    for axis, task in zip(axes, tasks, strict=True):
        _curves_panel(axis, rows[rows["task"] == task], styles)
        axis.set_title(task)
        axis.set(xlabel=xlabel, ylabel=ylabel)
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()), [floor_entry()])
    return figure, _curves_finding(rows, unit)


def floor_entry() -> Line2D:
    """Legend entry of the band below the noise floor."""
    return Line2D(
        [], [], color=style.PALE, linestyle="none", marker="s", markersize=9, label="rounding"
    )


def _labels(rows: pd.DataFrame) -> int:
    return rows["method"].nunique() - max(len(at_rounding(rows)) - 2, 0)


def _curves_panel(axis: Axes, rows: pd.DataFrame, styles: dict) -> None:
    exact, ends = at_rounding(rows), {}
    if _strip(axis, rows, exact):
        rows = rows[~rows["method"].isin(exact)]
    for method, part in rows.groupby("method"):
        curve = part.groupby("x")["value"].mean().clip(lower=ZERO)
        look = styles[method]
        every = max(len(curve) // 8, 1)
        axis.plot(
            curve.index, curve, color=look.colour, linestyle=look.linestyle, marker=look.marker, markevery=every,
            linewidth=1.1, markersize=3.5, alpha=0.9,
        )  # fmt: skip
        if {"low", "high"} <= set(part) and part["low"].notna().any():
            band = part.groupby("x")[["low", "high"]].mean().clip(lower=ZERO)
            axis.fill_between(
                band.index, band["low"], band["high"], color=look.colour, alpha=0.12, linewidth=0
            )
        ends[method] = (curve.index[-1], curve.iloc[-1])
    label_few(axis, ends, styles, exact, "methods at rounding")
    axis.grid()


def _strip(axis: Axes, rows: pd.DataFrame, exact: set[str]) -> bool:
    """Set the limits; whether the methods at rounding became a strip, many decades of nothing below
    the others."""
    floor = rows["floor"].median()
    among = rows["method"].isin(exact)
    high, low = rows["value"][~among], rows["value"][among]
    if high.empty or low.empty or high.min() < 1e3 * floor:
        limits = style.log_limits([*rows["value"].clip(lower=ZERO), floor])
        style.log_axis(axis.yaxis, limits)
        axis.axhspan(limits[0], floor, color=style.PALE, alpha=0.5, linewidth=0, zorder=0)
        return False
    bottom, top = style.log_limits(high)
    bottom /= (top / bottom) ** 0.2
    style.log_axis(axis.yaxis, (bottom, top))
    edge = bottom * (top / bottom) ** 0.13
    axis.axhspan(bottom, edge, color=style.PALE, linewidth=0, zorder=0)
    axis.set_yticks([tick for tick in axis.get_yticks() if edge < tick <= top])
    names = f"{len(exact)} at rounding, ≤ {low.max():.0e}"
    axis.text(0.5, 0.065, names, transform=axis.transAxes, ha="center", va="center", fontsize=7.5)
    return True


def _curves_finding(rows: pd.DataFrame, unit: str) -> str:
    parts = []
    for task, part in rows.groupby("task", sort=False):
        means = part.groupby(["method", "x"])["value"].mean()
        method, x = means.idxmax()
        exact, count = len(at_rounding(part)), part["method"].nunique()
        where = f"{unit}{x:g}" if unit.endswith(" ") else f"{x:g}{unit}"
        parts.append(
            f"{task}: {exact} of {count} methods stay at rounding throughout; the largest relative error is that of "
            f"{method}, {style.sig(means.max())} at {where}"
        )
    return "; ".join(parts) + "."


def rows_axis(axis: Axes, methods: list[str], kinds: dict[str, str]) -> None:
    """Names of methods as row labels, the first on top, with a faint line between kinds."""
    axis.set_yticks(range(len(methods)), methods, fontsize=7.5)
    axis.set_ylim(len(methods) - 0.4, -0.6)
    for y in range(1, len(methods)):
        if kinds.get(methods[y]) != kinds.get(methods[y - 1]):
            axis.axhline(y - 0.5, color=style.FAINT, linewidth=0.6)


def marker_rows(
    axis: Axes,
    rows: pd.DataFrame,
    faces: dict[str, str],
    kinds: dict,
    styles: dict,
    joined: bool = False,
) -> None:
    """A row per method with a marker for each item, above the band of rounding.

    Args:
        rows: columns method, item, value and floor.
        faces: item to fill style; the first orders the methods of a kind.
    """
    values = rows.pivot_table(index="method", columns="item", values="value").reindex(
        columns=list(faces)
    )
    methods = by_kind(values.index, kinds, values[next(iter(faces))].to_dict())
    values, floor = values.loc[methods].clip(lower=ZERO), rows["floor"].median()
    limits = style.log_limits([*values.to_numpy().ravel(), floor])
    style.log_axis(axis.xaxis, limits)
    axis.axvspan(limits[0], floor, color=style.PALE, alpha=0.5, linewidth=0, zorder=0)
    for y, (method, row) in enumerate(values.iterrows()):
        look = styles[method]
        if joined:
            axis.plot(row, [y] * len(row), color=look.colour, linewidth=1, alpha=0.5)
        for item, face in reversed(faces.items()):  # the first lies on top
            inside = "white" if face == "none" else look.colour
            axis.plot(
                row[item],
                y,
                marker=look.marker,
                color=look.colour,
                markerfacecolor=inside,
                markersize=4.5,
            )
    rows_axis(axis, methods, kinds)
    axis.grid()


def face_entries(faces: dict[str, str]) -> list[Line2D]:
    """Legend entries of the items of `marker_rows`."""
    return [
        Line2D([], [], linestyle="none", marker="o", color=style.FAINT, fillstyle=face, label=item)
        for item, face in faces.items()
    ]


def rows_height(count: int) -> float:
    """Inches of a panel that is high enough for `count` methods below each other."""
    return 0.155 * count + 0.85


def row_panels(
    tasks: list[str], count: int, columns: int = 1, sharey: bool | str = "row"
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a row of `columns` axes for each task, high enough for `count` methods."""
    figure = Figure(
        figsize=(style.WIDTH, len(tasks) * rows_height(count) + style.LEGEND), layout="constrained"
    )
    grid = figure.subplots(len(tasks), columns, squeeze=False, sharey=sharey)
    for axes, task in zip(grid, tasks, strict=True):
        axes[0].set_title(task)
    return figure, [list(axes) for axes in grid]
