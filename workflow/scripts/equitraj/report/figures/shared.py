"""Common parts of the audit's figures: rows of methods, curves of methods, and few labels.

With thirty methods most points lie on top of each other, at rounding or on the diagonal. Such
methods share one label.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.base.claims import EXACT_FACTOR
from equitraj.report.figures.style import (
    FAINT,
    INK,
    KINDS,
    LEGEND,
    PALE,
    WIDTH,
    Drawing,
    MethodStyle,
    Styles,
    kind_legend,
    kinds_of,
    label_right,
    largest_size,
    log_axis,
    log_limits,
    nothing,
    panel_height,
    panels,
    read_methods,
    read_table,
    sig,
    task_rows,
)

ZERO = 1e-17  # where an error of exactly 0 is drawn on a logarithmic axis
ROUNDING = 1e-10  # upper bound on rounding errors in float64 if no table gives one
FillStyle = Literal["full", "none"]  # of a marker
NOISE_COLUMNS = ["task", "method", "generator", "weights", "dtype", "noise_floor"]


def by_kind(
    methods: Iterable[str], kinds: dict[str, str], value: dict[str, float] | None = None
) -> list[str]:
    """Sort methods by kind as in `style.KINDS`, then by `value` (small first), then by name."""
    order = list(KINDS)
    values = value or {}

    def key(method: str) -> tuple[int, float, str]:
        kind = kinds.get(method, "baseline")
        return order.index(kind), values.get(method, 0.0), method

    return sorted(set(methods), key=key)


def probe_rows(inputs: dict[str, Path], probe: str) -> pd.DataFrame:
    """The rows of `probe` in probes.csv that have a value, for each task's largest training set.

    Column `floor` is the largest error that counts as rounding. If the table does not give it, it
    follows from the noise floor of rotations in the audit, as in the audit's verdicts.
    """
    table = read_table(inputs["probes"])
    selected = (table["probe"] == probe) & table["value"].notna()
    rows = table[selected]
    if rows.empty:
        return rows
    audit = read_table(inputs["audit"], NOISE_COLUMNS)
    rows = largest_size(rows)
    rows = rows.join(_audited_floors(audit), on=["task", "method"])
    floor = pd.to_numeric(rows["floor"])
    floor = floor.fillna(rows["audited"]).fillna(ROUNDING)
    return rows.drop(columns="audited").assign(floor=floor)


def _audited_floors(audit: pd.DataFrame) -> pd.Series:
    """The rounding error of rotations in float64 by task and method, named `audited`."""
    rotation = audit["generator"] == "rotation"
    trained = audit["weights"] == "trained"
    double = audit["dtype"] == "float64"
    rows = audit[rotation & trained & double]
    noise = rows.groupby(["task", "method"])["noise_floor"].max()
    return EXACT_FACTOR * noise.rename("audited")


def at_rounding(rows: pd.DataFrame) -> set[str]:
    """The methods whose every value counts as rounding (column `floor`)."""
    below = rows["value"] <= rows["floor"]
    always = below.groupby(rows["method"]).all()
    return set(always[always].index)


def label_few(
    axis: Axes,
    ends: dict[str, tuple[float, float]],
    styles: Styles,
    together: Iterable[str],
    what: str,
) -> None:
    """Label each method in the right margin, at the height of its end point.

    Three or more methods in `together` share one label, such as `7 {what}`.

    Args:
        ends: (x, y) of each method in data coordinates.
    """
    joint = sorted(set(together) & set(ends))
    if len(joint) < 3:
        joint = []
    points = {method: end for method, end in ends.items() if method not in joint}
    if joint:
        name = f"{len(joint)} {what}"
        joint_ends = [ends[method] for method in joint]
        x, y = np.median(joint_ends, axis=0)
        points[name] = (x, y)
        styles = styles | {name: MethodStyle("", INK, "o", "-")}
    label_right(axis, list(points.values()), list(points), styles)


def curves(
    inputs: dict[str, Path], probe: str, xlabel: str, ylabel: str, unit: str = "", slack: float = 1
) -> Drawing:
    """Draw a probe of probes.csv, with a panel per task and a line per method.

    The finding counts the methods at rounding and names the method with the largest error.

    Args:
        slack: a factor on the largest error that counts as rounding.
        unit: the text after the number x in the finding, such as " degrees"; a text with a blank
            at its end, such as "step ", precedes the number.
    """
    rows = probe_rows(inputs, probe)
    rows = rows.assign(floor=slack * rows["floor"])
    if probe == "angle":
        rows = rows[rows["x"] > 0]  # a rotation by 0 changes nothing
    if rows.empty:
        return nothing(f"the audit has no measurement of {xlabel}")
    _, styles = read_methods(inputs)
    tasks = list(rows["task"].unique())
    labels = max(_label_count(part) for _, part in rows.groupby("task"))
    figure, axes = panels(len(tasks), height=panel_height(labels) + 0.3)
    for axis, task in zip(axes, tasks, strict=True):
        _curves_panel(axis, task_rows(rows, task), styles)
        axis.set_title(task)
        axis.set(xlabel=xlabel, ylabel=ylabel)
    methods = rows["method"].unique()
    kind_legend(figure, styles, methods, [floor_entry()])
    return figure, _curves_finding(rows, unit)


def floor_entry() -> Line2D:
    """Legend entry of the band below the noise floor."""
    return Line2D(
        [],
        [],
        color=PALE,
        linestyle="none",
        marker="s",
        markersize=9,
        label="rounding",
    )


def _label_count(rows: pd.DataFrame) -> int:
    methods = rows["method"].nunique()
    exact = at_rounding(rows)
    unlabelled = max(len(exact) - 2, 0)
    return methods - unlabelled


def _curves_panel(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    exact = at_rounding(rows)
    if _strip(axis, rows, exact):
        rows = rows[~rows["method"].isin(exact)]
    ends = {}
    for method, part in rows.groupby("method"):
        means = part.groupby("x")["value"].mean()
        curve = means.clip(lower=ZERO)
        _curve(axis, curve, styles[method])
        _band(axis, part, styles[method].colour)
        ends[method] = (curve.index[-1], curve.iloc[-1])
    label_few(axis, ends, styles, exact, "methods at rounding")
    axis.grid()


def _curve(axis: Axes, curve: pd.Series, look: MethodStyle) -> None:
    """A line with about eight markers."""
    axis.plot(
        curve.index,
        curve,
        **look.line,
        marker=look.marker,
        markevery=max(len(curve) // 8, 1),
        linewidth=1.1,
        markersize=3.5,
        alpha=0.9,
    )


def _band(axis: Axes, rows: pd.DataFrame, colour: str) -> None:
    """The confidence interval of a curve, if the rows have one."""
    ends = ["low", "high"]
    if not set(ends) <= set(rows) or rows["low"].isna().all():
        return
    interval = rows.groupby("x")[ends].mean()
    interval = interval.clip(lower=ZERO)
    axis.fill_between(
        interval.index,
        interval["low"],
        interval["high"],
        color=colour,
        alpha=0.12,
        linewidth=0,
    )


def _strip(axis: Axes, rows: pd.DataFrame, exact: set[str]) -> bool:
    """Set the limits of a panel, and return whether the methods at rounding became a strip.

    A strip replaces them if they lie many decades below the other methods.
    """
    floor = rows["floor"].median()
    is_exact = rows["method"].isin(exact)
    high = rows["value"][~is_exact]
    low = rows["value"][is_exact]
    if high.empty or low.empty or high.min() < 1e3 * floor:
        values = rows["value"].clip(lower=ZERO)
        limits = log_limits([*values, floor])
        log_axis(axis.yaxis, limits)
        axis.axhspan(limits[0], floor, color=PALE, alpha=0.5, linewidth=0, zorder=0)
        return False
    bottom, top = log_limits(high)
    bottom /= (top / bottom) ** 0.2
    log_axis(axis.yaxis, (bottom, top))
    edge = bottom * (top / bottom) ** 0.13
    axis.axhspan(bottom, edge, color=PALE, linewidth=0, zorder=0)
    ticks = [tick for tick in axis.get_yticks() if edge < tick <= top]
    axis.set_yticks(ticks)
    axis.text(
        0.5,
        0.065,
        f"{len(exact)} at rounding, ≤ {low.max():.0e}",
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=7.5,
    )
    return True


def _curves_finding(rows: pd.DataFrame, unit: str) -> str:
    parts = []
    for task, part in rows.groupby("task", sort=False):
        means = part.groupby(["method", "x"])["value"].mean()
        method, x = means.idxmax()
        largest = sig(means.max())
        exact = len(at_rounding(part))
        count = part["method"].nunique()
        where = _place(x, unit)
        parts.append(
            f"{task}: {exact} of {count} methods stay at rounding throughout; "
            f"the largest relative error belongs to {method}, {largest} at {where}"
        )
    return "; ".join(parts) + "."


def _place(x: float, unit: str) -> str:
    if unit.endswith(" "):
        return f"{unit}{x:g}"
    return f"{x:g}{unit}"


def rows_axis(axis: Axes, methods: list[str], kinds: dict[str, str]) -> None:
    """Write the names of methods as row labels, the first on top, with a line between kinds."""
    axis.set_yticks(range(len(methods)), methods, fontsize=7.5)
    axis.set_ylim(len(methods) - 0.4, -0.6)
    row_kinds = [kinds.get(method) for method in methods]
    for y in range(1, len(methods)):
        if row_kinds[y] != row_kinds[y - 1]:
            axis.axhline(y - 0.5, color=FAINT, linewidth=0.6)


def marker_rows(
    axis: Axes,
    rows: pd.DataFrame,
    faces: dict[str, FillStyle],
    styles: Styles,
    joined: bool = False,
) -> None:
    """Draw a row per method with a marker for each item, above the band of rounding.

    Args:
        rows: columns method, item, value and floor.
        faces: fill style of each item; the first item orders the methods of a kind.
        joined: whether a line joins the markers of a method.
    """
    items = list(faces)
    kinds = kinds_of(styles)
    values = rows.pivot_table(index="method", columns="item", values="value")
    values = values.reindex(columns=items)
    first = values[items[0]]
    methods = by_kind(values.index, kinds, first.to_dict())
    values = values.loc[methods].clip(lower=ZERO)
    floor = rows["floor"].median()
    limits = log_limits([*values.to_numpy().ravel(), floor])
    log_axis(axis.xaxis, limits)
    axis.axvspan(limits[0], floor, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    for y, (method, row) in enumerate(values.iterrows()):
        look = styles[method]
        if joined:
            axis.plot(row, [y] * len(row), color=look.colour, linewidth=1, alpha=0.5)
        _markers(axis, y, row, faces, look)
    rows_axis(axis, methods, kinds)
    axis.grid()


def _markers(
    axis: Axes, y: int, row: pd.Series, faces: dict[str, FillStyle], look: MethodStyle
) -> None:
    for item, face in reversed(faces.items()):  # the first lies on top
        inside = "white" if face == "none" else look.colour
        axis.plot(
            row[item],
            y,
            **look.point,
            markerfacecolor=inside,
            markersize=4.5,
        )


def face_entries(faces: dict[str, FillStyle]) -> list[Line2D]:
    """Legend entries of the items of `marker_rows`."""
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            color=FAINT,
            fillstyle=face,
            label=item,
        )
        for item, face in faces.items()
    ]


def rows_height(count: int) -> float:
    """Inches of a panel with `count` rows of methods."""
    rows = 0.155 * count
    return rows + 0.85


def row_panels(
    tasks: list[str], count: int, columns: int = 1, sharey: bool | Literal["row"] = "row"
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a row of `columns` axes for each task, high enough for `count` methods."""
    height = len(tasks) * rows_height(count) + LEGEND
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(
        len(tasks),
        columns,
        squeeze=False,
        sharey=sharey,
    )
    for axes, task in zip(grid, tasks, strict=True):
        axes[0].set_title(task)
    return figure, [list(axes) for axes in grid]
