"""The first screen: what symmetry buys here, as one number with its interval, and what it rests on."""

from dataclasses import dataclass

import pandas as pd

from equitraj.report.audited import broken_claims, controls, each_control, tally, went_wrong
from equitraj.report.figures.data_efficiency import interval_text, times_text
from equitraj.report.figures.style import largest_size
from equitraj.report.groups import wrong
from equitraj.report.tables import Cell, Table, number, word
from equitraj.report.words import names, sig

STILL_FALLS = (
    0.02  # fall of the validation error in the last tenth of a training that counts as not finished
)
NO_ROUTES = pd.DataFrame(columns=["task", "method", "measure", "samples", "comparisons"])
SENTENCES = 3  # tasks that the answer speaks of


@dataclass(frozen=True)
class Answer:
    """What the first screen says. Attributes: sentence; figure, the name of the one that is shown;
    routes, a small table, None where nothing is compared; claims and cautions, a line each, ""
    where there is nothing to say."""

    sentence: str
    figure: str
    routes: Table | None
    claims: str
    cautions: str


def answer(tables: dict[str, pd.DataFrame]) -> Answer:
    """The answer of the tables `metrics`, `summary`, `audit`, `controls`, `isotropy`, `routes` and
    `data_factors`."""
    routes, factors = (tables.get(name, NO_ROUTES) for name in ("routes", "data_factors"))
    tables = tables | {"routes": routes, "data_factors": factors}
    tasks = [task for task in tables["summary"]["task"].unique() if task in set(routes["task"])]
    told = [_sentence(routes, factors, task, short=task != tasks[0]) for task in tasks[:SENTENCES]]
    left = len(tasks) - len(told)
    more = [f"{left} more task{'s' if left > 1 else ''} below."] if left else []
    return Answer(
        " ".join([*told, *more]) or _without_routes(tables["summary"]),
        "accuracy" if factors.empty else "data_efficiency",
        routes_table(tables, tasks[:1], small=True),
        claims_line(tables["audit"], tables.get("controls")),
        " ".join(cautions(tables)),
    )


def headline(routes: pd.DataFrame, task: str) -> pd.Series:
    """The route that the answer speaks of: of those built into the model, else of all, that with
    the smallest error."""
    rows = largest(routes[routes["task"] == task])
    built_in = rows[rows["route"].str.startswith("built in")]
    rows = rows if built_in.empty else built_in
    return rows.loc[rows["mse"].idxmin()]


def largest(routes: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task's largest training size."""
    return routes[routes["samples"] == routes.groupby("task")["samples"].transform("max")]


def _sentence(routes: pd.DataFrame, factors: pd.DataFrame, task: str, short: bool) -> str:
    row = headline(routes, task)
    start = f"On `{task}`, `{row['method']}` ({row['route']}) against `{row['against']}`:"
    same = (
        (factors["task"] == task)
        & (factors["method"] == row["method"])
        & (factors["measure"] == "given")
    )
    error = f"with all {row['samples']:,} samples {error_text(row)}"
    if not same.any():
        return f"{start} {error}."
    if short and factors[same].iloc[0]["low"] > 1:
        factor = factors[same].iloc[0]
        return f"On `{task}`, `{row['method']}`: {times_text(factor)}{interval_text(factor)}."
    return f"{start} {data_text(factors[same].iloc[0])}; {error}."


def data_text(row: pd.Series) -> str:
    """What a data factor says, in words."""
    is_bound = isinstance(row["bound"], str) and row["bound"] != ""
    if not is_bound and row["low"] <= 1 <= row["high"]:
        return f"no difference in training data is settled: a factor of {sig(row['factor'])}{interval_text(row)}"
    if row["factor"] >= 1:
        return f"symmetry is worth {times_text(row)} the training data{interval_text(row)}"
    return f"symmetry costs: {times_text(row)} the training data do without it{interval_text(row)}"


def error_text(row: pd.Series, suffix: str = "") -> str:
    """What a ratio of errors says, in words."""
    ratio, low, high = (row[f"ratio{suffix}{end}"] for end in ("", "_low", "_high"))
    known = pd.notna(low)
    if known and low <= 1 <= high:
        return f"no difference in error is settled (factor {sig(ratio)}, {sig(low)} to {sig(high)})"
    if ratio < 1:
        ratio, low, high = 1 / ratio, 1 / high, 1 / low
    interval = f" ({sig(low)} to {sig(high)})" if known else ""
    return f"an error {sig(ratio)} times {'smaller' if row[f'ratio{suffix}'] >= 1 else 'larger'}{interval}"


def _without_routes(summary: pd.DataFrame) -> str:
    table = largest_size(summary).dropna(subset=["mse_mean"])
    if table.empty:
        return "Every run failed."
    best = table.loc[table.groupby("task")["mse_mean"].idxmin()]
    found = [f"`{row.method}` on `{row.task}` ({sig(row.mse_mean)})" for row in best.itertuples()]
    return (
        "No method of this study stands beside the same model without its symmetry (key `against`), so what symmetry "
        f"buys is not measured; most accurate: {', '.join(found[:SENTENCES])}."
    )


def routes_table(
    tables: dict[str, pd.DataFrame], tasks: list[str], small: bool = False
) -> Table | None:
    """A row per route on these tasks: errors as given and rotated with the largest training size,
    and what it buys.

    Args:
        small: for the first screen, of one task: what a route buys on data as given only.
    """
    rows = largest(tables["routes"][tables["routes"]["task"].isin(tasks)])
    if rows.empty:
        return None
    buys = tables["data_factors"].set_index(["task", "method", "measure"])
    make = _small_row if small else _whole_row
    cells = [
        make(row, buys)
        for row in rows.sort_values(["task", "mse"], kind="stable").to_dict("records")
    ]
    return Table(
        "first" if small else "routes", list(cells[0]), [list(row.values()) for row in cells]
    )


def _small_row(row: dict, buys: pd.DataFrame) -> dict[str, Cell]:
    return {
        "route": word(row["method"], code=True, small=f"{row['route']}, against {row['against']}"),
        "error": number(row["mse"]),
        "rotated": number(row["mse_rotated"]),
        "times smaller": _ratio(
            *(row[f"ratio{end}"] for end in ("", "_low", "_high")), row["seeds"]
        ),
        "data factor": _factor(buys, row, "given"),
    }


def _whole_row(row: dict, buys: pd.DataFrame) -> dict[str, Cell]:
    ratios = {
        f"times smaller, {what}": _ratio(
            *(row[f"ratio{s}{end}"] for end in ("", "_low", "_high")), row["seeds"]
        )
        for what, s in (("as given", ""), ("rotated", "_rotated"))
    }
    factors = {
        f"data factor, {what}": _factor(buys, row, m)
        for what, m in (("as given", "given"), ("rotated", "rotated"))
    }
    return {
        "task": word(row["task"], code=True),
        "route": word(row["method"], code=True, small=row["route"]),
        "without it": word(row["against"], code=True),
        "error as given": number(row["mse"]),
        "error rotated": number(row["mse_rotated"]),
        **ratios,
        **factors,
    }


def _factor(buys: pd.DataFrame, row: dict, measure: str) -> Cell:
    key = (row["task"], row["method"], measure)
    if key not in buys.index:
        return number(float("nan"))
    found = buys.loc[key]
    if isinstance(found["bound"], str) and found["bound"]:
        sign = ">" if found["bound"] == "more than" else "<"
        return number(found["factor"], f"{sign} {sig(found['factor'])}", "a bound")
    return _ratio(found["factor"], found["low"], found["high"], found["seeds"])


def _ratio(value: float, low: float, high: float, seeds: int) -> Cell:
    return number(
        value, small=f"{sig(low)} to {sig(high)}" if pd.notna(low) else f"n/a ({seeds} seeds)"
    )


def claims_line(audit: pd.DataFrame, table: pd.DataFrame | None) -> str:
    """How many claims of the trained methods hold, and how many controls gave what they must."""
    if not (text := tally(audit)):
        return ""
    text, broken = text[0].upper() + text[1:], list(broken_claims(audit))
    text += f"; broken by {names(broken)}" if broken else ""
    if not controls(table):
        return text + "."
    wrong = int(went_wrong(each_control(table)).sum())
    count = len(each_control(table))
    return f"{text}; {count - wrong} of {count} controls of the audit gave what they must give."


def cautions(tables: dict[str, pd.DataFrame]) -> list[str]:
    """What a reader has to know before trusting the numbers, a short sentence each."""
    metrics, said = tables["metrics"], []
    if failed := int((metrics["status"] != "ok").sum()):
        said.append(f"{failed} of {len(metrics)} runs failed.")
    seeds = metrics["seed"].nunique()
    if seeds < 3:
        said.append(f"{seeds} seed{'' if seeds == 1 else 's'}: no interval.")
    if asked := wrong(largest_size(tables["summary"]), tables["audit"]):
        said.append(
            f"All rotations are the wrong group on {names(asked)}, whose motion prefers a direction."
        )
    if unfinished := still_falling(metrics):
        said.append(f"Validation error still falls: {names(unfinished)}.")
    oriented = tables.get("isotropy")
    if oriented is not None and (
        found := list(oriented[oriented["verdict"] == "oriented"]["task"].unique())
    ):
        said.append(f"Oriented data, where learning the orientation pays: {names(found)}.")
    if not (routes := tables["routes"]).empty and (count := int(routes["comparisons"].max())):
        said.append(f"{count} comparisons, corrected by Holm's method.")
    return said


def still_falling(metrics: pd.DataFrame) -> list[str]:
    """Methods whose validation error, in the median over seeds, still fell when training on some
    task ended."""
    if "last_fall" not in metrics or metrics["last_fall"].isna().all():
        return []
    falls = metrics.groupby(["task", "method", "train_size"])["last_fall"].median()
    return list(falls[falls > STILL_FALLS].index.unique("method"))
