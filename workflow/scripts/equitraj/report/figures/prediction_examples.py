"""Where the points go and where they were predicted to go, for one test sample of each task, in the
plane of its two largest extents. Grey arrows are the true displacements, coloured ones the
predicted; both are magnified by the factor given, because a step is far smaller than the body. The
number is the relative error of the displacements over the samples kept."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.base.files import checked
from equitraj.report.figures import style
from equitraj.report.figures._examples import NEWEST, TRUTH

TITLE = "Predicted and true motion"
INPUTS = ("summary", "audit", "examples")
COLUMNS = 3


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A row per task; the best equivariant method, the best other one, and constant velocity or the
    next best."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    tasks, (examples, totals) = set(summary["task"]), _read(inputs["examples"])
    examples = {task: data for task, data in examples.items() if len(data) > 2 and task in tasks}
    if not examples:
        return style.empty("no predictions were kept"), "No predictions were kept: 0 samples."
    table = style.largest_size(summary)
    figure = Figure(figsize=(style.WIDTH, 2.5 * len(examples)), layout="constrained")
    grid = figure.subplots(len(examples), COLUMNS, squeeze=False)
    parts = []
    for axes, (task, data) in zip(grid, examples.items(), strict=True):
        methods = choose(table[(table["task"] == task) & table["method"].isin(list(data))], styles)
        errors = {method: relative_error(data, method) for method in methods}
        for axis in axes[len(methods) :]:
            axis.remove()
        for axis, method in zip(axes, methods, strict=False):
            _panel(axis, data, method, styles[method].colour)
            axis.set_title(f"{task}:\n{method}", fontsize=8)
            axis.set_xlabel(
                f"{axis.get_xlabel()}, error {100 * errors[method]:.3g} %", fontsize=7.5
            )
        few = f"{len(data[TRUTH])} of {totals[task]} test samples, spread evenly"
        parts.append(
            f"{task} ({few}): {', '.join(f'{m} {100 * e:.3g} %' for m, e in errors.items())}"
        )
    return figure, f"Displacement error relative to the true displacement: {'; '.join(parts)}."


def _read(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, int]]:
    """The examples of each task, and how many test samples they were taken from."""
    with h5py.File(checked(path), "r") as file:
        examples = {
            task: {name: data[()] for name, data in group.items()} for task, group in file.items()
        }
        return examples, {task: int(group.attrs["test_samples"]) for task, group in file.items()}


def choose(rows: pd.DataFrame, styles: dict[str, style.MethodStyle]) -> list[str]:
    """At most three methods: the best of each kind, a motionless one left out."""
    rows = rows.dropna(subset=["mse_mean"])
    rows = rows[rows["mse_mean"] != rows["mse_persistence"]].sort_values("mse_mean")
    best = rows.groupby(rows["method"].map(lambda m: styles[m].kind), sort=False).head(1)
    rest = rows.drop(index=best.index).head(COLUMNS - len(best))
    return list(pd.concat([best, rest]).sort_values("mse_mean")["method"])


def relative_error(data: dict[str, np.ndarray], method: str) -> float:
    """Root mean square of prediction minus truth over that of truth minus newest frame."""
    error, step = data[method] - data[TRUTH], data[TRUTH] - data[NEWEST]
    return float(np.sqrt((error**2).sum() / (step**2).sum()))


def _panel(axis: Axes, data: dict[str, np.ndarray], method: str, colour: str) -> None:
    middle = len(data[TRUTH]) // 2
    start, truth, guess = (data[name][middle] for name in (NEWEST, TRUTH, method))
    plane = np.sort(np.argsort(np.ptp(start, axis=0))[-2:])
    true_step, step, start = (truth - start)[:, plane], (guess - start)[:, plane], start[:, plane]
    size = np.median(np.linalg.norm(true_step, axis=1))
    factor = float(f"{0.12 * np.ptp(start, axis=0).max() / size:.1g}") if size > 0 else 1.0
    axis.plot(*start.T, linestyle="none", marker="o", markersize=2.5, color=style.INK)
    arrows = dict(angles="xy", scale_units="xy", scale=1 / factor)
    axis.quiver(*start.T, *true_step.T, color="#b3b8bf", width=0.014, **arrows)
    axis.quiver(*start.T, *step.T, color=colour, width=0.006, **arrows)
    ends = np.concatenate([start, start + factor * true_step, start + factor * step])
    low, high = ends.min(0), ends.max(0)
    half = 0.55 * (high - low).max()
    axis.set(
        xlim=(low + high)[0] / 2 + np.array([-half, half]),
        ylim=(low + high)[1] / 2 + np.array([-half, half]),
    )
    axis.set_aspect("equal")
    axis.set(xticks=[], yticks=[], xlabel=f"displacements × {style.sig(factor, 1)}")
    axis.spines[:].set_visible(False)
