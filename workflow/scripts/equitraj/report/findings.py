"""What the tables say, in sentences. Every sentence is computed: there is none that a result could
not contradict."""

from dataclasses import dataclass

import pandas as pd

from equitraj.report.answer import still_falling
from equitraj.report.audited import claims, controls, wrong
from equitraj.report.figures.history_gain import same_targets
from equitraj.report.figures.style import largest_size, method_kinds
from equitraj.report.floor import hopeless
from equitraj.report.groups import groups
from equitraj.report.routed import buys, orientation, unfinished
from equitraj.report.words import names, overlap, sig, value_with_interval

NAMED = 50  # failed runs
NOTHING = pd.DataFrame(columns=["task", "method", "against"])


@dataclass(frozen=True)
class Finding:
    """A heading, its sentences, and whether it reports something that does not hold."""

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
    """All findings that the tables allow, the most important first; those without a sentence are
    left out.

    Args:
        more: the tables `controls`, `isotropy`, `floor`, `routes` and `data_factors`, as far as
        they are there.
    """
    more = more or {}
    table = largest_size(summary)
    kinds = method_kinds(summary, audit)
    routes, factors = more.get("routes", NOTHING), more.get("data_factors", NOTHING)
    every = [
        Finding("routes", "What symmetry buys", buys(routes, factors) if len(routes) else []),
        Finding("groups", "Which group is the right one?", groups(table, audit)),
        Finding(
            "orientation",
            "Do the data have an orientation?",
            orientation(table, more.get("isotropy"), routes),
        ),
        Finding("best", "The most accurate method", best(table)),
        Finding(
            "floor",
            "What nobody can predict",
            hopeless(more["floor"], summary) if "floor" in more else [],
        ),
        Finding(
            "claims", "Claims of symmetry", claims(audit), bool((audit["agrees"] == "no").any())
        ),
        Finding(
            "controls",
            "Controls of the audit",
            controls(more.get("controls")),
            wrong(more.get("controls")),
        ),
        Finding(
            "references", "Methods that do not beat a trivial prediction", references(table, kinds)
        ),
        Finding("history", "What history buys", history(table)),
        Finding(
            "training", "Had training ended?", unfinished(metrics), bool(still_falling(metrics))
        ),
        Finding(
            "failures",
            "Runs that failed",
            failures(metrics),
            bool((metrics["status"] != "ok").any()),
        ),
    ]
    return [finding for finding in every if finding.sentences]


def best(table: pd.DataFrame) -> list[str]:
    """The best mean error of each task with its interval, and whether the runner-up is told apart
    from it."""
    sentences = []
    for task, rows in table.groupby("task", sort=False):
        ok = rows.dropna(subset=["mse_mean"]).sort_values("mse_mean")
        if ok.empty:
            sentences.append(f"On `{task}` every method failed.")
            continue
        first = ok.iloc[0]
        text = f"On `{task}`: `{first['method']}`, test MSE {value_with_interval(first, 'mse')}"
        if len(ok) > 1:
            second = ok.iloc[1]
            text += f"; second is `{second['method']}` with {sig(second['mse_mean'])}"
            text += (
                ", a difference within the intervals over seeds" if overlap(first, second) else ""
            )
        sentences.append(text + ".")
    return sentences


def references(table: pd.DataFrame, kinds: dict[str, str]) -> list[str]:
    """For each task the fitted methods whose mean error is not below that of no motion, or of
    constant velocity."""
    sentences = []
    fitted = table[table["method"].map(kinds) != "baseline"].dropna(subset=["mse_mean"])
    for _, rows in fitted.groupby("task", sort=False):
        sentences.append(_against(rows, "mse_persistence", "no motion"))
        if rows["mse_velocity"].notna().any():
            sentences.append(_against(rows, "mse_velocity", "constant velocity"))
    return sentences


def _against(rows: pd.DataFrame, column: str, what: str) -> str:
    task, reference = rows["task"].iloc[0], rows[column].max()
    of = f"{len(rows)} fitted method{'s' if len(rows) > 1 else ''}"
    lost = rows[rows["mse_mean"] >= reference].sort_values("mse_mean")
    if column == "mse_velocity" and rows["history"].max() == 1 and len(lost) == len(rows):
        return (
            f"On `{task}` none of {of} beats constant velocity (MSE {sig(reference)}), which needs two frames where "
            f"these see one; the nearest is `{lost['method'].iloc[0]}` ({sig(lost['mse_mean'].iloc[0])})."
        )
    worse = ", ".join(
        f"`{m}` ({sig(v)})" for m, v in zip(lost["method"], lost["mse_mean"], strict=True)
    )
    if lost.empty:
        text = f"On `{task}` {'the' if len(rows) == 1 else 'all'} {of} beat{'s' if len(rows) == 1 else ''} {what}"
        return f"{text} (MSE {sig(reference)}).{_unsure(rows, reference)}"
    if len(lost) == len(rows):
        return f"On `{task}` none of {of} beats predicting {what} (MSE {sig(reference)}): {worse}."
    are = "is" if len(lost) == 1 else "are"
    text = f"On `{task}` {len(lost)} of {of} {are} no better than predicting {what} (MSE {sig(reference)}): {worse}."
    return text + _unsure(rows, reference)


def _unsure(rows: pd.DataFrame, reference: float) -> str:
    unsure = list(rows[(rows["mse_mean"] < reference) & (rows["mse_high"] >= reference)]["method"])
    if not unsure:
        return ""
    reach = "The interval of {} reaches" if len(unsure) == 1 else "The intervals of {} reach"
    return f" {reach.format(names(unsure))} above it, so there the mean alone decides."


def history(table: pd.DataFrame) -> list[str]:
    """Shortest against longest history where tasks predict the same targets."""
    sentences = []
    for name, rows in same_targets(table.dropna(subset=["mse_mean"])).items():
        first, last = (rows[rows["history"] == rows["history"].agg(end)] for end in ("min", "max"))
        short, long = (part.loc[part["mse_mean"].idxmin()] for part in (first, last))
        both = first.merge(last, on="method", suffixes=("", "_long"))
        better = (both["mse_mean_long"] < both["mse_mean"]).sum()
        sentences.append(
            f"`{name}`: with K = {short['history']} the best MSE is {sig(short['mse_mean'])} (`{short['method']}`), "
            f"with K = {long['history']} it is {sig(long['mse_mean'])} (`{long['method']}`), "
            f"{sig(short['mse_mean'] / long['mse_mean'])} times less; {better} of {len(both)} methods have a smaller "
            f"error with the longer history."
        )
    return sentences


def failures(metrics: pd.DataFrame) -> list[str]:
    """The runs that did not end well with their reasons, as far as one reads on, or that there is
    none."""
    failed = metrics[metrics["status"] != "ok"]
    if failed.empty:
        return [f"None of {len(metrics)} runs failed."]
    rows = failed.head(NAMED).itertuples()
    named = [
        f"`{r.method}` on `{r.task}`, {r.train_size} training samples, seed {r.seed}: {r.status}."
        for r in rows
    ]
    left = len(failed) - len(named)
    return named + (
        [f"And {left} more: {len(failed)} of {len(metrics)} runs failed."] if left else []
    )
