"""The worst rotation that an optimiser found on SO(3) (filled), compared with random rotations.

The open marker is the 95th percentile (p95) of random rotations. Where the two lie far apart,
random rotations miss the error. The grey band is rounding."""

from pathlib import Path

import pandas as pd

from equitraj.report.figures.shared import (
    FillStyle,
    at_rounding,
    face_entries,
    floor_entry,
    marker_rows,
    probe_rows,
    rows_height,
)
from equitraj.report.figures.style import (
    Drawing,
    kind_legend,
    nothing,
    panels,
    read_methods,
    sig,
    task_rows,
)

TITLE = "The worst rotation"
INPUTS = ("summary", "audit", "probes")
WORST, RANDOM = "worst", "random p95"
FACES: dict[str, FillStyle] = {WORST: "full", RANDOM: "none"}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per task with a row per method."""
    rows = probe_rows(inputs, "worst_rotation")
    if rows.empty:
        return nothing("no worst rotation was searched for")
    _, styles = read_methods(inputs)
    tasks = list(rows["task"].unique())
    most = rows.groupby("task")["method"].nunique().max()
    figure, axes = panels(len(tasks), height=rows_height(most))
    for axis, task in zip(axes, tasks, strict=True):
        axis.set_title(task)
        marker_rows(axis, task_rows(rows, task), FACES, styles, joined=True)
        axis.set_xlabel("relative error")
    entries = [*face_entries(FACES), floor_entry()]
    kind_legend(figure, styles, rows["method"].unique(), entries)
    return figure, finding(rows)


def finding(rows: pd.DataFrame) -> str:
    """Count the methods at rounding, and give the largest ratio of worst to random rotations."""
    worst_rows = rows[rows["item"] == WORST]
    exact = at_rounding(worst_rows)
    count = f"{len(exact)} of {worst_rows['method'].nunique()} methods"
    text = f"{count} stay at rounding under the worst rotation found"
    errors = rows.pivot_table(index=["task", "method"], columns="item", values="value")
    is_exact = errors.index.isin(exact, level="method")
    errors = errors[~is_exact].dropna()
    if errors.empty:
        return text + "."
    ratio = errors[WORST] / errors[RANDOM]
    task, method = ratio.idxmax()
    worst, random = (sig(errors[item][task, method]) for item in (WORST, RANDOM))
    return (
        f"{text}; of the others the worst rotation is most above the random 95th percentile for "
        f"{method} on {task}: {worst} against {random}, {sig(ratio.max())} times."
    )
