"""The smallest validation error so far against seconds of training (compilation left out) and
against floating-point operations of the losses and their gradients, of each task's largest training
set: median over seeds. Curves end where training ended, so that methods can be compared at any
budget that both have spent. Operations are known of networks in JAX."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Error against computing"
INPUTS = ("metrics", "summary", "audit", "history", "routes")
BUDGETS = {"seconds": "seconds of training", "operations": "floating-point operations"}
PANELS = 4  # tasks that are drawn
KEYS = ["task", "method", "seed"]


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """Two panels per task."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    metrics, history = style.read_table(inputs["metrics"]), style.read_table(inputs["history"])
    table = curves(metrics, history)
    if table.empty:
        return style.empty("no network was trained"), "No network was trained: 0 rows."
    styles = style.method_styles(summary, audit)
    tasks = list(table["task"].unique())[:PANELS]
    figure, axes = style.panels(
        2 * len(tasks), height=style.panel_height(table["method"].nunique())
    )
    for number, task in enumerate(tasks):
        rows = table[table["task"] == task]
        for axis, budget in zip(axes[2 * number : 2 * number + 2], BUDGETS, strict=True):
            _panel(axis, rows.dropna(subset=[budget]), budget, styles)
            axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in table["method"]))
    return figure, finding(table[table["task"].isin(tasks)], style.read_table(inputs["routes"]))


def curves(metrics: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """A row per task, method and epoch of the largest training set: medians over seeds of budgets
    and error."""
    if history.empty:
        return history.assign(seconds=[], operations=[], error=[])
    cost = metrics.set_index([*KEYS, "train_size"])[["train_seconds", "flops"]]
    rows = style.largest_size(history).join(cost, on=[*KEYS, "train_size"])
    runs = rows.groupby(KEYS, sort=False)
    part = (runs.cumcount() + 1) / runs["epoch"].transform("size")
    rows = rows.assign(
        seconds=part * rows["train_seconds"],
        operations=part * rows["flops"],
        error=runs["validation_mse"].cummin(),
    )
    columns = ["seconds", "operations", "error"]
    return rows.groupby(["task", "method", "epoch"], sort=False)[columns].median().reset_index()


def _panel(
    axis: Axes, rows: pd.DataFrame, budget: str, styles: dict[str, style.MethodStyle]
) -> None:
    if rows.empty:
        axis.text(0.5, 0.5, "not counted", transform=axis.transAxes, ha="center", color=style.FAINT)
        axis.plot([], [])
        return
    style.log_axis(axis.xaxis, style.log_limits(rows[budget], 0.02))
    style.log_axis(axis.yaxis, style.log_limits(rows["error"]))
    ends = {}
    for method, line in rows.groupby("method", sort=False):
        look = styles[method]
        axis.plot(line[budget], line["error"], color=look.colour, linestyle=look.linestyle)
        ends[method] = tuple(line[[budget, "error"]].iloc[-1])
    style.label_right(axis, list(ends.values()), list(ends), styles)
    axis.set(xlabel=BUDGETS[budget], ylabel="validation MSE")
    axis.grid()


def at_equal_budget(
    table: pd.DataFrame, task: str, pair: tuple[str, str], budget: str
) -> float | None:
    """How many times smaller the first method's error is with what the cheaper of the two spent;
    None if unknown."""
    rows = table[table["task"] == task].dropna(subset=[budget])
    lines = [rows[rows["method"] == method] for method in pair]
    if any(line.empty for line in lines):
        return None
    common = min(line[budget].iloc[-1] for line in lines)
    first, other = (line.loc[line[budget] <= common * (1 + 1e-9), "error"] for line in lines)
    return float(other.iloc[-1] / first.iloc[-1]) if len(first) and len(other) else None


def finding(table: pd.DataFrame, routes: pd.DataFrame) -> str:
    """Each route against the same model without it, with equal operations, or equal seconds where
    these are unknown."""
    parts = []
    for row in routes.drop_duplicates(["task", "method"]).itertuples():
        for budget, what in (("operations", "operations"), ("seconds", "seconds")):
            ratio = at_equal_budget(table, row.task, (row.method, row.against), budget)
            if ratio is None:
                continue
            times = (
                f"{style.sig(max(ratio, 1 / ratio))} times {'smaller' if ratio >= 1 else 'larger'}"
            )
            parts.append(
                f"{row.task}: {row.method} has an error {times} than {row.against} with as many {what}"
            )
            break
    if not parts:
        fastest = table.loc[table.groupby("task")["error"].idxmin()]
        parts = [
            f"{r.task}: {r.method} has the smallest error, {style.sig(r.error)}"
            for r in fastest.itertuples()
        ]
    return "; ".join(parts[:8]) + (f"; and {len(parts) - 8} more" if len(parts) > 8 else "") + "."
