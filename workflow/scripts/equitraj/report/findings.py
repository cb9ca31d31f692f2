"""What the tables say, in sentences. Every sentence is computed: there is none that a result could not contradict."""

from dataclasses import dataclass

import pandas as pd

from equitraj.report.audited import claims, controls, isotropy, wrong
from equitraj.report.figures.history_gain import same_targets
from equitraj.report.figures.style import largest_size, method_kinds
from equitraj.report.floor import hopeless
from equitraj.report.words import names, sig, value_with_interval

NAMED = 50  # failed runs


@dataclass(frozen=True)
class Finding:
    """A heading, its sentences, and whether it reports something that does not hold."""

    key: str
    heading: str
    sentences: list[str]
    warning: bool = False


def findings(
    metrics: pd.DataFrame, summary: pd.DataFrame, audit: pd.DataFrame, more: dict[str, pd.DataFrame] | None = None
) -> list[Finding]:
    """All findings that the tables allow, the most important first; those without a sentence are left out.

    Args:
        more: the tables `controls`, `isotropy` and `floor`, where they were written.
    """
    more = more or {}
    table = largest_size(summary)
    kinds = method_kinds(summary, audit)
    every = [
        Finding("best", "The most accurate method", best(table)),
        Finding("floor", "What nobody can predict", hopeless(more["floor"], summary) if "floor" in more else []),
        Finding("references", "Methods that do not beat a trivial prediction", references(table, kinds)),
        Finding("symmetry", "Does equivariance help?", symmetry(table, audit, kinds)),
        Finding("augmentation", "Does rotation augmentation help?", augmentation(table, audit)),
        Finding("claims", "Claims of symmetry", claims(audit), bool((audit["agrees"] == "no").any())),
        Finding("isotropy", "Does the data have an orientation?", isotropy(more.get("isotropy"))),
        Finding("controls", "Controls of the audit", controls(more.get("controls")), wrong(more.get("controls"))),
        Finding("history", "What history buys", history(table)),
        Finding("failures", "Runs that failed", failures(metrics), bool((metrics["status"] != "ok").any())),
    ]
    return [finding for finding in every if finding.sentences]


def best(table: pd.DataFrame) -> list[str]:
    """The best mean error of each task with its interval, and whether the runner-up is told apart from it."""
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
            text += ", a difference within the intervals over seeds" if overlap(first, second) else ""
        sentences.append(text + ".")
    return sentences


def overlap(one: pd.Series, other: pd.Series, column: str = "mse") -> bool | None:
    """Whether the intervals of two rows overlap; a row without interval counts as a point; None if both have none."""
    ends = []
    for row in (one, other):
        low, high, mean = (row[f"{column}_{end}"] for end in ("low", "high", "mean"))
        ends.append((low, high) if pd.notna(low) else (mean, mean))
    if all(low == high for low, high in ends):
        return None
    return bool(max(ends[0][0], ends[1][0]) <= min(ends[0][1], ends[1][1]))


def references(table: pd.DataFrame, kinds: dict[str, str]) -> list[str]:
    """For each task the fitted methods whose mean error is not below that of no motion, or of constant velocity."""
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
    worse = ", ".join(f"`{m}` ({sig(v)})" for m, v in zip(lost["method"], lost["mse_mean"], strict=True))
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


def symmetry(table: pd.DataFrame, audit: pd.DataFrame, kinds: dict[str, str]) -> list[str]:
    """The best fitted method whose claim to rotation equivariance holds against the best of all other fitted ones.

    Of the same model where there is one of each kind, because then only the symmetry differs; and of all models.
    """
    rotation = audit[(audit["generator"] == "rotation") & (audit["weights"] == "trained")]
    false = set(rotation[rotation["agrees"] == "no"]["method"])
    fitted = table[table["method"].map(kinds) != "baseline"]
    holds = (fitted["method"].map(kinds) == "equivariant") & ~fitted["method"].isin(false)
    sentences = []
    for task, rows in fitted.groupby("task", sort=False):
        for part in (*(same for _, same in rows.groupby("model", sort=False)), rows):
            for column, what in (("mse", "data as given"), ("mse_rotated", "rotated data")):
                known = part.dropna(subset=[f"{column}_mean"])
                groups = [known[holds[known.index]], known[~holds[known.index]]]
                if all(len(group) for group in groups):
                    pair = [group.loc[group[f"{column}_mean"].idxmin()] for group in groups]
                    sentences.append(_compare(task, what, column, *pair))
    return list(dict.fromkeys(sentences))


def _compare(task: str, what: str, column: str, with_symmetry: pd.Series, without: pd.Series) -> str:
    ratio, same = (
        without[f"{column}_mean"] / with_symmetry[f"{column}_mean"],
        with_symmetry["model"] == without["model"],
    )
    verdict = f"equivariance helps by a factor of {sig(ratio)}" if ratio > 1 else "equivariance does not help"
    if not same:
        verdict = f"the error is {sig(ratio)} times as large without equivariance, but that is another model"
    if overlap(with_symmetry, without, column):
        verdict = f"no difference is settled (factor {sig(ratio)}, within the intervals over seeds)"
    models = f"with the model `{without['model']}`" if same else "over all models"
    return (
        f"On `{task}`, {what}, {models}: {verdict}: the best equivariant method, `{with_symmetry['method']}`, has MSE "
        f"{sig(with_symmetry[f'{column}_mean'])}, the best that is not, `{without['method']}`, "
        f"{sig(without[f'{column}_mean'])}."
    )


def augmentation(table: pd.DataFrame, audit: pd.DataFrame) -> list[str]:
    """Each method trained on rotated data against the same model and alignment that is taught no symmetry."""
    keys = ["task", "model", "alignment"]
    taught = set(audit[(audit["generator"] == "rotation") & (audit["claim"] == "learned")]["method"])
    plain = table[(table["augmentation"] == "none") & ~table["method"].isin(taught)].drop_duplicates(keys)
    pairs = table[table["augmentation"] != "none"].merge(plain, on=keys, suffixes=("", "_plain"))
    sentences = []
    for row in pairs.dropna(subset=["mse_mean", "mse_mean_plain"]).to_dict("records"):
        given = row["mse_mean"] / row["mse_mean_plain"]
        turned = row["mse_rotated_mean"] / row["mse_rotated_mean_plain"]
        sentences.append(
            f"On `{row['task']}`: `{row['method']}` against `{row['method_plain']}`: {_times(given)} on data as given, "
            f"{_times(turned)} on rotated data."
        )
    return sentences


def _times(ratio: float) -> str:
    if pd.isna(ratio):
        return "no comparison"
    if abs(ratio - 1) < 0.005:
        return "the same error to within 0.5 %"
    return f"{sig(ratio)} times the error" if ratio >= 1 else f"an error {sig(1 / ratio)} times smaller"


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
    """The runs that did not end well with their reasons, as far as one reads on, or that there is none."""
    failed = metrics[metrics["status"] != "ok"]
    if failed.empty:
        return [f"None of {len(metrics)} runs failed."]
    rows = failed.head(NAMED).itertuples()
    named = [f"`{r.method}` on `{r.task}`, {r.train_size} training samples, seed {r.seed}: {r.status}." for r in rows]
    left = len(failed) - len(named)
    return named + ([f"And {left} more: {len(failed)} of {len(metrics)} runs failed."] if left else [])
