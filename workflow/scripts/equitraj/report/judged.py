"""Tables of verdicts: audit, stabilisers, controls, chapter and ladder of invariance."""

from pathlib import Path

import pandas as pd

from equitraj.base.files import checked
from equitraj.report.audited import each_control, went_wrong
from equitraj.report.figures.style import read_table
from equitraj.report.rows import select
from equitraj.report.tables import Cell, Table, code, from_records, number, word
from equitraj.report.words import sig

MEASUREMENT = ["method", "weights", "generator", "dtype"]


def audit_table(audit: pd.DataFrame) -> Table | None:
    """Make a table with a row per method, weights, transformation and precision.

    A row holds the worst over tasks, training sizes and seeds.
    """
    if audit.empty:
        return None
    ordered = audit.sort_values("rel_mean")
    worst = ordered.groupby(MEASUREMENT, sort=False).tail(1).set_index(MEASUREMENT)
    disagrees = (audit["agrees"] == "no").groupby([audit[key] for key in MEASUREMENT]).any()
    rows = worst.sort_index()
    records = []
    for key, row in rows.iterrows():
        records.append(_audit_row(key, row, bool(disagrees[key])))
    return from_records("audit", records)


def _audit_row(key: tuple[str, ...], row: pd.Series, disagrees: bool) -> dict[str, Cell]:
    method, weights, generator, precision = key
    return {
        "method": code(method),
        "weights": word(weights),
        "transformation": word(generator),
        "precision": word(precision),
        "relative change, mean": number(row["rel_mean"]),
        "95th percentile": number(row["rel_p95"]),
        "maximum": number(row["rel_max"]),
        "lack of symmetry, share of loss (%)": number(row["loss_percent"]),
        "noise floor": number(row["noise_floor"]),
        "verdict": word(row["verdict"]),
        "claimed": word(row["claim"]),
        "claim and verdict agree": word("no" if disagrees else "yes", alert=disagrees),
    }


def stabiliser_table(probes: pd.DataFrame | None) -> Table | None:
    """Make a table with a row per task and method and a column per symmetric input.

    A cell holds whether the output kept the symmetry of the input, and the error.
    """
    if probes is None:
        return None
    rows = select(probes, probe="stabiliser")
    if rows.empty:
        return None
    items = list(rows["item"].unique())
    ordered = rows.sort_values("value")
    worst = ordered.groupby(["task", "method", "item"], sort=False).tail(1)
    cells = {}
    for row in worst.itertuples():
        cells[row.task, row.method, row.item] = _verdict(row.verdict, row.value)
    lines = []
    for task, method in rows[["task", "method"]].drop_duplicates().itertuples(index=False):
        of_items = [cells.get((task, method, item), word(None)) for item in items]
        lines.append([code(task), code(method), *of_items])
    heads = [f"{item} input" for item in items]
    return Table("stabilisers", ["task", "method", *heads], lines)


def _verdict(verdict: str, error: float) -> Cell:
    return Cell(str(verdict), float(error), sig(error))


def control_table(controls: pd.DataFrame | None) -> Table | None:
    """Make a table with a row per control; an unexpected verdict has the colour of warnings."""
    if controls is None or controls.empty:
        return None
    each = each_control(controls)
    marked = each.assign(wrong=went_wrong(each))
    records = []
    for row in marked.itertuples():
        record = {
            "task": code(row.task),
            "control": code(row.control),
            "transformation": word(row.generator),
            "relative change": number(row.rel_mean),
            "noise floor": number(row.noise_floor),
            "verdict": word(row.verdict, alert=row.wrong),
            "expected": word(row.expected),
        }
        records.append(record)
    return from_records("controls", records)


def chapter_table(path: Path) -> Table | None:
    """Make a table of the chapter's numbers and ours, with all digits of the file.

    The digits are kept because the table compares them.
    """
    if not path.is_file():
        return None
    table = pd.read_csv(checked(path), dtype=str, keep_default_na=False)
    if table.empty:
        return None
    heads = [column.replace("_", " ") for column in table.columns]
    rows = []
    for values in table.to_numpy():
        rows.append([word(value or "–") for value in values])
    return Table("chapter", heads, rows)


def ladder_table(path: Path) -> Table | None:
    """Make a table with a row per model and a column per transformation.

    A cell holds the verdict and the relative change.
    """
    if not path.is_file():
        return None
    table = read_table(path)
    if table.empty:
        return None
    generators = table["generator"].unique()
    records = []
    for model, rows in table.groupby("model", sort=False):
        record = {"model": word(model)} | dict.fromkeys(generators, Cell("–"))
        for row in rows.itertuples():
            record[row.generator] = _verdict(row.verdict, row.relative_change)
        records.append(record)
    return from_records("ladder", records)
