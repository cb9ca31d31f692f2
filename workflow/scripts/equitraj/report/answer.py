"""The first screen of the report: the gain from symmetry with its interval, and its reasons."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from equitraj.report.audited import broken_claims, each_control, tally, went_wrong
from equitraj.report.figures.data_efficiency import interval_text, times_text
from equitraj.report.figures.style import largest_size
from equitraj.report.groups import wrong
from equitraj.report.rows import ends, failed, largest, most_accurate, select
from equitraj.report.tables import Cell, Table, code, from_records, interval_cell, number
from equitraj.report.words import capitalised, counted, names, sig, span

# a training is not finished if its validation error fell by more than this in the last tenth
STILL_FALLS = 0.02
NO_ROUTES = pd.DataFrame(columns=["task", "method", "measure", "samples", "comparisons"])
BOUNDS = {"more than": ">", "less than": "<"}  # of a data factor, by the column `bound`
SENTENCES = 3  # the number of tasks in the answer


@dataclass(frozen=True)
class Answer:
    """The contents of the first screen.

    Attributes: sentence; figure, the name of the figure that is shown; routes, a small table, None
    if nothing is compared; claims and cautions, one line each, "" if there is nothing to report.
    """

    sentence: str
    figure: str
    routes: Table | None
    claims: str
    cautions: str


def answer(tables: dict[str, pd.DataFrame]) -> Answer:
    """Answer the question of a study from its tables.

    Args:
        tables: `metrics`, `summary` and `audit`; where they exist, `controls`, `isotropy`, `routes`
        and `data_factors`.
    """
    routes = tables.get("routes", NO_ROUTES)
    factors = tables.get("data_factors", NO_ROUTES)
    tables = tables | {"routes": routes, "data_factors": factors}
    summary = tables["summary"]
    compared = set(routes["task"])
    tasks = [task for task in summary["task"].unique() if task in compared]
    sentences = " ".join(_route_sentences(routes, factors, tasks))
    figure = "data_efficiency"
    if factors.empty:
        figure = "accuracy"
    return Answer(
        sentences or _without_routes(summary),
        figure,
        routes_table(tables, tasks[:1], small=True),
        claims_line(tables["audit"], tables.get("controls")),
        " ".join(cautions(tables)),
    )


def headline(routes: pd.DataFrame, task: str) -> pd.Series:
    """The route that the answer reports for a task.

    It is the route with the smallest error among those built into the model, or among all if none
    is built in.
    """
    on_task = select(routes, task=task)
    rows = largest(on_task)
    built_in = rows[rows["route"].str.startswith("built in")]
    if built_in.empty:
        return most_accurate(rows, "mse")
    return most_accurate(built_in, "mse")


def data_factor(factors: pd.DataFrame, route: pd.Series) -> pd.Series | None:
    """The data factor of a route on data as given, None if it is not known."""
    task, method = route["task"], route["method"]
    rows = select(factors, task=task, method=method, measure="given")
    if rows.empty:
        return None
    return rows.iloc[0]


def n_comparisons(routes: pd.DataFrame) -> int:
    """The number of comparisons that Holm's correction covers."""
    if routes.empty:
        return 0
    return int(routes["comparisons"].max())


def _route_sentences(
    routes: pd.DataFrame, factors: pd.DataFrame, tasks: list[str]
) -> Iterator[str]:
    for place, task in enumerate(tasks[:SENTENCES]):
        yield _sentence(routes, factors, task, short=place > 0)
    remaining = len(tasks) - SENTENCES
    if remaining > 0:
        yield f"{counted(remaining, 'more task')} below."


def _sentence(routes: pd.DataFrame, factors: pd.DataFrame, task: str, short: bool) -> str:
    row = headline(routes, task)
    method = f"On `{task}`, `{row['method']}`"
    comparison = f"{method} ({row['route']}) against `{row['against']}`:"
    error = f"with all {row['samples']:,} samples {error_text(row)}"
    factor = data_factor(factors, row)
    if factor is None:
        return f"{comparison} {error}."
    if short and factor["low"] > 1:
        return f"{method}: {times_text(factor)}{interval_text(factor)}."
    return f"{comparison} {data_text(factor)}; {error}."


def data_text(row: pd.Series) -> str:
    """A data factor in words."""
    interval = interval_text(row)
    includes_one = row["low"] <= 1 <= row["high"]
    if includes_one and not _is_bound(row):
        factor = sig(row["factor"])
        return f"no difference in training data is significant: a factor of {factor}{interval}"
    times = times_text(row)
    if row["factor"] >= 1:
        return f"symmetry is worth {times} the training data{interval}"
    return f"symmetry costs: {times} the training data do without it{interval}"


def _is_bound(row: pd.Series) -> bool:
    """Whether a data factor is only a bound."""
    return row["bound"] in BOUNDS


def error_text(row: pd.Series, suffix: str = "") -> str:
    """A ratio of errors in words."""
    ratio = row[f"ratio{suffix}"]
    low, high = ends(row, f"ratio{suffix}")
    if low <= 1 <= high:
        return f"no difference in error is significant (factor {sig(ratio)}, {span(low, high)})"
    direction = "smaller" if ratio >= 1 else "larger"
    if ratio < 1:
        ratio = 1 / ratio
        low, high = 1 / high, 1 / low
    interval = "" if pd.isna(low) else f" ({span(low, high)})"
    return f"an error {sig(ratio)} times {direction}{interval}"


def _without_routes(summary: pd.DataFrame) -> str:
    table = largest_size(summary).dropna(subset=["mse_mean"])
    if table.empty:
        return "Every run failed."
    lowest = table.groupby("task")["mse_mean"].idxmin()
    best = table.loc[lowest].head(SENTENCES)
    errors = [f"`{row.method}` on `{row.task}` ({sig(row.mse_mean)})" for row in best.itertuples()]
    return (
        "No method of this study is compared with the same model without its symmetry (key "
        "`against`), so what symmetry buys is not measured; most accurate: "
        f"{', '.join(errors)}."
    )


def routes_table(
    tables: dict[str, pd.DataFrame], tasks: list[str], small: bool = False
) -> Table | None:
    """Make a table with a row per route: its errors, their ratio, and its data factor.

    Args:
        tasks: the tasks to show, each with its largest training size.
        small: whether to make the short table of the first screen, on data as given only.
    """
    routes = tables["routes"]
    rows = largest(routes[routes["task"].isin(tasks)])
    if rows.empty:
        return None
    factors = tables["data_factors"].set_index(["task", "method", "measure"])
    ordered = rows.sort_values(["task", "mse"], kind="stable").to_dict("records")
    if small:
        return from_records("first", [_small_row(row, factors) for row in ordered])
    return from_records("routes", [_whole_row(row, factors) for row in ordered])


def _small_row(row: dict, factors: pd.DataFrame) -> dict[str, Cell]:
    comparison = f"{row['route']}, against {row['against']}"
    return {
        "route": code(row["method"], small=comparison),
        "error": number(row["mse"]),
        "rotated": number(row["mse_rotated"]),
        "times smaller": _ratio(row),
        "data factor": _factor(factors, row, "given"),
    }


def _whole_row(row: dict, factors: pd.DataFrame) -> dict[str, Cell]:
    return {
        "task": code(row["task"]),
        "route": code(row["method"], small=row["route"]),
        "without it": code(row["against"]),
        "error as given": number(row["mse"]),
        "error rotated": number(row["mse_rotated"]),
        "times smaller, as given": _ratio(row),
        "times smaller, rotated": _ratio(row, "_rotated"),
        "data factor, as given": _factor(factors, row, "given"),
        "data factor, rotated": _factor(factors, row, "rotated"),
    }


def _factor(factors: pd.DataFrame, row: dict, measure: str) -> Cell:
    key = row["task"], row["method"], measure
    if key not in factors.index:
        return number(float("nan"))
    entry = factors.loc[key]
    factor = entry["factor"]
    if _is_bound(entry):
        sign = BOUNDS[entry["bound"]]
        return number(factor, f"{sign} {sig(factor)}", "a bound")
    return interval_cell(factor, entry["low"], entry["high"], f"{entry['seeds']} seeds")


def _ratio(row: dict, suffix: str = "") -> Cell:
    column = f"ratio{suffix}"
    low, high = ends(row, column)
    return interval_cell(row[column], low, high, f"{row['seeds']} seeds")


def claims_line(audit: pd.DataFrame, table: pd.DataFrame | None) -> str:
    """Count the claims of the trained methods that hold, and the controls with their verdict.

    Args:
        table: controls.csv, None if it does not exist.
    """
    text = tally(audit)
    if not text:
        return ""
    text = capitalised(text)
    broken = list(broken_claims(audit))
    if broken:
        text += f"; broken by {names(broken)}"
    if table is None or table.empty:
        return text + "."
    each = each_control(table)
    count = len(each)
    passed = count - int(went_wrong(each).sum())
    return f"{text}; {passed} of {count} controls of the audit gave what they must give."


def cautions(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Yield short warnings that a reader has to know before trusting the numbers."""
    yield from _cautions_of_runs(tables["metrics"])
    directed = wrong(largest_size(tables["summary"]), tables["audit"])
    if directed:
        tasks = names(directed)
        yield f"All rotations are the wrong group on {tasks}, whose motion prefers a direction."
    unfinished = still_falling(tables["metrics"])
    if unfinished:
        yield f"Validation error still falls: {names(unfinished)}."
    oriented = _oriented(tables.get("isotropy"))
    if oriented:
        yield f"Oriented data, where learning the orientation pays: {names(oriented)}."
    comparisons = n_comparisons(tables["routes"])
    if comparisons:
        yield f"{comparisons} comparisons, corrected by Holm's method."


def _cautions_of_runs(metrics: pd.DataFrame) -> Iterator[str]:
    n_failed = len(failed(metrics))
    if n_failed:
        yield f"{n_failed} of {len(metrics)} runs failed."
    seeds = metrics["seed"].nunique()
    if seeds < 3:
        yield f"{counted(seeds, 'seed')}: no interval."


def _oriented(isotropy: pd.DataFrame | None) -> list[str]:
    """The tasks whose training data have an orientation."""
    if isotropy is None:
        return []
    oriented = select(isotropy, verdict="oriented")
    return list(oriented["task"].unique())


def still_falling(metrics: pd.DataFrame) -> list[str]:
    """The methods whose validation error still fell when training ended on some task.

    The fall is the median over seeds.
    """
    if not records_falls(metrics):
        return []
    by_training = metrics.groupby(["task", "method", "train_size"])
    falls = by_training["last_fall"].median()
    unfinished = falls[falls > STILL_FALLS]
    return list(unfinished.index.unique("method"))


def records_falls(metrics: pd.DataFrame) -> bool:
    """Whether any training recorded how far its validation error fell in the last tenth."""
    if "last_fall" not in metrics:
        return False
    return bool(metrics["last_fall"].notna().any())
