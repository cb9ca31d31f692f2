"""Error of a rollout, in which each prediction is the next input, against the number of steps.

The errors are means over starts: a thin line for each seed, and a thick line for their median. The
dashed line is the error of predicting no motion. A curve that ends early or leaves the panel at the
top has exploded."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from equitraj.report.figures.style import (
    FAINT,
    REFERENCE,
    Drawing,
    Styles,
    ceiling,
    kind_legend,
    label_right,
    largest_size,
    listing,
    log_axis,
    log_limits,
    nothing,
    panel_height,
    panels,
    read_methods,
    read_table,
    reference_entries,
    sig,
    task_rows,
)

TITLE = "Rollouts"
INPUTS = ("summary", "audit", "rollout")
EXPLODED = 10  # times the error of no motion
Explosions = dict[str, dict[int, int]]  # the step at which a rollout explodes, by method and seed


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a line per method and thin lines for its seeds."""
    _, styles = read_methods(inputs)
    table = largest_size(read_table(inputs["rollout"]))
    last_steps = table.groupby("task")["step"].transform("max")
    table = table[last_steps > 1]  # other figures show single steps
    if table.empty:
        return nothing("no rollouts of several steps were made")
    table = table.assign(still=table["mse"] / (1 - table["skill"]))
    tasks = list(table["task"].unique())
    height = panel_height(table["method"].nunique())
    figure, axes = panels(len(tasks), height=height)
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, task_rows(table, task), styles)
        axis.set_title(task)
    kind_legend(figure, styles, table["method"], reference_entries()[:1])
    return figure, finding(table)


def seed_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Errors with a row per step and a column per method and seed.

    They are infinite where a seed has no number any more.
    """
    curves = rows.pivot(
        index="step",
        columns=["method", "seed"],
        values="mse",
    )
    return curves.fillna(np.inf)


def median_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds, with a row per step and a column per method."""
    by_method = curves.T.groupby(level="method")
    return by_method.median().T


def still_curve(rows: pd.DataFrame) -> pd.Series:
    """The error of no motion by step."""
    steps = rows.groupby("step")
    return steps["still"].median()


def _panel(axis: Axes, rows: pd.DataFrame, styles: Styles) -> None:
    seeds = seed_curves(rows)
    still = still_curve(rows)
    curves = median_curves(seeds)
    first, last = curves.index.min(), curves.index.max()
    low, high = log_limits([*seeds.to_numpy().ravel(), *still])
    axis.set(xscale="log", xlim=(first, max(last, first + 1)))
    log_axis(axis.yaxis, (low, min(high, ceiling(still))))
    axis.plot(
        still.index,
        still,
        color=FAINT,
        linestyle=REFERENCE["no motion"],
        linewidth=1,
    )
    for (method, _), curve in seeds.replace(np.inf, np.nan).items():
        axis.plot(
            curve,
            color=styles[method].colour,
            linewidth=0.6,
            alpha=0.6,
        )
    for method, curve in curves.replace(np.inf, np.nan).items():
        axis.plot(curve, **styles[method].line)
    ends = curves.iloc[-1].replace(np.inf, high)
    ends = ends.clip(*axis.get_ylim())
    points = [(last, end) for end in ends]
    label_right(axis, points, list(ends.index), styles)
    axis.set(xlabel="step", ylabel="MSE")
    axis.grid()


def explosions(rows: pd.DataFrame) -> Explosions:
    """The step at which a rollout explodes, by method and seed.

    Its error is more than EXPLODED times the error of no motion, or no number.
    """
    limit = EXPLODED * still_curve(rows)
    steps: Explosions = {}
    for (method, seed), curve in seed_curves(rows).items():
        beyond = curve > limit
        if beyond.any():
            seeds = steps.setdefault(method, {})
            seeds[seed] = int(beyond.idxmax())
    return steps


def _exploded(method: str, steps: dict[int, int], n_seeds: int) -> str:
    """The exploded seeds of a method and their steps as text."""
    when = _when(steps)
    if len(steps) == n_seeds:
        seeds = "all seeds, " if n_seeds > 1 else ""
        return f"{method} ({seeds}{when})"
    plural = "s" if len(steps) > 1 else ""
    seeds = listing(map(str, steps))
    return f"{method} (seed{plural} {seeds} of {n_seeds}, {when})"


def _when(steps: dict[int, int]) -> str:
    low = min(steps.values())
    high = max(steps.values())
    if high > low:
        return f"after {low} to {high} steps"
    plural = "" if low == 1 else "s"
    return f"after {low} step{plural}"


def finding(table: pd.DataFrame) -> str:
    """The best method after the last step, the number worse than no motion, and explosions."""
    parts, exploded = [], []
    for task, rows in table.groupby("task", sort=False):
        parts.append(f"{task}: {_after_last_step(rows)}")
        seeds = rows.groupby("method")["seed"].nunique()
        methods = explosions(rows).items()
        if methods:
            words = listing(_exploded(method, steps, seeds[method]) for method, steps in methods)
            exploded.append(f"on {task} {words}")
    text = "; ".join(parts) + "."
    if exploded:
        where = "; ".join(exploded)
        text += f" Exploded, to no number or {EXPLODED} times the error of no motion: {where}."
    return text


def _after_last_step(rows: pd.DataFrame) -> str:
    step = rows["step"].max()
    still = still_curve(rows)[step]
    curves = median_curves(seed_curves(rows))
    errors = curves.iloc[-1]
    worse = ~(errors <= still * 1.001)
    smallest = errors.min()
    best = "none is left"
    if np.isfinite(smallest):
        best = f"{errors.idxmin()} is best with {sig(smallest)}"
    return (
        f"after {step} steps {best} (no motion {sig(still)}), "
        f"and {worse.sum()} of {len(errors)} methods do worse than no motion"
    )
