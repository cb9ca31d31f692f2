"""The smallest validation error so far against the cost of training, in two measures.

The measures are seconds of training without compilation, and floating-point operations of the
losses and their gradients. The curves are medians over seeds for each task's largest training set.
They end where training ended, so that methods can be compared at any budget that both have spent.
Operations are known for networks in JAX only."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    FAINT,
    Drawing,
    Styles,
    fit_log_axis,
    kind_legend,
    label_right,
    largest_size,
    nothing,
    panel_height,
    panels,
    read_methods,
    read_table,
    sig,
    task_rows,
)

TITLE = "Error against computing"
INPUTS = ("metrics", "summary", "audit", "history", "routes")
BUDGETS = {"seconds": "seconds of training", "operations": "floating-point operations"}
PANELS = 4  # tasks that are drawn
PARTS = 8  # comparisons in the finding
KEYS = ["task", "method", "seed"]


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw two panels per task with a line per method."""
    metrics = read_table(inputs["metrics"])
    history = read_table(inputs["history"])
    table = curves(metrics, history)
    if table.empty:
        return nothing("no network was trained")
    _, styles = read_methods(inputs)
    tasks = list(table["task"].unique())[:PANELS]
    height = panel_height(table["method"].nunique())
    figure, axes = panels(2 * len(tasks), height=height)
    for number, task in enumerate(tasks):
        rows = task_rows(table, task)
        pair = axes[2 * number : 2 * number + 2]
        for axis, budget in zip(pair, BUDGETS, strict=True):
            _panel(axis, rows.dropna(subset=[budget]), budget, styles)
            axis.set_title(task)
    kind_legend(figure, styles, table["method"])
    drawn = table[table["task"].isin(tasks)]
    routes = read_table(inputs["routes"])
    return figure, finding(drawn, routes)


def curves(metrics: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds of seconds, operations and error, for each task's largest training set.

    The table has a row per task, method and epoch.
    """
    if history.empty:
        return history.assign(seconds=[], operations=[], error=[])
    run = [*KEYS, "train_size"]
    cost = metrics.set_index(run)[["train_seconds", "flops"]]
    rows = largest_size(history).join(cost, on=run)
    runs = rows.groupby(KEYS, sort=False)
    epochs = runs.cumcount() + 1
    part = epochs / runs["epoch"].transform("size")
    rows = rows.assign(
        seconds=part * rows["train_seconds"],
        operations=part * rows["flops"],
        error=runs["validation_mse"].cummin(),
    )
    columns = ["seconds", "operations", "error"]
    points = rows.groupby(["task", "method", "epoch"], sort=False)
    medians = points[columns].median()
    return medians.reset_index()


def _panel(axis: Axes, rows: pd.DataFrame, budget: str, styles: Styles) -> None:
    if rows.empty:
        axis.text(0.5, 0.5, "not counted", transform=axis.transAxes, ha="center", color=FAINT)
        axis.plot([], [])
        return
    fit_log_axis(axis.xaxis, rows[budget], 0.02)
    fit_log_axis(axis.yaxis, rows["error"])
    ends = {}
    for method, line in rows.groupby("method", sort=False):
        axis.plot(line[budget], line["error"], **styles[method].line)
        last = line.iloc[-1]
        ends[method] = (last[budget], last["error"])
    label_right(axis, list(ends.values()), list(ends), styles)
    axis.set(xlabel=BUDGETS[budget], ylabel="validation MSE")
    axis.grid()


def at_equal_budget(
    table: pd.DataFrame, task: str, pair: tuple[str, str], budget: str
) -> float | None:
    """How many times smaller the first method's error is at the budget that both have spent.

    None if it is unknown.
    """
    rows = task_rows(table, task).dropna(subset=[budget])
    lines = [rows[rows["method"] == method] for method in pair]
    if any(line.empty for line in lines):
        return None
    common = min(line[budget].iloc[-1] for line in lines)
    limit = common * (1 + 1e-9)
    first, other = (line.loc[line[budget] <= limit, "error"] for line in lines)
    if first.empty or other.empty:
        return None
    return float(other.iloc[-1] / first.iloc[-1])


def finding(table: pd.DataFrame, routes: pd.DataFrame) -> str:
    """Compare each route with the same model without it at an equal budget.

    The budget is the number of operations, or seconds if operations are unknown. Without routes,
    the finding names the best method of each task.
    """
    pairs = routes.drop_duplicates(["task", "method"])
    lines = [_comparison(table, row.task, row.method, row.against) for row in pairs.itertuples()]
    parts = [line for line in lines if line]
    if not parts:
        parts = _best(table)
    text = "; ".join(parts[:PARTS])
    if len(parts) > PARTS:
        text += f"; and {len(parts) - PARTS} more"
    return text + "."


def _comparison(table: pd.DataFrame, task: str, method: str, against: str) -> str:
    """One comparison as text, "" if no budget is known."""
    for budget in ("operations", "seconds"):
        ratio = at_equal_budget(table, task, (method, against), budget)
        if ratio is None:
            continue
        factor = sig(max(ratio, 1 / ratio))
        direction = "smaller" if ratio >= 1 else "larger"
        times = f"{factor} times {direction}"
        return f"{task}: {method} has an error {times} than {against} with as many {budget}"
    return ""


def _best(table: pd.DataFrame) -> list[str]:
    best = table.loc[table.groupby("task")["error"].idxmin()]
    return [
        f"{row.task}: {row.method} has the smallest error, {sig(row.error)}"
        for row in best.itertuples()
    ]
