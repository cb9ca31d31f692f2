"""Selections of rows of the tables of a study, and the interval in a row."""

import pandas as pd


def select(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows that have these values in the columns of these names."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def failed(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the runs that failed."""
    return metrics[metrics["status"] != "ok"]


def largest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task's largest training size, by the column `samples`."""
    samples = table["samples"]
    by_task = samples.groupby(table["task"])
    is_largest = samples == by_task.transform("max")
    return table[is_largest]


def most_accurate(rows: pd.DataFrame, column: str = "mse_mean") -> pd.Series:
    """The row with the smallest error."""
    lowest = rows[column].idxmin()
    return rows.loc[lowest]


def ends(row: pd.Series | dict, column: str) -> tuple[float, float]:
    """The lower and the upper end of the interval of a column."""
    low = row[f"{column}_low"]
    high = row[f"{column}_high"]
    return low, high
