"""The floors of floor.csv in sentences: which tasks nobody can solve, and how near methods come."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from equitraj.report.figures.style import largest_size, read_table, sig
from equitraj.report.rows import most_accurate
from equitraj.report.words import span

HOPELESS = 0.5  # share of the error of no motion; above it no method can do much
REACHED = 1.1  # times the floor


@dataclass(frozen=True)
class Level:
    """A floor.

    Attributes: value; kind, `exact` or `lower bound`.
    """

    value: float
    kind: str


def levels(path: Path) -> dict[str, Level]:
    """Read the known floors of floor.csv, by task."""
    table = read_table(path)
    by_task = {}
    for task, row in _known(table).items():
        by_task[task] = Level(row["floor"], row["kind"])
    return by_task


def _known(floor: pd.DataFrame) -> dict[str, dict]:
    """The rows of the tasks whose floor is known, by task."""
    known = floor.dropna(subset=["floor"])
    rows = known.to_dict("records")
    return {row["task"]: row for row in rows}


def hopeless(floor: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """Report for each task with a known floor how near the best method comes to it.

    Args:
        floor: floor.csv.
        summary: summary.csv.
    """
    rows = _known(floor)
    largest = largest_size(summary)
    sentences = []
    for task, methods in largest.groupby("task", sort=False):
        if task in rows:
            sentence = _line(rows[task], methods)
            sentences.append(sentence)
    return sentences


def unsolvable(floor: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """The tasks on which more than `HOPELESS` of the error of no motion is irreducible."""
    by_task = summary.groupby("task", sort=False)
    no_motion = by_task["mse_persistence"].max()
    floors = floor.set_index("task")["floor"]
    is_unsolvable = floors.reindex(no_motion.index) > HOPELESS * no_motion
    return list(no_motion.index[is_unsolvable])


def _line(row: dict, methods: pd.DataFrame) -> str:
    task, floor = row["task"], row["floor"]
    no_motion = methods["mse_persistence"].max()
    is_exact = row["kind"] == "exact"
    if floor > HOPELESS * no_motion:
        least = "" if is_exact else "at least "
        most = sig(max(1 - floor / no_motion, 0), 2)
        return (
            f"On `{task}` {least}{_percent(row, no_motion)} of the error of no motion is "
            "irreducible: the input of the task does not determine the motion, so no method can "
            f"have a skill above {most}."
        )
    if floor == 0:
        return f"On `{task}` the floor is 0: the motion is deterministic."
    bound = "" if is_exact else ", a lower bound"
    return _distance(task, floor, f"the floor ({_number(row)}{bound})", methods)


def _distance(task: str, floor: float, name: str, methods: pd.DataFrame) -> str:
    """How near the best method comes to a floor, which is called `name`."""
    successful = methods.dropna(subset=["mse_mean"])
    if successful.empty:
        return f"On `{task}` {name} was reached by no method: all failed."
    best = most_accurate(successful)
    method = best["method"]
    ratio = best["mse_mean"] / floor
    if ratio <= REACHED:
        return f"On `{task}` the best method, `{method}`, reaches {name}: nothing is left to gain."
    return f"On `{task}` the error of the best method, `{method}`, is {sig(ratio, 2)} times {name}."


def _percent(row: dict, no_motion: float) -> str:
    share = _capped_percent(row["floor"], no_motion)
    low, high = row["low"], row["high"]
    if pd.isna(low):
        return f"{share} %"
    low_share = _capped_percent(low, no_motion)
    high_share = _capped_percent(high, no_motion)
    return f"{share} % (95 % interval {low_share} to {high_share} %)"


def _capped_percent(error: float, no_motion: float) -> str:
    percent = min(100 * error / no_motion, 100)
    return f"{percent:.0f}"


def _number(row: dict) -> str:
    text = f"MSE {sig(row['floor'])}"
    low, high = row["low"], row["high"]
    if pd.isna(low):
        return text
    return f"{text}, 95 % interval {span(low, high)}"
