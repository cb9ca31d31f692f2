"""What the audit of symmetry says, in sentences: claims, controls, and the symmetry of the data
themselves."""

import pandas as pd

from equitraj.base.claims import CLAIMED, LEVELS, is_as_expected
from equitraj.report.words import names, sig


def broken_claims(audit: pd.DataFrame) -> dict[str, list[str]]:
    """For each method with a claim that does not hold when trained: the transformations, all
    translations as one."""
    rows = audit[(audit["weights"] == "trained") & (audit["agrees"] == "no")]
    return {
        method: list(dict.fromkeys(family(part["generator"])))
        for method, part in rows.groupby("method")
    }


def family(generator: pd.Series) -> pd.Series:
    """Generators with the magnitudes of a translation taken together."""
    return generator.str.replace(r"^translation_.*", "translation", regex=True)


def judged(audit: pd.DataFrame) -> pd.DataFrame:
    """What the audit says of each trained method and transformation, all translations as one: a
    claim that is counted.

    Returns:
        By method and generator: claim, false (it does not hold somewhere), exact, error (the
        largest relative change).
    """
    return _pairs(audit[(audit["weights"] == "trained") & (audit["verdict"] != "not applicable")])


def tally(audit: pd.DataFrame) -> str:
    """How many claims hold, as everything on the page counts them; "" where there are none."""
    table = judged(audit)
    claimed = table[table["claim"].isin(CLAIMED)]
    if claimed.empty:
        return ""
    held = len(claimed) - int(claimed["false"].sum())
    many = f"all {held}" if held == len(claimed) else f"{held} of {len(claimed)}"
    return f"{many} claims of symmetry (by method and transformation) hold"


def claims(audit: pd.DataFrame) -> list[str]:
    """How many claims hold in the trained methods, each that does not, what is learned, and what
    holds unclaimed."""
    table = judged(audit)
    if table.empty:
        return []
    broken = table[table["claim"].isin(CLAIMED) & table["false"]]
    text = tally(audit) or "no method claims a symmetry"
    sentences = [f"{text[0].upper()}{text[1:]}."]
    for (method, generator), row in broken.iterrows():
        sentences.append(
            f"`{method}` claims {generator} symmetry and does not have it: relative change {sig(row['error'])}."
        )
    for (method, generator), row in table[table["claim"] == "learned"].iterrows():
        sentences.append(
            f"`{method}` learns {generator} symmetry, and after training the relative change is {sig(row['error'])}."
        )
    unclaimed = table[(table["claim"] == "no") & table["exact"]]
    for generator, rows in unclaimed.groupby("generator"):
        sentences.append(
            f"Exact under {generator.replace('_', ' ')} without claiming it: {names(rows.index.unique('method'))}."
        )
    return sentences


def _pairs(trained: pd.DataFrame) -> pd.DataFrame:
    rank = trained["claim"].map({level: number for number, level in enumerate(LEVELS)})
    pairs = trained.assign(generator=family(trained["generator"]), rank=rank).groupby(
        ["method", "generator"]
    )
    table = pairs.agg(
        rank=("rank", "max"),
        false=("agrees", lambda agrees: (agrees == "no").any()),
        exact=("verdict", lambda verdicts: (verdicts == "exact").all()),
        error=("rel_mean", "max"),
    )
    return table.assign(claim=table["rank"].map(dict(enumerate(LEVELS))))


def controls(table: pd.DataFrame | None) -> list[str]:
    """How many controls gave what they must give, and each that did not."""
    if table is None or table.empty:
        return []
    table = each_control(table)
    bad = table[went_wrong(table)]
    must_fail = (table["expected"] != "exact").sum()
    text = (
        f"{len(table) - len(bad)} of {len(table)} controls gave what they must give ({must_fail} are built to fail, "
        f"{len(table) - must_fail} to pass)"
    )
    if bad.empty:
        return [
            f"{text}, so the audit finds an error where there is one and none where there is none."
        ]
    wrongs = [
        f"`{row.control}` under {row.generator} on `{row.task}` was {row.verdict}, expected {row.expected}, relative "
        f"change {sig(row.rel_mean)}: the verdicts of this audit are not to be trusted."
        for row in bad.itertuples()
    ]
    return [f"{text}.", *wrongs]


def each_control(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each control of a task, which every method's audit repeats: one that went wrong
    if there is any."""
    order = table.assign(wrong=went_wrong(table)).sort_values(
        "wrong", ascending=False, kind="stable"
    )
    return (
        order.drop_duplicates(["task", "control", "generator"]).sort_index().drop(columns="wrong")
    )


def went_wrong(table: pd.DataFrame) -> pd.Series:
    """For each row whether the verdict is not the expected one."""
    verdicts = zip(table["verdict"], table["expected"], strict=True)
    return pd.Series([not is_as_expected(*pair) for pair in verdicts], table.index, dtype=bool)


def wrong(table: pd.DataFrame | None) -> bool:
    """Whether a control went wrong."""
    return table is not None and bool(went_wrong(table).any())
