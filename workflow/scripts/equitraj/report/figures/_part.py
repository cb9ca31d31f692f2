"""The part of a large study that its figures show.

A page has room for a limited number of tasks and methods.
"""

from pathlib import Path

import pandas as pd

from equitraj.base.files import atomic
from equitraj.report.figures.style import read_table

TASKS, METHODS = 12, 40


def part(inputs: dict[str, Path], folder: Path) -> tuple[dict[str, Path], str]:
    """Reduce the tables of a figure to the tasks and methods that it can show.

    The first tasks are kept, and the methods that rank first by error on any of these tasks, as in
    `summary`. Reduced tables are written to `folder`.

    Returns:
        The inputs, and a sentence about what is left out ("" if nothing is).
    """
    if "summary" not in inputs:
        return inputs, ""
    summary = read_table(inputs["summary"])
    tasks = list(summary["task"].unique())
    methods = list(summary["method"].unique())
    if len(tasks) <= TASKS and len(methods) <= METHODS:
        return inputs, ""
    shown_tasks = tasks[:TASKS]
    shown_methods = _most_accurate(summary, shown_tasks)
    kept = {"task": shown_tasks, "method": shown_methods}
    paths = {key: _reduced(path, kept, folder) for key, path in inputs.items()}
    n_tasks = f"{len(shown_tasks)} of {len(tasks)} tasks"
    n_methods = f"{len(shown_methods)} of {len(methods)} methods"
    words = f"Shown are {n_tasks} and {n_methods}, the most accurate; the tables have all."
    return paths, words


def _most_accurate(summary: pd.DataFrame, tasks: list[str]) -> list[str]:
    """At most METHODS methods, by their best rank on any of the tasks."""
    rows = summary[summary["task"].isin(tasks)]
    ranks = rows.groupby("task")["mse_mean"].rank()
    best = ranks.groupby(rows["method"]).min()
    ordered = best.sort_values(kind="stable")
    return list(ordered.index[:METHODS])


def _reduced(path: Path, kept: dict[str, list[str]], folder: Path) -> Path:
    """Write the kept rows of a table to `folder`; other files stay as they are."""
    if path.suffix != ".csv":
        return path
    table = read_table(path)
    for column, values in kept.items():
        if column in table:
            table = table[table[column].isin(values)]
    output = folder / path.name
    with atomic(output) as temporary:
        table.to_csv(temporary, index=False)
    return output
