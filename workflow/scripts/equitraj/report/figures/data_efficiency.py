"""Test error against the number of training samples, with a line per method.

Errors are geometric means over seeds. With three seeds or more they have 95 % confidence intervals
over seeds and blocks of test samples; with fewer seeds there is a point per seed. The length of the
arrow shows how many times as many samples a method needs without its route to symmetry. The dashed
line is the error of no motion, the dotted line the error of constant velocity, and the thin line
the floor, which no method can beat."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from equitraj.report.figures.style import (
    INK,
    REFERENCES,
    Drawing,
    MethodStyle,
    Styles,
    ceiling,
    empty,
    fit_log_axis,
    floor_line,
    kind_legend,
    label_right,
    panel_height,
    panels,
    read_methods,
    read_table,
    reference_entries,
    reference_lines,
    sig,
    task_rows,
    with_floor,
)
from equitraj.report.floor import Level, levels

TITLE = "Error against training samples"
INPUTS = ("metrics", "summary", "audit", "data_factors", "splits", "floor")
PANELS = 4  # tasks that are drawn
ALONE = 6.0  # inches; a single panel is shown next to a table, so its text has to be large


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with several training sizes."""
    summary, styles = read_methods(inputs)
    metrics = read_table(inputs["metrics"])
    factors = read_table(inputs["data_factors"])
    floors = levels(inputs["floor"])
    samples = sample_counts(read_table(inputs["splits"]))
    table = with_samples(summary, samples).dropna(subset=["mse_mean"])
    tasks = _several_sizes(table)[:PANELS]
    if not tasks:
        message = "the study has one training size"
        return empty(message), "The study has one training size, so nothing is drawn."
    finished = with_samples(metrics[metrics["status"] == "ok"], samples)
    drawn = table[table["task"].isin(tasks)]
    figure, axes = panels(len(tasks), height=panel_height(drawn["method"].nunique()) + 0.3)
    if len(tasks) == 1:
        figure.set_figwidth(ALONE)
    for axis, task in zip(axes, tasks, strict=True):
        rows = task_rows(table, task)
        _panel(axis, rows, task_rows(finished, task), styles, floors.get(task))
        _factor(axis, rows, task_rows(factors, task))
        axis.set_title(task)
    kind_legend(figure, styles, _fitted(drawn, styles)["method"], reference_entries())
    return figure, finding(factors[factors["task"].isin(tasks)], tasks)


def sample_counts(splits: pd.DataFrame) -> pd.Series:
    """The number of training samples by task and training size."""
    training = splits[splits["split"] == "train"]
    return training.set_index(["task", "train_size"])["samples"]


def with_samples(table: pd.DataFrame, samples: pd.Series) -> pd.DataFrame:
    """Add to a table the number of training samples of each row's task and training size."""
    size = ["task", "train_size"]
    return table.join(samples, on=size)


def _several_sizes(table: pd.DataFrame) -> list[str]:
    """The tasks with more than one training size."""
    sizes = table.groupby("task")["samples"].nunique()
    return [task for task in table["task"].unique() if sizes[task] > 1]


def _fitted(rows: pd.DataFrame, styles: Styles) -> pd.DataFrame:
    """The rows of the methods that are not baselines; only these have lines."""
    methods = [method for method, look in styles.items() if look.kind != "baseline"]
    fitted = rows["method"].isin(methods)
    return rows[fitted]


def _panel(
    axis: Axes, rows: pd.DataFrame, seeds: pd.DataFrame, styles: Styles, floor: Level | None
) -> None:
    references = rows[REFERENCES].max()
    fitted = _fitted(rows, styles)
    errors = fitted["mse_mean"]
    shown = errors[errors < ceiling(references)]
    lowest = floor.value if floor else None
    heights = with_floor([*shown, references.min()], lowest)
    fit_log_axis(axis.xaxis, rows["samples"], 0.03)
    fit_log_axis(axis.yaxis, heights)
    if floor:
        floor_line(axis, floor.value, floor.kind)
    reference_lines(axis, references)
    ends = {}
    for method, points in fitted.groupby("method", sort=False):
        line = points.sort_values("samples")
        _curve(axis, line, seeds[seeds["method"] == method], styles[method])
        last = line.iloc[-1]
        ends[method] = (last["samples"], last["mse_mean"])
    label_right(axis, list(ends.values()), list(ends), styles)
    _sample_ticks(axis, sorted(rows["samples"].unique()))
    axis.set(xlabel="training samples", ylabel="test MSE")
    axis.grid()


def _curve(axis: Axes, line: pd.DataFrame, seeds: pd.DataFrame, look: MethodStyle) -> None:
    """Draw a line with its interval, or with a point per seed if there is no interval."""
    axis.plot(line["samples"], line["mse_mean"], **look.line, marker=look.marker)
    if line["mse_low"].notna().any():
        axis.fill_between(
            line["samples"],
            line["mse_low"],
            line["mse_high"],
            color=look.colour,
            alpha=0.13,
            lw=0,
        )
    else:
        axis.plot(
            seeds["samples"],
            seeds["mse"],
            look.marker,
            color=look.colour,
            alpha=0.4,
            markersize=3,
        )


def _sample_ticks(axis: Axes, sizes: list[float]) -> None:
    xaxis = axis.xaxis
    xaxis.set_major_locator(FixedLocator(sizes))
    xaxis.set_minor_locator(NullLocator())
    xaxis.set_major_formatter(FuncFormatter(_with_commas))


def _with_commas(value: float, _: int | None) -> str:
    return f"{value:,.0f}"


def _factor(axis: Axes, rows: pd.DataFrame, factors: pd.DataFrame) -> None:
    """Draw an arrow for the largest significant data factor on the test data as given.

    Its height is an error that both methods reach.
    """
    as_given = factors["measure"] == "given"
    significant = factors[as_given & (factors["low"] > 1)]
    if significant.empty:
        return
    best = significant.loc[significant["factor"].idxmax()]
    curves = [_smallest_so_far(rows, best[name]) for name in ("method", "against")]
    lowest = max(curve.iloc[-1] for curve in curves)
    highest = min(curve.iloc[0] for curve in curves)
    level = np.sqrt(lowest * highest)
    start, end = (_samples_at(level, curve) for curve in curves)
    axis.annotate(
        "",
        (start, level),
        (end, level),
        arrowprops={"arrowstyle": "<->", "color": INK, "lw": 0.9},
    )
    axis.annotate(
        f"{sig(best['factor'], 2)} times the samples",
        (np.sqrt(start * end), level),
        (0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color=INK,
    )


def _smallest_so_far(rows: pd.DataFrame, method: str) -> pd.Series:
    """The smallest error of a method with at most as many samples, by number of samples."""
    curve = rows[rows["method"] == method].sort_values("samples")
    errors = curve.set_index("samples")["mse_mean"]
    return errors.cummin()


def _samples_at(level: float, curve: pd.Series) -> float:
    """The number of samples at which a falling curve reaches an error.

    It is interpolated in logarithms.
    """
    errors = -np.log(curve)
    samples = np.log(curve.index)
    logarithm = np.interp(-np.log(level), errors, samples)
    return np.exp(logarithm)


def finding(factors: pd.DataFrame, tasks: list[str]) -> str:
    """The largest significant data factor of each task with its interval, if there is one."""
    parts = []
    for task in tasks:
        rows = task_rows(factors, task)
        rows = rows[rows["measure"] == "given"]
        significant = rows[(rows["low"] > 1) | (rows["bound"] == "more than")]
        if significant.empty:
            parts.append(f"{task}: no route to symmetry saves samples beyond the intervals")
            continue
        best = significant.loc[significant["factor"].idxmax()]
        parts.append(
            f"{task}: {best['against']} needs {times_text(best)} as many training samples "
            f"as {best['method']}{interval_text(best)}"
        )
    return "; ".join(parts) + "."


def times_text(row: pd.Series) -> str:
    """A data factor as text: `5.31 times` or `more than 16.0 times`."""
    factor = sig(row["factor"])
    if not _is_bound(row):
        return f"{factor} times"
    return f"{row['bound']} {factor} times"


def _is_bound(row: pd.Series) -> bool:
    bound = row["bound"]
    return isinstance(bound, str) and bool(bound)


def interval_text(row: pd.Series) -> str:
    """What follows a data factor in brackets: its interval, or why there is none.

    Nothing follows a bound.
    """
    if _is_bound(row):
        return ""
    if pd.isna(row["low"]):
        plural = "" if row["seeds"] == 1 else "s"
        return f" ({row['seeds']} seed{plural}: no interval)"
    low = sig(row["low"])
    high = sig(row["high"])
    return f" (95 % interval {low} to {high})"
