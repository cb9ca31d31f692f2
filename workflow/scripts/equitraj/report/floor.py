"""What floor.csv says: which tasks nobody can solve, and how near the best method comes to what is
possible."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from equitraj.report.figures.style import largest_size, read_table, sig

HOPELESS = 0.5  # of the error of no motion: where more than this cannot be predicted, no method can do much
REACHED = 1.1  # times the floor


@dataclass(frozen=True)
class Level:
    """A floor; `kind` is `exact` or `lower bound`."""

    value: float
    kind: str


def levels(path: Path) -> dict[str, Level]:
    """The floors of floor.csv by task, of those tasks where it is known."""
    known = read_table(path).dropna(subset=["floor"])
    return {row.task: Level(row.floor, row.kind) for row in known.itertuples()}


def hopeless(floor: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """For each task whose floor is known one line: that nobody can solve it, or how near to it the
    best method is.

    Args:
        floor: floor.csv; summary: summary.csv.
    """
    table = largest_size(summary)
    rows = {row["task"]: row for row in floor.dropna(subset=["floor"]).to_dict("records")}
    return [
        _line(rows[task], methods)
        for task, methods in table.groupby("task", sort=False)
        if task in rows
    ]


def unsolvable(floor: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """The tasks on which more than `HOPELESS` of the error of no motion is irreducible."""
    still = summary.groupby("task", sort=False)["mse_persistence"].max()
    values = floor.set_index("task")["floor"].reindex(still.index)
    return list(still.index[values > HOPELESS * still])


def _line(row: dict, methods: pd.DataFrame) -> str:
    task, floor, still = row["task"], row["floor"], methods["mse_persistence"].max()
    if floor > HOPELESS * still:
        least = "" if row["kind"] == "exact" else "at least "
        return (
            f"On `{task}` {least}{_percent(row, still)} of the error of no motion is irreducible: "
            "what the task shows does not tell it, so no method can have a skill above "
            f"{sig(max(1 - floor / still, 0), 2)}."
        )
    if floor == 0:
        return f"On `{task}` the floor is 0: the motion is deterministic."
    ok = methods.dropna(subset=["mse_mean"])
    what = f"the floor ({_number(row)}{', a lower bound' if row['kind'] != 'exact' else ''})"
    if ok.empty:
        return f"On `{task}` {what} was reached by no method: all failed."
    best = ok.loc[ok["mse_mean"].idxmin()]
    ratio = best["mse_mean"] / floor
    if ratio <= REACHED:
        return f"On `{task}` the best method, `{best['method']}`, reaches {what}: nothing is left to gain."
    return f"On `{task}` the error of the best method, `{best['method']}`, is {sig(ratio, 2)} times {what}."


def _percent(row: dict, still: float) -> str:
    share = f"{min(100 * row['floor'] / still, 100):.0f} %"
    if pd.isna(row["low"]):
        return share
    low, high = (min(100 * row[end] / still, 100) for end in ("low", "high"))
    return f"{share} (95 % interval {low:.0f} to {high:.0f} %)"


def _number(row: dict) -> str:
    interval = (
        "" if pd.isna(row["low"]) else f", 95 % interval {sig(row['low'])} to {sig(row['high'])}"
    )
    return f"MSE {sig(row['floor'])}{interval}"
