"""Error of a rollout, in which each prediction is fed back as input, against the number of steps: mean over starts and
seeds. The dashed line is the error of predicting no motion at all; a curve that leaves the top has diverged."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.report.figures import style

TITLE = "Rollouts"
INPUTS = ("summary", "audit", "rollout")


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a line per method."""
    summary, table = style.read_table(inputs["summary"]), style.read_table(inputs["rollout"])
    audit = style.read_claims(inputs["audit"])
    if table.empty:
        return style.empty("no rollouts were made"), "No rollouts were made: 0 rows."
    styles = style.method_styles(summary, audit)
    table = style.largest_size(table)
    table["still"] = table["mse"] / (1 - table["skill"])
    tasks = list(table["task"].unique())
    figure, axes = style.panels(len(tasks), height=style.panel_height(table["method"].nunique()))
    for axis, task in zip(axes, tasks, strict=True):
        _panel(axis, table[table["task"] == task], styles)
        axis.set_title(task)
    style.kind_legend(figure, (styles[m].kind for m in table["method"]), style.reference_entries()[:1])
    return figure, finding(table)


def mean_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds: a row per step, a column per method, which ends where its first seed diverges."""
    steps = rows.groupby(["step", "method"])["mse"]
    table = steps.mean()[steps.size() == steps.size().groupby("method").transform("max")]
    return table.unstack()


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> None:
    curves, still = mean_curves(rows), rows.groupby("step")["still"].median()
    low, high = style.log_limits([*curves.to_numpy().ravel(), *still])
    axis.set(xscale="log", xlim=(curves.index.min(), max(curves.index.max(), curves.index.min() + 1)))
    style.log_axis(axis.yaxis, (low, min(high, style.ceiling(still))))
    axis.plot(still.index, still, color=style.FAINT, linestyle=style.REFERENCE["persistence"], linewidth=1)
    for method in curves:
        look = styles[method]
        axis.plot(curves.index, curves[method], color=look.colour, linestyle=look.linestyle)
    last = curves.iloc[-1].replace(np.inf, np.nan).fillna(high).clip(*axis.get_ylim())
    style.label_right(axis, [(curves.index.max(), value) for value in last], list(last.index), styles)
    axis.set(xlabel="step", ylabel="MSE")
    axis.grid()


def finding(table: pd.DataFrame) -> str:
    """The best method after the last step, and how many do worse than no motion there."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        still = rows.loc[rows["step"] == rows["step"].max(), "still"].median()
        last = mean_curves(rows).iloc[-1]
        worse = (~(last <= still * 1.001)).sum()  # a diverged rollout (NaN) counts as worse
        best = f"{last.idxmin()} is best with {style.sig(last.min())}"
        parts.append(
            f"{task}: after {rows['step'].max()} steps {best} "
            f"(no motion {style.sig(still)}), and {worse} of {len(last)} methods do worse than no motion"
        )
    return "; ".join(parts) + "."
