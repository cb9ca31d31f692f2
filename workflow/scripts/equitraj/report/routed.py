"""What routes to symmetry buy and where symmetry hurts, in sentences: each route against the same
model without it."""

import pandas as pd

from equitraj.report.answer import STILL_FALLS, data_text, headline, largest, still_falling
from equitraj.report.words import listing, names, sig

GROWS = 1.05  # ratio of errors in new orientations and as given that counts as growth
SETTLED = 0.05  # of Holm's corrected p


def buys(routes: pd.DataFrame, factors: pd.DataFrame) -> list[str]:
    """For each task the data factor of the route that the answer names, and which routes gain or
    lose how much."""
    sentences = []
    for task, rows in largest(routes).groupby("task", sort=False):
        first = headline(routes, task)
        same = (factors["task"] == task) & (factors["method"] == first["method"])
        for _, row in factors[same & (factors["measure"] == "given")].iterrows():
            sentences.append(
                f"On `{task}`, `{row['method']}` against `{row['against']}`: {data_text(row)}."
            )
        for suffix, what in (("", "data as given"), ("_rotated", "rotated data")):
            sentences.append(f"On `{task}`, {what}, {_gains(rows, suffix)}.")
    count = int(routes["comparisons"].max()) if len(routes) else 0
    if count:
        sentences.append(
            f"{count} comparisons were made, and a difference counts as settled by Holm's corrected p < {SETTLED}."
        )
    return sentences


def _gains(rows: pd.DataFrame, suffix: str) -> str:
    ratio, p = rows[f"ratio{suffix}"], rows[f"p{suffix}_holm"]
    if p.isna().all():
        text = [f"`{r.method}` {sig(v)}" for r, v in zip(rows.itertuples(), ratio, strict=True)]
        return f"the error is smaller than without the route by (too few seeds for an interval) {listing(text)}"
    parts = []
    for settled, what in (
        ((p < SETTLED) & (ratio > 1), "smaller"),
        ((p < SETTLED) & (ratio < 1), "larger"),
    ):
        if settled.any():
            one = (
                rows[settled]
                .assign(times=ratio.where(ratio > 1, 1 / ratio))
                .sort_values("times", ascending=False)
            )
            text = [f"{sig(r.times)} times ({r.route}, `{r.method}`)" for r in one.itertuples()]
            parts.append(f"the error becomes {what} by {listing(text)}")
    open_ = list(rows[~(p < SETTLED)]["method"])
    return "; ".join([*parts, *([f"no difference is settled for {names(open_)}"] if open_ else [])])


def orientation(
    table: pd.DataFrame, isotropy: pd.DataFrame | None, routes: pd.DataFrame
) -> list[str]:
    """Whether training and test data share an orientation, and what a method without symmetry loses
    in another one."""
    if isotropy is None or isotropy.empty:
        return []
    plain = set(routes["against"]) - set(routes["method"])
    sentences = []
    for row in isotropy.itertuples():
        test = f"(two-sample test, p = {sig(row.p_value)})"
        known = table[(table["task"] == row.task) & table["method"].isin(plain)].dropna(
            subset=["mse_rotated_mean"]
        )
        loss = known["mse_rotated_mean"] / known["mse_mean"]
        grown = known.assign(loss=loss)[loss > GROWS]
        lost = [
            f"`{m}` {sig(v)} times" for m, v in zip(grown["method"], grown["loss"], strict=True)
        ]
        if row.verdict == "oriented":
            text = f"The training data of `{row.task}` have an orientation {test}, which a method may learn"
            text += f"; turned to new orientations its error grows: {listing(lost)}" if lost else ""
        else:
            text = f"No orientation was found in the training data of `{row.task}` {test}"
            text += f"; turned once more its error still grows: {listing(lost)}" if lost else ""
        sentences.append(text + ".")
    return sentences


def unfinished(metrics: pd.DataFrame) -> list[str]:
    """Which trainings had not ended when they were stopped, or that all had."""
    if "last_fall" not in metrics or metrics["last_fall"].isna().all():
        return []
    if not (found := still_falling(metrics)):
        return [
            f"In the last tenth of no training did the validation error fall by more than {STILL_FALLS:.0%}."
        ]
    return [
        f"The validation error of {names(found)} still fell by more than {STILL_FALLS:.0%} in the last tenth of "
        "training: with more epochs they would do better, and comparisons with them are not final."
    ]
