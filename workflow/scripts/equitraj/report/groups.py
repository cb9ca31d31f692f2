"""Which symmetry group fits the data: models with all rotations built in against others."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from equitraj.base.claims import CLAIMED
from equitraj.report.rows import most_accurate, select
from equitraj.report.words import overlap, sig


@dataclass(frozen=True)
class Pair:
    """The two best methods of a model on a task, as rows of summary.csv.

    Attributes: task; full, the method with all rotations built in; fewer, the method with rotations
    about one axis only.
    """

    task: str
    full: pd.Series
    fewer: pd.Series

    @property
    def ratio(self) -> float:
        """The error with all rotations over the error with fewer."""
        full = self.full["mse_mean"]
        fewer = self.fewer["mse_mean"]
        return full / fewer

    @property
    def differs(self) -> bool:
        """Whether the intervals of the two errors are apart."""
        return overlap(self.full, self.fewer) is False

    def sentence(self, relation: str) -> str:
        """Both methods with a relation between them."""
        full = f"`{self.full['method']}`, with all rotations built in,"
        fewer = f"`{self.fewer['method']}`, with rotations about z only"
        return f"{full} {relation} {fewer}"


def groups(table: pd.DataFrame, audit: pd.DataFrame) -> list[str]:
    """Report for each task whether its errors speak for or against all rotations."""
    pairs = _pairs(table, audit)
    return [_group(pair) for pair in pairs]


def wrong(table: pd.DataFrame, audit: pd.DataFrame) -> list[str]:
    """The tasks on which all rotations are the wrong group."""
    tasks: dict[str, None] = {}
    for pair in _pairs(table, audit):
        if pair.differs and pair.full["mse_mean"] > pair.fewer["mse_mean"]:
            tasks[pair.task] = None
    return list(tasks)


def _pairs(table: pd.DataFrame, audit: pd.DataFrame) -> Iterator[Pair]:
    trained = select(audit, weights="trained")
    measured = trained.drop_duplicates(["method", "generator"])
    claims = measured.set_index(["method", "generator"])["claim"].unstack()
    if "rotation_z" not in claims:
        return
    whole = _claiming(claims["rotation"])
    part = _claiming(claims["rotation_z"]) - whole
    successful = table.dropna(subset=["mse_mean"])
    for (task, _), rows in successful.groupby(["task", "model"], sort=False):
        full = rows[rows["method"].isin(whole)]
        fewer = rows[rows["method"].isin(part)]
        if len(full) and len(fewer):
            yield Pair(task, most_accurate(full), most_accurate(fewer))


def _claiming(claims: pd.Series) -> set[str]:
    is_claimed = claims.isin(CLAIMED)
    return set(claims.index[is_claimed])


def _group(pair: Pair) -> str:
    if not pair.differs:
        return (
            f"On `{pair.task}` {pair.sentence('and')}, differ within their intervals: "
            "nothing speaks against all rotations."
        )
    if pair.ratio > 1:
        comparison = pair.sentence(f"has {sig(pair.ratio)} times the error of")
        return (
            f"On `{pair.task}` all rotations are the wrong group: {comparison}. "
            "The motion has a preferred direction along z."
        )
    comparison = pair.sentence(f"has an error {sig(1 / pair.ratio)} times smaller than")
    return f"On `{pair.task}` all rotations are the right group: {comparison}."
