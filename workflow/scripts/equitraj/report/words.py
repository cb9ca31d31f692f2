"""Numbers, intervals and names as the report writes them."""

import pandas as pd

from equitraj.report.figures.style import listing, sig, skill
from equitraj.report.rows import ends

__all__ = [
    "capitalised",
    "counted",
    "interval",
    "listing",
    "names",
    "overlap",
    "sig",
    "skill",
    "span",
    "squared",
    "value_with_interval",
]

# units as they are written; a reduced unit is named by its dimension
SYMBOLS = {"reduced": "length", "Angstrom": "Å"}


def names(methods: list[str]) -> str:
    """Method names set as code: "`mlp` and `egnn`"."""
    return listing(f"`{method}`" for method in methods)


def capitalised(text: str) -> str:
    """A text with an upper-case first letter."""
    first = text[0].upper()
    return first + text[1:]


def counted(count: int, thing: str) -> str:
    """A number of things: "1 seed" or "2 seeds"."""
    if count == 1:
        return f"1 {thing}"
    return f"{count} {thing}s"


def span(low: float, high: float) -> str:
    """An interval: "3.1e-09 to 3.6e-09"."""
    return f"{sig(low)} to {sig(high)}"


def squared(sources: pd.DataFrame | None) -> str:
    """The unit of mean square errors, from sources.csv.

    It is `length²` if the sources have several units or are not known.
    """
    unit = "reduced"
    units = set() if sources is None else set(sources["length_unit"])
    if len(units) == 1:
        unit = units.pop()
    symbol = SYMBOLS.get(unit, unit)
    return f"{symbol}²"


def interval(row: pd.Series | dict, column: str) -> str:
    """The 95 % interval of a column of summary.csv, or the reason why there is none."""
    low, high = ends(row, column)
    if pd.notna(low) and pd.notna(high):
        return span(low, high)
    succeeded = _n_succeeded(row)
    if succeeded == 0:
        return "n/a (failed)"
    return f"n/a ({counted(succeeded, 'seed')})"


def _n_succeeded(row: pd.Series | dict) -> int:
    return int(row["n_seeds"] - row["n_failed"])


def value_with_interval(row: pd.Series, column: str) -> str:
    """A mean of summary.csv with its interval, or the reason why there is none.

    For example `3.35e-09 (95 % interval over 3 seeds: 3.1e-09 to 3.6e-09)`.
    """
    mean = sig(row[f"{column}_mean"])
    text = interval(row, column)
    label = f"95 % interval over {_n_succeeded(row)} seeds"
    if text.startswith("n/a"):
        label = "interval over seeds"
    return f"{mean} ({label}: {text})"


def overlap(one: pd.Series, other: pd.Series, column: str = "mse") -> bool | None:
    """Whether the intervals of two rows overlap.

    A row without an interval counts as a point. The result is None if neither row has an interval.
    """
    low, high = _interval_or_point(one, column)
    other_low, other_high = _interval_or_point(other, column)
    if low == high and other_low == other_high:
        return None
    return bool(max(low, other_low) <= min(high, other_high))


def _interval_or_point(row: pd.Series, column: str) -> tuple[float, float]:
    low, high = ends(row, column)
    mean = row[f"{column}_mean"]
    if pd.isna(low):
        return mean, mean
    return low, high
