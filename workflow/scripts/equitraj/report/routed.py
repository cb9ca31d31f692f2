"""The routes to symmetry in sentences: what each gains or loses against the model without it."""

import pandas as pd

from equitraj.report.answer import (
    STILL_FALLS,
    data_factor,
    data_text,
    headline,
    n_comparisons,
    records_falls,
    still_falling,
)
from equitraj.report.rows import largest, select
from equitraj.report.words import listing, names, sig

GROWS = 1.05  # an error grows if it is more than so many times as large in new orientations
SIGNIFICANCE = 0.05  # upper bound on p, corrected by Holm's method


def buys(routes: pd.DataFrame, factors: pd.DataFrame) -> list[str]:
    """Report for each task the data factor of its headline route, and the gains of all routes."""
    sentences = []
    for task, rows in largest(routes).groupby("task", sort=False):
        first = headline(routes, task)
        factor = data_factor(factors, first)
        if factor is not None:
            comparison = f"`{factor['method']}` against `{factor['against']}`"
            sentences.append(f"On `{task}`, {comparison}: {data_text(factor)}.")
        sentences.append(f"On `{task}`, data as given, {_gains(rows, '')}.")
        sentences.append(f"On `{task}`, rotated data, {_gains(rows, '_rotated')}.")
    comparisons = n_comparisons(routes)
    if comparisons:
        sentences.append(
            f"{comparisons} comparisons were made, and a difference counts as significant by "
            f"Holm's corrected p < {SIGNIFICANCE}."
        )
    return sentences


def _gains(rows: pd.DataFrame, suffix: str) -> str:
    ratio = rows[f"ratio{suffix}"]
    p = rows[f"p{suffix}_holm"]
    if p.isna().all():
        pairs = zip(rows["method"], ratio, strict=True)
        factors = listing(f"`{method}` {sig(value)}" for method, value in pairs)
        return (
            "the error is smaller than without the route by (too few seeds for an interval) "
            f"{factors}"
        )
    is_significant = p < SIGNIFICANCE
    marked = rows.assign(times=ratio.where(ratio > 1, 1 / ratio))
    smaller = marked[is_significant & (ratio > 1)]
    larger = marked[is_significant & (ratio < 1)]
    parts = []
    if len(smaller):
        parts.append(f"the error becomes smaller by {_times(smaller)}")
    if len(larger):
        parts.append(f"the error becomes larger by {_times(larger)}")
    if not is_significant.all():
        undecided = names(list(rows[~is_significant]["method"]))
        parts.append(f"no difference is significant for {undecided}")
    return "; ".join(parts)


def _times(rows: pd.DataFrame) -> str:
    """The factors of several routes, the largest first."""
    ordered = rows.sort_values("times", ascending=False)
    factors = []
    for row in ordered.itertuples():
        factors.append(f"{sig(row.times)} times ({row.route}, `{row.method}`)")
    return listing(factors)


def orientation(
    table: pd.DataFrame, isotropy: pd.DataFrame | None, routes: pd.DataFrame
) -> list[str]:
    """Report whether the training data have an orientation, and what other orientations cost.

    The cost is the growth of the error on rotated test data, for methods without symmetry.
    """
    if isotropy is None or isotropy.empty:
        return []
    plain = set(routes["against"]) - set(routes["method"])
    without = table[table["method"].isin(plain)]
    sentences = []
    for row in isotropy.itertuples():
        test = f"(two-sample test, p = {sig(row.p_value)})"
        growth = _growth(select(without, task=row.task))
        if row.verdict == "oriented":
            text = f"The training data of `{row.task}` have an orientation {test}, which a method "
            text += "may learn"
            link = "turned to new orientations its error grows"
        else:
            text = f"No orientation was found in the training data of `{row.task}` {test}"
            link = "turned once more its error still grows"
        if growth:
            text += f"; {link}: {growth}"
        sentences.append(f"{text}.")
    return sentences


def _growth(rows: pd.DataFrame) -> str:
    """The methods whose error grows on rotated data, "" if there are none."""
    known = rows.dropna(subset=["mse_rotated_mean"])
    growth = known["mse_rotated_mean"] / known["mse_mean"]
    factors = []
    for method, factor in zip(known["method"], growth, strict=True):
        if factor > GROWS:
            factors.append(f"`{method}` {sig(factor)} times")
    return listing(factors) if factors else ""


def unfinished(metrics: pd.DataFrame) -> list[str]:
    """Name the methods whose training had not ended when it was stopped, or report none."""
    if not records_falls(metrics):
        return []
    methods = still_falling(metrics)
    if not methods:
        return [
            "In the last tenth of no training did the validation error fall by more than "
            f"{STILL_FALLS:.0%}."
        ]
    return [
        f"The validation error of {names(methods)} still fell by more than {STILL_FALLS:.0%} in "
        "the last tenth of training: with more epochs they would do better, and comparisons with "
        "them are not final."
    ]
