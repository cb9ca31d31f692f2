"""Numbers, intervals and names as they are written in the report."""

import pandas as pd

from equitraj.report.figures.style import listing, sig, skill

__all__ = [
    "interval",
    "listing",
    "names",
    "overlap",
    "sig",
    "skill",
    "squared",
    "value_with_interval",
]

SYMBOLS = {
    "reduced": "length",
    "Angstrom": "Å",
}  # units as they are written; of reduced ones only the kind is known


def names(methods: list[str]) -> str:
    """Method names set as code: "`mlp` and `egnn`"."""
    return listing(f"`{method}`" for method in methods)


def squared(sources: pd.DataFrame | None) -> str:
    """The unit of mean square errors: that of sources.csv, `length²` where it has several or is not
    known."""
    units = set() if sources is None else set(sources["length_unit"])
    unit = units.pop() if len(units) == 1 else "reduced"
    return SYMBOLS.get(unit, unit) + "²"


def interval(row: pd.Series | dict, column: str) -> str:
    """The 95 % interval of a column of summary.csv, or why there is none."""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if pd.notna(low) and pd.notna(high):
        return f"{sig(low)} to {sig(high)}"
    ended_well = int(row["n_seeds"] - row["n_failed"])
    if ended_well == 0:
        return "n/a (failed)"
    return f"n/a ({ended_well} seed{'' if ended_well == 1 else 's'})"


def value_with_interval(row: pd.Series | dict, column: str) -> str:
    """`3.38e-09 (95 % interval over 3 seeds: 3.1e-09 to 3.6e-09)`, or the reason why there is no
    interval."""
    seeds = int(row["n_seeds"] - row["n_failed"])
    text = interval(row, column)
    label = "interval over seeds" if text.startswith("n/a") else f"95 % interval over {seeds} seeds"
    return f"{sig(row[f'{column}_mean'])} ({label}: {text})"


def overlap(one: pd.Series, other: pd.Series, column: str = "mse") -> bool | None:
    """Whether the intervals of two rows overlap; a row without interval counts as a point; None if
    both have none."""
    ends = []
    for row in (one, other):
        low, high, mean = (row[f"{column}_{end}"] for end in ("low", "high", "mean"))
        ends.append((low, high) if pd.notna(low) else (mean, mean))
    if all(low == high for low, high in ends):
        return None
    return bool(max(ends[0][0], ends[1][0]) <= min(ends[0][1], ends[1][1]))
