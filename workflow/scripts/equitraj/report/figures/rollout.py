"""Error of a rollout, in which each prediction is fed back as input, against the number of steps:
mean over starts, every seed thin and their median thick. The dashed line is the error of predicting
no motion at all; a curve that ends early, or leaves the top, has exploded."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Rollouts"
INPUTS = ("summary", "audit", "rollout")
EXPLODED = 10  # times the error of no motion


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method and thin ones for its seeds."""
    summary, table = style.read_table(inputs["summary"]), style.read_table(inputs["rollout"])
    audit = style.read_claims(inputs["audit"])
    table = style.largest_size(table)
    table = table[
        table.groupby("task")["step"].transform("max") > 1
    ]  # one step is what the other figures show
    if table.empty:
        return style.empty(
            "no rollouts of several steps were made"
        ), "No rollouts of several steps were made: 0 rows."
    styles = style.method_styles(summary, audit)
    table["still"] = table["mse"] / (1 - table["skill"])
    tasks = list(table["task"].unique())
    figure, axes = style.panels(len(tasks), height=style.panel_height(table["method"].nunique()))
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, table[table["task"] == task], styles)
        axis.set_title(task)
    style.kind_legend(
        figure, (styles[m].kind for m in table["method"]), style.reference_entries()[:1]
    )
    return figure, finding(table)


def seed_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per step, a column per method and seed, infinite where the numbers of a seed have
    ended."""
    return rows.pivot(index="step", columns=["method", "seed"], values="mse").fillna(np.inf)


def median_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds: a row per step, a column per method."""
    return curves.T.groupby(level="method").median().T


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    seeds, still = seed_curves(rows), rows.groupby("step")["still"].median()
    curves = median_curves(seeds)
    low, high = style.log_limits([*seeds.to_numpy().ravel(), *still])
    axis.set(
        xscale="log", xlim=(curves.index.min(), max(curves.index.max(), curves.index.min() + 1))
    )
    style.log_axis(axis.yaxis, (low, min(high, style.ceiling(still))))
    axis.plot(
        still.index, still, color=style.FAINT, linestyle=style.REFERENCE["no motion"], linewidth=1
    )
    for method, seed in seeds:
        axis.plot(
            _finite(seeds[method, seed]), color=styles[method].colour, linewidth=0.6, alpha=0.6
        )
    for method in curves:
        look = styles[method]
        axis.plot(_finite(curves[method]), color=look.colour, linestyle=look.linestyle)
    last = curves.iloc[-1].replace(np.inf, high).clip(*axis.get_ylim())
    style.label_right(
        axis, [(curves.index.max(), value) for value in last], list(last.index), styles
    )
    axis.set(xlabel="step", ylabel="MSE")
    axis.grid()


def _finite(curve: pd.Series) -> pd.Series:
    return curve.replace(np.inf, np.nan)


def explosions(rows: pd.DataFrame) -> dict[str, dict[int, int]]:
    """By method and seed, the step at which a rollout's error is 10 times that of no motion, or no
    number any more."""
    curves, still = seed_curves(rows), rows.groupby("step")["still"].median()
    found: dict[str, dict[int, int]] = {}
    for (method, seed), curve in curves.items():
        if (beyond := curve > EXPLODED * still).any():
            found.setdefault(method, {})[seed] = int(beyond.idxmax())
    return found


def _exploded(method: str, steps: dict[int, int], seeds: int) -> str:
    low, high = min(steps.values()), max(steps.values())
    when = (
        f"after {low} to {high} steps"
        if high > low
        else f"after {low} step{'' if low == 1 else 's'}"
    )
    if len(steps) == seeds:
        return f"{method} ({'all seeds, ' if seeds > 1 else ''}{when})"
    return f"{method} (seed{'s' if len(steps) > 1 else ''} {style.listing(map(str, steps))} of {seeds}, {when})"


def finding(table: pd.DataFrame) -> str:
    """The best method after the last step, how many do worse than no motion there, and which seeds
    exploded when."""
    parts, exploded = [], []
    for task, rows in table.groupby("task", sort=False):
        still = rows.loc[rows["step"] == rows["step"].max(), "still"].median()
        last = median_curves(seed_curves(rows)).iloc[-1]
        worse = (~(last <= still * 1.001)).sum()
        best = (
            f"{last.idxmin()} is best with {style.sig(last.min())}"
            if np.isfinite(last.min())
            else "none is left"
        )
        parts.append(
            f"{task}: after {rows['step'].max()} steps {best} "
            f"(no motion {style.sig(still)}), and {worse} of {len(last)} methods do worse than no motion"
        )
        seeds = rows.groupby("method")["seed"].nunique()
        if found := explosions(rows):
            words = (_exploded(method, steps, seeds[method]) for method, steps in found.items())
            exploded.append(f"on {task} {style.listing(words)}")
    text = "; ".join(parts) + "."
    if exploded:
        text += f" Exploded, to no number or {EXPLODED} times the error of no motion: {'; '.join(exploded)}."
    return text
