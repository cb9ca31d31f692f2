"""The page of two studies: differences first, then what each report says, side by side."""

from dataclasses import replace

import numpy as np
import pandas as pd

from equitraj.base.claims import CLAIMED
from equitraj.report import comparison, page, template
from equitraj.report.answer import answer, routes_table
from equitraj.report.audited import broken_claims
from equitraj.report.comparison import Study
from equitraj.report.findings import findings
from equitraj.report.inline import variables
from equitraj.report.methods import method_pages
from equitraj.report.provenance import provenance
from equitraj.report.tables import Cell, Table, main_table, number, shown, word
from equitraj.report.words import listing, names, sig, squared

SETTLED = 0.05  # of Holm's corrected p
NAMES = ("A", "B")
OF_RUNS = ("trained on", "data")  # of the provenance; the rest is of the page
FIRST = (
    "data_efficiency",
    "accuracy",
    "audit_matrix",
)  # figures that are open; the others are folded


def context(a: Study, b: Study, places: tuple[str, str]) -> dict:
    """Everything that the template shows. Args: places, how the two studies were named on the
    command line."""
    studies = (a, b)
    sides = [
        _side(study, name, place) for study, name, place in zip(studies, NAMES, places, strict=True)
    ]
    table = comparison.ratios(a, b)
    ran = [page.of_what_ran(study.config, study.tables["metrics"]) for study in studies]
    drawn = [
        {
            p.name.split("_", 1)[1]: p
            for part in side["figures"].values()
            for p in part
            if not p.is_empty
        }
        for side in sides
    ]
    every = list(dict.fromkeys([*FIRST, *drawn[0], *drawn[1]]))
    pairs = [
        (name, [pictures.get(name) for pictures in drawn])
        for name in every
        if any(name in p for p in drawn)
    ]
    colours = {
        m: c
        for pictures in reversed(drawn)
        for p in pictures.values()
        for m, c in p.methods.items()
    }
    return {
        "sides": sides,
        "sentences": sentences(table),
        "ratios": ratio_table(table),
        "verdicts": verdict_table(comparison.verdicts(a, b)),
        "settings": setting_table(comparison.settings(*_without_alone(*ran))),
        "only": [comparison.only_in(*pair) for pair in ((a, b), (b, a))],
        "open": [pair for pair in pairs if pair[0] in FIRST],
        "folded": [pair for pair in pairs if pair[0] not in FIRST],
        "colours": variables(colours),
        "colours_at_night": variables(colours, night=True),
        "data": template.as_json(_data(studies, [p for one in drawn for p in one.values()])),
    }


def _side(study: Study, name: str, place: str) -> dict:
    """What the report of one study says."""
    more, prefix = page.optional_tables(study.folder / "tables", page.MORE), f"{name.lower()}_"
    tables = study.tables | more
    metrics, summary, audit = (tables[key] for key in ("metrics", "summary", "audit"))
    answered = answer(tables)
    found = {
        "main": main_table(summary, broken_claims(audit), squared(more.get("sources"))),
        "routes": routes_table(more, list(more["routes"]["task"].unique()))
        if "routes" in more
        else None,
    }
    shown_tables = {
        key: replace(shown(table, study.folder / "tables/summary.csv"), name=f"{prefix}{key}")
        if table
        else None
        for key, table in found.items()
    }
    return shown_tables | {
        "name": name,
        "title": study.title,
        "place": place,
        "answer": answered.sentence,
        "claims": answered.claims,
        "cautions": answered.cautions,
        "findings": findings(metrics, summary, audit, more)[: page.MOST_FINDINGS],
        "provenance": [
            pair for pair in provenance(metrics, more.get("sources")) if pair[0].startswith(OF_RUNS)
        ],
        "figures": page.pictures(
            page.Sources(study.folder / "tables", study.folder / "figures", prefix=prefix)
        ),
    }


def _without_alone(a: dict, b: dict) -> tuple[dict, dict]:
    """Two configurations without what only one of them has an entry for, and without their lists of
    names: what is only in one study is told elsewhere."""
    kept = []
    for one, other in ((a, b), (b, a)):
        study = {
            key: value
            for key, value in one.get("study", {}).items()
            if key not in ("tasks", "methods", "seeds")
        }
        entries = {
            kind: {
                name: entry
                for name, entry in one.get(kind, {}).items()
                if name in other.get(kind, {})
            }
            for kind in ("tasks", "methods", "sources", "alignments")
        }
        rest = {
            key: value for key, value in one.items() if key not in ("study", "pathvars", *entries)
        }
        kept.append({"study": study} | entries | rest)
    return kept[0], kept[1]


def _data(studies: tuple[Study, Study], pictures: list) -> dict:
    """What the scripts of the page read: methods and tasks of both, each seed and audit with its
    study."""
    methods: dict[str, dict] = {}
    for study, name in zip(studies, NAMES, strict=True):
        pages = method_pages(study.tables["metrics"], study.tables["audit"], None, study.config)
        for method, found in pages.items():
            whole = methods.setdefault(
                method, {"config": {}, "seeds": [], "curves": [], "audit": []}
            )
            whole["config"][name] = found["config"]
            whole["seeds"] += [[f"{name}: {row[0]}", *row[1:]] for row in found["seeds"]]
            whole["audit"] += [[f"{name}: {row[0]}", *row[1:]] for row in found["audit"]]
    tasks = list(dict.fromkeys(task for study in studies for task in study.names("task")))
    return {
        "methods": methods,
        "tasks": tasks,
        "figures": [
            {"name": p.name, "panels": p.panels or [], "series": p.series} for p in pictures
        ],
    }


def sentences(table: pd.DataFrame) -> list[str]:
    """Where errors differ at the largest training size that both have, and how much of that is
    settled."""
    if table.empty:
        return ["No method was trained on the same task with the same training size in both."]
    rows = table[table["samples"] == table.groupby("task")["samples"].transform("max")]
    told = []
    for column, what in (("mse", "data as given"), ("mse_rotated", "rotated data")):
        settled = rows[rows[f"{column}_p_holm"] < SETTLED]
        for worse, word_ in ((False, "smaller"), (True, "larger")):
            some = settled[(settled[f"{column}_ratio"] > 1) == worse]
            if len(some):
                told.append(
                    f"On {what} the error in B is {word_}: {listing(_times(some, column, worse))}."
                )
        if settled.empty:
            told.append(f"On {what} no difference is settled.")
    known = int(rows[["mse_p", "mse_rotated_p"]].notna().sum().sum())
    told.append(
        f"{known} comparisons have an interval and are corrected by Holm's method (settled: p < {SETTLED}); those at "
        "smaller training sizes are not counted."
    )
    if others := list(rows.loc[~rows["same_test"].astype(bool), "task"].unique()):
        told.append(f"Tested on other samples in B, so that nothing is paired: {names(others)}.")
    if changed := list(rows.loc[~rows["same_method"].astype(bool), "method"].unique()):
        told.append(f"Configured differently under the same name: {names(changed)}.")
    return told


def _times(rows: pd.DataFrame, column: str, worse: bool) -> list[str]:
    found = []
    for row in rows.to_dict("records"):
        times, low, high = (row[f"{column}_{end}"] for end in ("ratio", "low", "high"))
        if not worse:
            times, low, high = 1 / times, 1 / high, 1 / low
        found.append(
            f"`{row['method']}` on `{row['task']}` {sig(times)} times ({sig(low)} to {sig(high)})"
        )
    return found


def ratio_table(table: pd.DataFrame) -> Table | None:
    """A row per task, method and training size, what is settled first, then the largest
    differences."""
    if table.empty:
        return None
    least = table[["mse_p_holm", "mse_rotated_p_holm"]].min(axis=1)
    far = table["mse_ratio"].map(lambda ratio: abs(np.log(ratio)) if ratio > 0 else -1.0)
    order = table.assign(open=~(least < SETTLED), far=-far).sort_values(
        ["open", "far"], kind="stable"
    )
    rows = [_ratio_row(row) for row in order.to_dict("records")]
    return Table("ratios", list(rows[0]), [list(row.values()) for row in rows])


def _ratio_row(row: dict) -> dict[str, Cell]:
    differs = {"same_test": "other test samples", "same_method": "other settings"}
    tags = [text for key, text in differs.items() if not row[key]]
    size = float("inf") if row["train_size"] == "all" else float(row["train_size"])
    return {
        "task": word(row["task"], code=True),
        "method": word(row["method"], code=True, small=", ".join(tags)),
        "training samples": Cell(row["train_size"], size),
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
    return (
        word(row["pairs"], small="shared")
        if row["pairs"]
        else word(f"{row['seeds_a']}, {row['seeds_b']}", small="none shared")
    )


def _ratio(row: dict, column: str) -> Cell:
    value, low, high = (row[f"{column}_{end}"] for end in ("ratio", "low", "high"))
    if failed := [name for name in NAMES if not row[f"seeds_{name.lower()}"]]:
        return number(float("nan"), small=f"failed in {' and '.join(failed)}")
    return number(
        value, small=f"{sig(low)} to {sig(high)}" if pd.notna(low) else "n/a (too few seeds)"
    )


def verdict_table(found: pd.DataFrame) -> Table | None:
    """A row per verdict or claim that is another."""
    if found.empty:
        return None
    heads = ["task", "method", "transformation", "precision"]
    heads += [f"{what} in {name}" for name in NAMES for what in ("verdict", "claimed")]
    rows = []
    for row in found.to_dict("records"):
        cells = [word(row[key], code=key in ("task", "method")) for key in comparison.VERDICTS]
        for end in ("_a", "_b"):
            broken = row[f"claim{end}"] in CLAIMED and row[f"verdict{end}"] != "exact"
            cells += [
                word(row[f"verdict{end}"], small=sig(row[f"rel_mean{end}"]), alert=broken),
                word(row[f"claim{end}"]),
            ]
        rows.append(cells)
    return Table("verdicts", heads, rows)


def setting_table(found: pd.DataFrame) -> Table | None:
    """A row per setting that is another."""
    rows = [[word(row.key, code=True), word(row.a), word(row.b)] for row in found.itertuples()]
    return Table("settings", ["key", "in A", "in B"], rows) if rows else None


def render(values: dict) -> str:
    """The HTML page."""
    return template.render(values, "compare.html")
