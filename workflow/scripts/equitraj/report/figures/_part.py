"""The part of a large study that its figures show: as many tasks and methods as can be told apart
on a page."""

from pathlib import Path

from equitraj.base.files import atomic
from equitraj.report.figures.style import read_table

TASKS, METHODS = 12, 40


def part(inputs: dict[str, Path], folder: Path) -> tuple[dict[str, Path], str]:
    """The inputs of a figure, tables of more tasks or methods than it can show replaced by parts of
    them in `folder`.

    Kept are the first tasks, and of the methods those with the smallest error on any of these, as
    `summary` says.

    Returns:
        The inputs, and a sentence that says what is left out, "" where nothing is.
    """
    if "summary" not in inputs:
        return inputs, ""
    summary = read_table(inputs["summary"])
    tasks, methods = (list(summary[key].unique()) for key in ("task", "method"))
    if len(tasks) <= TASKS and len(methods) <= METHODS:
        return inputs, ""
    known = summary[summary["task"].isin(tasks[:TASKS])]
    ranks = known.groupby("task")["mse_mean"].rank().groupby(known["method"]).min()
    kept = {"task": tasks[:TASKS], "method": list(ranks.sort_values(kind="stable").index[:METHODS])}
    paths = {
        key: _rows(path, kept, folder) if path.suffix == ".csv" else path
        for key, path in inputs.items()
    }
    shown = f"{len(kept['task'])} of {len(tasks)} tasks and {len(kept['method'])} of {len(methods)} methods"
    return paths, f"Shown are {shown}, the most accurate; the tables have all."


def _rows(path: Path, kept: dict[str, list[str]], folder: Path) -> Path:
    table = read_table(path)
    for key, names in kept.items():
        if key in table:
            table = table[table[key].isin(names)]
    with atomic(folder / path.name) as temporary:
        table.to_csv(temporary, index=False)
    return folder / path.name
