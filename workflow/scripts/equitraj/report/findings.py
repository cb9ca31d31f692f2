"""The findings of a study, computed from its tables as sentences.

Every sentence depends on the numbers: a result can contradict each of them.
"""

from dataclasses import dataclass

import pandas as pd

from equitraj.report.answer import still_falling
from equitraj.report.audited import claims, controls, wrong
from equitraj.report.figures.history_gain import same_targets
from equitraj.report.figures.style import largest_size, method_kinds
from equitraj.report.floor import hopeless
from equitraj.report.groups import groups
from equitraj.report.routed import buys, orientation, unfinished
from equitraj.report.rows import failed, most_accurate, select
from equitraj.report.words import counted, names, overlap, sig, value_with_interval

NAMED = 50  # failed runs that are listed
NOTHING = pd.DataFrame(columns=["task", "method", "against"])


@dataclass(frozen=True)
class Finding:
    """A finding.

    Attributes: key, an identifier; heading; sentences; warning, whether something does not hold.
    """

    key: str
    heading: str
    sentences: list[str]
    warning: bool = False


def findings(
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    audit: pd.DataFrame,
    more: dict[str, pd.DataFrame] | None = None,
) -> list[Finding]:
    """All findings that the tables allow, the most important first.

    Args:
        more: the tables `controls`, `isotropy`, `floor`, `routes` and `data_factors`, where they
        exist.
    """
    more = more or {}
    table = largest_size(summary)
    kinds = method_kinds(summary, audit)
    routes = more.get("routes", NOTHING)
    gains = []
    if len(routes):
        gains = buys(routes, more.get("data_factors", NOTHING))
    oriented = orientation(table, more.get("isotropy"), routes)
    floors = []
    if "floor" in more:
        floors = hopeless(more["floor"], summary)
    is_broken = bool((audit["agrees"] == "no").any())
    of_controls = more.get("controls")
    is_unfinished = bool(still_falling(metrics))
    has_failed = not failed(metrics).empty
    baseline = "Methods that do not beat a trivial prediction"
    every = [
        Finding("routes", "What symmetry buys", gains),
        Finding("groups", "Which group is the right one?", groups(table, audit)),
        Finding("orientation", "Do the data have an orientation?", oriented),
        Finding("best", "The most accurate method", best(table)),
        Finding("floor", "What nobody can predict", floors),
        Finding("claims", "Claims of symmetry", claims(audit), is_broken),
        Finding("controls", "Controls of the audit", controls(of_controls), wrong(of_controls)),
        Finding("references", baseline, references(table, kinds)),
        Finding("history", "What history buys", history(table)),
        Finding("training", "Had training ended?", unfinished(metrics), is_unfinished),
        Finding("failures", "Runs that failed", failures(metrics), has_failed),
    ]
    return [finding for finding in every if finding.sentences]


def best(table: pd.DataFrame) -> list[str]:
    """Report the smallest mean error on each task with its interval, and the second smallest."""
    sentences = []
    for task, rows in table.groupby("task", sort=False):
        successful = rows.dropna(subset=["mse_mean"])
        if successful.empty:
            sentences.append(f"On `{task}` every method failed.")
            continue
        ordered = successful.sort_values("mse_mean")
        first = ordered.iloc[0]
        error = value_with_interval(first, "mse")
        second = _second(first, ordered.iloc[1:])
        sentences.append(f"On `{task}`: `{first['method']}`, test MSE {error}{second}.")
    return sentences


def _second(first: pd.Series, others: pd.DataFrame) -> str:
    """The best of the other methods, and whether the intervals separate it from the first."""
    if others.empty:
        return ""
    second = others.iloc[0]
    text = f"; second is `{second['method']}` with {sig(second['mse_mean'])}"
    if overlap(first, second):
        return f"{text}, a difference within the intervals over seeds"
    return text


def references(table: pd.DataFrame, kinds: dict[str, str]) -> list[str]:
    """Compare the fitted methods of each task with no motion, and with constant velocity.

    Args:
        kinds: the kind of each method.
    """
    sentences = []
    is_fitted = table["method"].map(kinds) != "baseline"
    fitted = table[is_fitted].dropna(subset=["mse_mean"])
    for _, rows in fitted.groupby("task", sort=False):
        sentences.append(_against(rows, "mse_persistence", "no motion"))
        if rows["mse_velocity"].notna().any():
            sentences.append(_against(rows, "mse_velocity", "constant velocity"))
    return sentences


def _against(rows: pd.DataFrame, column: str, name: str) -> str:
    """Compare the methods of one task with a reference, which is called `name`."""
    task = rows["task"].iloc[0]
    reference = rows[column].max()
    mse = f"(MSE {sig(reference)})"
    methods = counted(len(rows), "fitted method")
    lost = rows[rows["mse_mean"] >= reference].sort_values("mse_mean")
    if lost.empty:
        beat = f"the {methods} beats" if len(rows) == 1 else f"all {methods} beat"
        return f"On `{task}` {beat} {name} {mse}.{_unsure(rows, reference)}"
    errors = [f"`{row.method}` ({sig(row.mse_mean)})" for row in lost.itertuples()]
    if len(lost) < len(rows):
        are = "is" if len(lost) == 1 else "are"
        text = f"On `{task}` {len(lost)} of {methods} {are} no better than predicting {name} {mse}"
        return f"{text}: {', '.join(errors)}.{_unsure(rows, reference)}"
    if column == "mse_velocity" and rows["history"].max() == 1:
        return (
            f"On `{task}` none of {methods} beats constant velocity {mse}, which needs two frames "
            f"where these see one; the nearest is {errors[0]}."
        )
    return f"On `{task}` none of {methods} beats predicting {name} {mse}: {', '.join(errors)}."


def _unsure(rows: pd.DataFrame, reference: float) -> str:
    """Name the methods whose mean is below a reference, but not their interval."""
    below = rows[rows["mse_mean"] < reference]
    unsure = below[below["mse_high"] >= reference]
    if unsure.empty:
        return ""
    methods = names(list(unsure["method"]))
    text = f"The intervals of {methods} reach"
    if len(unsure) == 1:
        text = f"The interval of {methods} reaches"
    return f" {text} above it, so there the mean alone decides."


def history(table: pd.DataFrame) -> list[str]:
    """Compare the shortest history with the longest where tasks predict the same targets."""
    sentences = []
    for name, rows in same_targets(table.dropna(subset=["mse_mean"])).items():
        shortest = select(rows, history=rows["history"].min())
        longest = select(rows, history=rows["history"].max())
        short = most_accurate(shortest)
        long = most_accurate(longest)
        both = shortest.merge(longest, on="method", suffixes=("", "_long"))
        better = (both["mse_mean_long"] < both["mse_mean"]).sum()
        gain = sig(short["mse_mean"] / long["mse_mean"])
        sentences.append(
            f"`{name}`: with K = {short['history']} the best MSE is {_error(short)}, "
            f"with K = {long['history']} it is {_error(long)}, {gain} times less; {better} of "
            f"{len(both)} methods have a smaller error with the longer history."
        )
    return sentences


def _error(row: pd.Series) -> str:
    return f"{sig(row['mse_mean'])} (`{row['method']}`)"


def failures(metrics: pd.DataFrame) -> list[str]:
    """List the first failed runs with their reasons, or report that there is none."""
    rows = failed(metrics)
    if rows.empty:
        return [f"None of {len(metrics)} runs failed."]
    sentences = []
    for row in rows.head(NAMED).itertuples():
        run = f"`{row.method}` on `{row.task}`, {row.train_size} training samples, seed {row.seed}"
        sentences.append(f"{run}: {row.status}.")
    left = len(rows) - len(sentences)
    if left:
        sentences.append(f"And {left} more: {len(rows)} of {len(metrics)} runs failed.")
    return sentences
