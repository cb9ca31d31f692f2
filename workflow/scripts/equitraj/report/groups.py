"""Which group the data ask for: a model with all rotations built in beside the same model with
fewer."""

from collections.abc import Iterator

import pandas as pd

from equitraj.base.claims import CLAIMED
from equitraj.report.words import overlap, sig


def groups(table: pd.DataFrame, audit: pd.DataFrame) -> list[str]:
    """What each task says for or against all rotations."""
    return [_group(task, full, fewer) for task, full, fewer in _pairs(table, audit)]


def wrong(table: pd.DataFrame, audit: pd.DataFrame) -> list[str]:
    """The tasks on which all rotations are the wrong group."""
    pairs = _pairs(table, audit)
    found = (
        task
        for task, full, fewer in pairs
        if _differ(full, fewer) and full["mse_mean"] > fewer["mse_mean"]
    )
    return list(dict.fromkeys(found))


def _pairs(table: pd.DataFrame, audit: pd.DataFrame) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    """By task and model the best method with all rotations, and the best with those about one axis
    only."""
    trained = audit[audit["weights"] == "trained"]
    claim = (
        trained.drop_duplicates(["method", "generator"])
        .set_index(["method", "generator"])["claim"]
        .unstack()
    )
    if "rotation_z" not in claim:
        return
    whole = set(claim.index[claim["rotation"].isin(CLAIMED)])
    part = set(claim.index[claim["rotation_z"].isin(CLAIMED)]) - whole
    for (task, _), rows in table.dropna(subset=["mse_mean"]).groupby(["task", "model"], sort=False):
        full, fewer = (rows[rows["method"].isin(group)] for group in (whole, part))
        if len(full) and len(fewer):
            yield task, *(one.loc[one["mse_mean"].idxmin()] for one in (full, fewer))


def _differ(full: pd.Series, fewer: pd.Series) -> bool:
    return overlap(full, fewer) is False


def _group(task: str, full: pd.Series, fewer: pd.Series) -> str:
    ratio = full["mse_mean"] / fewer["mse_mean"]

    def pair(between: str) -> str:
        return f"`{full['method']}`, with all rotations built in, {between} `{fewer['method']}`, with those about z only"

    if not _differ(full, fewer):
        return f"On `{task}` {pair('and')}, differ within their intervals: nothing speaks against all rotations."
    if ratio > 1:
        return (
            f"On `{task}` all rotations are the wrong group: "
            f"{pair(f'has {sig(ratio)} times the error of')}. The motion has a preferred direction along z."
        )
    better = pair(f"has an error {sig(1 / ratio)} times smaller than")
    return f"On `{task}` all rotations are the right group: {better}."
