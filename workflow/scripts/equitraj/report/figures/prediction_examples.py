"""True and predicted motion of the points, for one test sample of each task.

The panels show the plane of the two largest extents. Grey arrows are the true displacements and
coloured arrows the predicted ones. Both are magnified by the stated factor, because a step is far
smaller than the body. The number is the relative error of the displacements over the kept
samples."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.base.files import checked
from equitraj.report.figures._examples import NEWEST, TRUTH
from equitraj.report.figures.style import (
    INK,
    WIDTH,
    Drawing,
    Styles,
    kinds_of,
    largest_size,
    nothing,
    read_methods,
    sig,
    task_rows,
)

TITLE = "Predicted and true motion"
INPUTS = ("summary", "audit", "examples")
COLUMNS = 3


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per task with three methods.

    They are the best equivariant method, the best other one, and constant velocity or the next
    best.
    """
    summary, styles = read_methods(inputs)
    table = largest_size(summary)
    tasks = set(summary["task"])
    examples, totals = _read(inputs["examples"])
    examples = {
        task: arrays for task, arrays in examples.items() if len(arrays) > 2 and task in tasks
    }
    if not examples:
        return nothing("no predictions were kept", "samples")
    size = (WIDTH, 2.5 * len(examples))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(examples), COLUMNS, squeeze=False)
    parts = []
    for axes, (task, arrays) in zip(grid, examples.items(), strict=True):
        rows = task_rows(table, task)
        rows = rows[rows["method"].isin(list(arrays))]
        methods = choose(rows, styles)
        errors = {method: f"{100 * relative_error(arrays, method):.3g} %" for method in methods}
        _row(list(axes), task, arrays, errors, styles)
        samples = f"{len(arrays[TRUTH])} of {totals[task]} test samples, spread evenly"
        numbers = ", ".join(f"{method} {error}" for method, error in errors.items())
        parts.append(f"{task} ({samples}): {numbers}")
    return figure, f"Displacement error relative to the true displacement: {'; '.join(parts)}."


def _row(
    axes: list[Axes],
    task: str,
    arrays: dict[str, np.ndarray],
    errors: dict[str, str],
    styles: Styles,
) -> None:
    """Draw a panel per method in `errors`, and remove the other axes."""
    for unused in axes[len(errors) :]:
        unused.remove()
    for axis, (method, error) in zip(axes, errors.items(), strict=False):
        factor = _panel(axis, arrays, method, styles[method].colour)
        axis.set_title(f"{task}:\n{method}", fontsize=8)
        axis.set_xlabel(f"displacements × {sig(factor, 1)}, error {error}", fontsize=7.5)


def _read(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, int]]:
    """The examples of each task, and the number of test samples from which they were taken."""
    examples, totals = {}, {}
    with h5py.File(checked(path), "r") as file:
        for task, group in file.items():
            examples[task] = {name: data[()] for name, data in group.items()}
            totals[task] = int(group.attrs["test_samples"])
    return examples, totals


def choose(rows: pd.DataFrame, styles: Styles) -> list[str]:
    """At most three methods, first the best of each kind, without predictions of no motion."""
    rows = rows.dropna(subset=["mse_mean"])
    moving = rows[rows["mse_mean"] != rows["mse_persistence"]]
    ordered = moving.sort_values("mse_mean")
    kinds = ordered["method"].map(kinds_of(styles))
    best = ordered.groupby(kinds, sort=False).head(1)
    others = ordered.drop(index=best.index).head(COLUMNS - len(best))
    chosen = pd.concat([best, others]).sort_values("mse_mean")
    return list(chosen["method"])


def relative_error(data: dict[str, np.ndarray], method: str) -> float:
    """Ratio of two root mean squares: prediction minus truth, and truth minus newest frame."""
    error = data[method] - data[TRUTH]
    step = data[TRUTH] - data[NEWEST]
    ratio = (error**2).sum() / (step**2).sum()
    return float(np.sqrt(ratio))


def _panel(axis: Axes, data: dict[str, np.ndarray], method: str, colour: str) -> float:
    """Draw the middle sample, and return the factor that magnifies the displacements."""
    middle = len(data[TRUTH]) // 2
    newest = data[NEWEST][middle]
    extents = np.ptp(newest, axis=0)
    plane = np.sort(np.argsort(extents)[-2:])
    start = newest[:, plane]
    true_step = (data[TRUTH][middle] - newest)[:, plane]
    step = (data[method][middle] - newest)[:, plane]
    factor = _magnification(start, true_step)
    axis.plot(*start.T, linestyle="none", marker="o", markersize=2.5, color=INK)
    _arrows(axis, start, true_step, factor, "#b3b8bf", 0.014)
    _arrows(axis, start, step, factor, colour, 0.006)
    _set_limits(axis, [start, start + factor * true_step, start + factor * step])
    axis.set_aspect("equal")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return factor


def _magnification(start: np.ndarray, step: np.ndarray) -> float:
    """The factor, with one digit, that makes a median step about an eighth of the extent."""
    lengths = np.linalg.norm(step, axis=1)
    size = np.median(lengths)
    if not size > 0:
        return 1.0
    extent = np.ptp(start, axis=0).max()
    factor = 0.12 * extent / size
    return float(f"{factor:.1g}")


def _arrows(
    axis: Axes, start: np.ndarray, step: np.ndarray, factor: float, colour: str, width: float
) -> None:
    axis.quiver(
        *start.T,
        *step.T,
        color=colour,
        width=width,
        angles="xy",
        scale_units="xy",
        scale=1 / factor,
    )


def _set_limits(axis: Axes, points: list[np.ndarray]) -> None:
    """Show a square around all points."""
    ends = np.concatenate(points)
    low, high = ends.min(0), ends.max(0)
    half = 0.55 * (high - low).max()
    margin = np.array([-half, half])
    x, y = (low + high) / 2
    axis.set(xlim=x + margin, ylim=y + margin)
