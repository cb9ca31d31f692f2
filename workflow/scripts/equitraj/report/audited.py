"""The audit of symmetry in sentences: the claims of the methods, and the controls of the audit."""

import pandas as pd

from equitraj.base.claims import CLAIMED, LEVELS, is_as_expected
from equitraj.report.rows import select
from equitraj.report.words import capitalised, names, sig

RANKS = {level: rank for rank, level in enumerate(LEVELS)}


def broken_claims(audit: pd.DataFrame) -> dict[str, list[str]]:
    """List by trained method the transformations under which a claim does not hold.

    All translations count as one transformation.
    """
    rows = select(audit, weights="trained", agrees="no")
    by_method = rows.groupby("method")["generator"]
    broken = {}
    for method, generators in by_method:
        broken[method] = list(family(generators).unique())
    return broken


def family(generator: pd.Series) -> pd.Series:
    """Generators without the magnitude of a translation."""
    return generator.str.replace(r"^translation_.*", "translation", regex=True)


def judged(audit: pd.DataFrame) -> pd.DataFrame:
    """Summarise the audit of each trained method and transformation, all translations as one.

    Returns:
        A row per method and generator with the columns claim, false (the claim does not hold
        somewhere), exact, and error (the largest relative change).
    """
    trained = select(audit, weights="trained")
    applicable = trained[trained["verdict"] != "not applicable"]
    ranks = applicable["claim"].map(RANKS)
    generators = family(applicable["generator"])
    ranked = applicable.assign(generator=generators, rank=ranks)
    table = ranked.groupby(["method", "generator"]).agg(
        rank=("rank", "max"),
        false=("agrees", _any_false),
        exact=("verdict", _all_exact),
        error=("rel_mean", "max"),
    )
    claim = table["rank"].map(dict(enumerate(LEVELS)))
    return table.assign(claim=claim)


def _any_false(agrees: pd.Series) -> bool:
    return (agrees == "no").any()


def _all_exact(verdicts: pd.Series) -> bool:
    return (verdicts == "exact").all()


def tally(audit: pd.DataFrame) -> str:
    """Count the claims that hold, in words; "" if there are no claims.

    Everything on the page counts claims in this way.
    """
    table = judged(audit)
    claimed = table[table["claim"].isin(CLAIMED)]
    if claimed.empty:
        return ""
    count = len(claimed)
    held = count - int(claimed["false"].sum())
    share = f"{held} of {count}"
    if held == count:
        share = f"all {held}"
    return f"{share} claims of symmetry (by method and transformation) hold"


def claims(audit: pd.DataFrame) -> list[str]:
    """Report the claims of the trained methods.

    Returns:
        Sentences: how many claims hold, each claim that does not hold, each symmetry that is
        learned, and the transformations under which methods are exact without a claim.
    """
    table = judged(audit)
    if table.empty:
        return []
    text = tally(audit) or "no method claims a symmetry"
    sentences = [f"{capitalised(text)}."]
    broken = table[table["claim"].isin(CLAIMED) & table["false"]]
    for (method, generator), row in broken.iterrows():
        error = sig(row["error"])
        sentences.append(
            f"`{method}` claims {generator} symmetry and does not have it: relative change {error}."
        )
    learned = select(table, claim="learned")
    for (method, generator), row in learned.iterrows():
        error = sig(row["error"])
        sentences.append(
            f"`{method}` learns {generator} symmetry, "
            f"and after training the relative change is {error}."
        )
    unclaimed = select(table, claim="no", exact=True)
    for generator, rows in unclaimed.groupby("generator"):
        methods = names(rows.index.unique("method"))
        transformation = generator.replace("_", " ")
        sentences.append(f"Exact under {transformation} without claiming it: {methods}.")
    return sentences


def controls(table: pd.DataFrame | None) -> list[str]:
    """Count the controls that have the expected verdict, and name each control that does not."""
    if table is None or table.empty:
        return []
    each = each_control(table)
    failed = each[went_wrong(each)]
    count = len(each)
    must_fail = (each["expected"] != "exact").sum()
    text = (
        f"{count - len(failed)} of {count} controls gave what they must give "
        f"({must_fail} are built to fail, {count - must_fail} to pass)"
    )
    if failed.empty:
        return [
            f"{text}, so the audit finds an error where there is one and none where there is none."
        ]
    return [f"{text}.", *(_failed_control(row) for row in failed.to_dict("records"))]


def _failed_control(row: dict) -> str:
    verdict = f"was {row['verdict']}, expected {row['expected']}"
    return (
        f"`{row['control']}` under {row['generator']} on `{row['task']}` {verdict}, relative "
        f"change {sig(row['rel_mean'])}: the verdicts of this audit are not to be trusted."
    )


def each_control(table: pd.DataFrame) -> pd.DataFrame:
    """Keep one row for each control of a task, which the audit of every method repeats.

    The row is one with an unexpected verdict if there is one.
    """
    marked = table.assign(wrong=went_wrong(table))
    wrong_first = marked.sort_values("wrong", ascending=False, kind="stable")
    unique = wrong_first.drop_duplicates(["task", "control", "generator"])
    return unique.sort_index().drop(columns="wrong")


def went_wrong(table: pd.DataFrame) -> pd.Series:
    """Whether the verdict of each row differs from the expected verdict."""
    verdicts = zip(table["verdict"], table["expected"], strict=True)
    unexpected = []
    for verdict, expected in verdicts:
        unexpected.append(not is_as_expected(verdict, expected))
    return pd.Series(unexpected, table.index, dtype=bool)


def wrong(table: pd.DataFrame | None) -> bool:
    """Whether a control has an unexpected verdict; False without a table."""
    if table is None:
        return False
    return bool(went_wrong(table).any())
