"""The page of two studies: their differences, then the contents of both reports side by side."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from equitraj.base.claims import CLAIMED
from equitraj.report import comparison, page, template
from equitraj.report.answer import answer
from equitraj.report.audited import broken_claims
from equitraj.report.comparison import Study
from equitraj.report.findings import findings
from equitraj.report.inline import variables
from equitraj.report.methods import method_pages
from equitraj.report.provenance import provenance
from equitraj.report.routed import SIGNIFICANCE
from equitraj.report.rows import ends, largest
from equitraj.report.tables import (
    Cell,
    Table,
    code,
    from_records,
    interval_cell,
    main_table,
    number,
    shown,
    size_cell,
    word,
)
from equitraj.report.words import listing, names, sig, span, squared

NAMES = ("A", "B")
OF_RUNS = ("trained on", "data")  # the lines of the provenance that concern the runs
FIRST = ("data_efficiency", "accuracy", "audit_matrix")  # open figures; the others are folded
LISTS_OF_NAMES = ("tasks", "methods", "seeds")  # of the study
ENTRIES = ("tasks", "methods", "sources", "alignments")


def context(a: Study, b: Study, places: tuple[str, str]) -> dict:
    """Everything that the template shows.

    Args:
        places: the names of the two studies on the command line.
    """
    sides = [_side(a, "A", places[0]), _side(b, "B", places[1])]
    table = comparison.ratios(a, b)
    figures_a, figures_b = (_by_name(side["figures"]) for side in sides)
    pairs = _side_by_side(figures_a, figures_b)
    pictures = [*figures_a.values(), *figures_b.values()]
    colours = page.colours_of([*figures_b.values(), *figures_a.values()])  # A decides
    return {
        "sides": sides,
        "sentences": sentences(table),
        "ratios": ratio_table(table),
        "verdicts": verdict_table(comparison.verdicts(a, b)),
        "settings": setting_table(_settings(a, b)),
        "only": [comparison.only_in(a, b), comparison.only_in(b, a)],
        "open": [pair for pair in pairs if pair[0] in FIRST],
        "folded": [pair for pair in pairs if pair[0] not in FIRST],
        "colours": variables(colours),
        "colours_at_night": variables(colours, night=True),
        "data": _data((a, b), pictures),
    }


def _side(study: Study, name: str, place: str) -> dict:
    """The contents of the report of one study."""
    prefix = f"{name.lower()}_"
    folder = study.folder / "tables"
    more = page.optional_tables(folder, page.MORE)
    metrics, summary, audit = (study.tables[key] for key in ("metrics", "summary", "audit"))
    first = answer(study.tables | more)
    sources = more.get("sources")
    main = main_table(summary, broken_claims(audit), squared(sources))
    origins = provenance(metrics, sources)
    figures = page.Sources(folder, study.folder / "figures", prefix=prefix)
    return {
        "main": _renamed(main, study, prefix),
        "routes": _renamed(page.every_route(more), study, prefix),
        "name": name,
        "title": study.title,
        "place": place,
        "answer": first.sentence,
        "claims": first.claims,
        "cautions": first.cautions,
        "findings": findings(metrics, summary, audit, more)[: page.MOST_FINDINGS],
        "provenance": [pair for pair in origins if pair[0].startswith(OF_RUNS)],
        "figures": page.pictures(figures),
    }


def _renamed(table: Table | None, study: Study, prefix: str) -> Table | None:
    """As many rows of a table as a page can show, under a name that only one study has."""
    part = shown(table, study.folder / "tables/summary.csv")
    if part is None:
        return None
    return replace(part, name=f"{prefix}{part.name}")


def _by_name(sections: dict[str, list[page.Picture]]) -> dict[str, page.Picture]:
    """The figures that show something, by their names without the prefix of the study."""
    by_name = {}
    for pictures in sections.values():
        for picture in pictures:
            _, name = picture.name.split("_", 1)
            if not picture.is_empty:
                by_name[name] = picture
    return by_name


def _side_by_side(
    a: dict[str, page.Picture], b: dict[str, page.Picture]
) -> list[tuple[str, list[page.Picture | None]]]:
    """The figures of both studies with their names, None where a study does not have one."""
    pairs = []
    for name in dict.fromkeys(FIRST) | a | b:
        if name in a or name in b:
            pairs.append((name, [a.get(name), b.get(name)]))
    return pairs


def _settings(a: Study, b: Study) -> pd.DataFrame:
    """The settings that differ, without entries that did not run."""
    config_a = page.of_what_ran(a.config, a.tables["metrics"])
    config_b = page.of_what_ran(b.config, b.tables["metrics"])
    shared_a = _shared(config_a, config_b)
    shared_b = _shared(config_b, config_a)
    return comparison.settings(shared_a, shared_b)


def _shared(config: dict, other: dict) -> dict:
    """A configuration without the entries that only it has, and without its lists of names.

    Another part of the page lists the entries of only one study.
    """
    study = config.get("study", {})
    shared = {"study": {key: study[key] for key in study if key not in LISTS_OF_NAMES}}
    for kind in ENTRIES:
        entries = config.get(kind, {})
        in_other = other.get(kind, {})
        shared[kind] = {name: entries[name] for name in entries if name in in_other}
    for key, value in config.items():
        if key != "pathvars":
            shared.setdefault(key, value)
    return shared


def _data(studies: tuple[Study, Study], pictures: list[page.Picture]) -> Markup:
    """The input of the scripts of the page, as JSON: methods, tasks and figures of both studies.

    Each row of the seeds and audits begins with the name of its study.
    """
    methods: dict[str, dict] = {}
    tasks: dict[str, None] = {}
    for study, name in zip(studies, NAMES, strict=True):
        tasks |= dict.fromkeys(study.names("task"))
        pages = method_pages(study.tables["metrics"], study.tables["audit"], None, study.config)
        for method, part in pages.items():
            whole = methods.setdefault(
                method, {"config": {}, "seeds": [], "curves": [], "audit": []}
            )
            whole["config"][name] = part["config"]
            whole["seeds"] += _labelled(name, part["seeds"])
            whole["audit"] += _labelled(name, part["audit"])
    figures = page.drawn_data(pictures)
    return template.as_json({"methods": methods, "tasks": list(tasks), "figures": figures})


def _labelled(name: str, rows: list[list]) -> list[list]:
    labelled = []
    for first, *rest in rows:
        labelled.append([f"{name}: {first}", *rest])
    return labelled


def sentences(table: pd.DataFrame) -> list[str]:
    """Report where errors differ at the largest training size that both have.

    Args:
        table: of `comparison.ratios`.
    """
    if table.empty:
        return ["No method was trained on the same task with the same training size in both."]
    rows = largest(table)
    lines = list(_differences(rows, "mse", "data as given"))
    lines += _differences(rows, "mse_rotated", "rotated data")
    known = int(rows[["mse_p", "mse_rotated_p"]].notna().sum().sum())
    lines.append(
        f"{known} comparisons have an interval and are corrected by Holm's method (significant: "
        f"p < {SIGNIFICANCE}); those at smaller training sizes are not counted."
    )
    other_test = rows.loc[~rows["same_test"].astype(bool), "task"].unique()
    if len(other_test):
        tasks = names(list(other_test))
        lines.append(f"Tested on other samples in B, so that nothing is paired: {tasks}.")
    changed = rows.loc[~rows["same_method"].astype(bool), "method"].unique()
    if len(changed):
        lines.append(f"Configured differently under the same name: {names(list(changed))}.")
    return lines


def _differences(rows: pd.DataFrame, column: str, data: str) -> Iterator[str]:
    """One sentence for errors that are smaller in B and one for larger ones."""
    significant = rows[rows[f"{column}_p_holm"] < SIGNIFICANCE]
    if significant.empty:
        yield f"On {data} no difference is significant."
    is_larger = significant[f"{column}_ratio"] > 1
    for direction, some in (
        ("smaller", significant[~is_larger]),
        ("larger", significant[is_larger]),
    ):
        factors = [_times(row, column) for row in some.to_dict("records")]
        if factors:
            yield f"On {data} the error in B is {direction}: {listing(factors)}."


def _times(row: dict, column: str) -> str:
    """How many times an error differs, as a factor above 1."""
    factor = row[f"{column}_ratio"]
    low, high = ends(row, column)
    if not factor > 1:
        factor = 1 / factor
        low, high = 1 / high, 1 / low
    return f"`{row['method']}` on `{row['task']}` {sig(factor)} times ({span(low, high)})"


def ratio_table(table: pd.DataFrame) -> Table | None:
    """Make a table with a row per task, method and training size.

    Settled differences come first, then the largest ones.
    """
    if table.empty:
        return None
    least = table[["mse_p_holm", "mse_rotated_p_holm"]].min(axis=1)
    is_open = ~(least < SIGNIFICANCE)
    distance = table["mse_ratio"].map(_distance)
    marked = table.assign(open=is_open, distance=-distance)
    ordered = marked.sort_values(["open", "distance"], kind="stable")
    return from_records("ratios", [_ratio_row(row) for row in ordered.to_dict("records")])


def _distance(ratio: float) -> float:
    """Distance of a ratio from 1 on the logarithm; -1 where there is none."""
    if ratio > 0:
        return abs(np.log(ratio))
    return -1.0


def _ratio_row(row: dict) -> dict[str, Cell]:
    differs = {"same_test": "other test samples", "same_method": "other settings"}
    tags = [text for key, text in differs.items() if not row[key]]
    return {
        "task": code(row["task"]),
        "method": code(row["method"], small=", ".join(tags)),
        "training samples": size_cell(row["train_size"]),
        "error in A": number(row["mse_a"]),
        "error in B": number(row["mse_b"]),
        "B over A": _ratio(row, "mse"),
        "p": number(row["mse_p_holm"]),
        "rotated in A": number(row["mse_rotated_a"]),
        "rotated in B": number(row["mse_rotated_b"]),
        "B over A, rotated": _ratio(row, "mse_rotated"),
        "p, rotated": number(row["mse_rotated_p_holm"]),
        "seeds": _seeds(row),
    }


def _seeds(row: dict) -> Cell:
    if row["pairs"]:
        return word(row["pairs"], small="shared")
    return word(f"{row['seeds_a']}, {row['seeds_b']}", small="none shared")


def _ratio(row: dict, column: str) -> Cell:
    failed = [name for name in NAMES if not row[f"seeds_{name.lower()}"]]
    if failed:
        return number(float("nan"), small=f"failed in {' and '.join(failed)}")
    low, high = ends(row, column)
    return interval_cell(row[f"{column}_ratio"], low, high, "too few seeds")


def verdict_table(table: pd.DataFrame) -> Table | None:
    """Make a table with a row per verdict or claim that differs.

    Args:
        table: of `comparison.verdicts`.
    """
    if table.empty:
        return None
    heads = ["task", "method", "transformation", "precision"]
    for name in NAMES:
        heads += [f"verdict in {name}", f"claimed in {name}"]
    rows = []
    for row in table.to_dict("records"):
        cells = [word(row[key], code=key in ("task", "method")) for key in comparison.VERDICTS]
        rows.append([*cells, *_verdict(row, "_a"), *_verdict(row, "_b")])
    return Table("verdicts", heads, rows)


def _verdict(row: dict, suffix: str) -> list[Cell]:
    """The verdict and the claim of one study."""
    verdict = row[f"verdict{suffix}"]
    claim = row[f"claim{suffix}"]
    is_broken = claim in CLAIMED and verdict != "exact"
    change = sig(row[f"rel_mean{suffix}"])
    return [word(verdict, small=change, alert=is_broken), word(claim)]


def setting_table(table: pd.DataFrame) -> Table | None:
    """Make a table with a row per setting that differs.

    Args:
        table: of `comparison.settings`.
    """
    if table.empty:
        return None
    rows = []
    for row in table.itertuples():
        cells = [code(row.key), word(row.a), word(row.b)]
        rows.append(cells)
    return Table("settings", ["key", "in A", "in B"], rows)


def render(values: dict) -> str:
    """Write the HTML page."""
    return template.render(values, "compare.html")
