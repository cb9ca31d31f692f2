"""Tables of verdicts: the audit, stabilisers, the chapter's numbers and its ladder of invariance."""

from pathlib import Path

import pandas as pd

from equitraj.base.files import checked
from equitraj.report.audited import each_control, went_wrong
from equitraj.report.figures.style import read_table
from equitraj.report.tables import Cell, Table, number, word
from equitraj.report.words import sig


def audit_table(audit: pd.DataFrame) -> Table | None:
    """The worst over tasks, sizes and seeds for each method, weights, transformation and precision."""
    keys = ["method", "weights", "generator", "dtype"]
    if audit.empty:
        return None
    worst = audit.sort_values("rel_mean").groupby(keys, sort=False).tail(1).set_index(keys)
    groups = audit.groupby(keys)
    agrees = groups["agrees"].agg(lambda values: "no" if (values == "no").any() else "yes")
    rows = []
    for key, row in worst.sort_index().iterrows():
        agree = agrees[key]
        numbers = [
            number(row[c])
            for c in ("rel_mean", "rel_p95", "rel_max", "loss_percent", "noise_floor")
        ]
        words = [word(row["verdict"]), word(row["claim"]), word(agree, alert=agree == "no")]
        rows.append([word(key[0], code=True), *map(word, key[1:]), *numbers, *words])
    heads = [
        "method", "weights", "transformation", "precision", "relative change, mean", "95th percentile", "maximum",
        "lack of symmetry, share of loss (%)", "noise floor", "verdict", "claimed", "claim and verdict agree",
    ]  # fmt: skip
    return Table("audit", heads, rows)


def stabiliser_table(probes: pd.DataFrame | None) -> Table | None:
    """A row per task and method, a column per symmetric input: whether the output kept its
    symmetry, and the error."""
    if probes is None or (rows := probes[probes["probe"] == "stabiliser"]).empty:
        return None
    items = list(rows["item"].unique())
    worst = rows.sort_values("value").groupby(["task", "method", "item"], sort=False).tail(1)
    found = worst.set_index(["task", "method", "item"])
    lines = []
    for task, method in rows[["task", "method"]].drop_duplicates().itertuples(index=False):
        keys = [(task, method, item) for item in items]
        cells = [_verdict(found.loc[key]) if key in found.index else word(None) for key in keys]
        lines.append([word(task, code=True), word(method, code=True), *cells])
    return Table("stabilisers", ["task", "method", *(f"{item} input" for item in items)], lines)


def _verdict(row: pd.Series) -> Cell:
    return Cell(str(row["verdict"]), float(row["value"]), sig(row["value"]))


def control_table(controls: pd.DataFrame | None) -> Table | None:
    """A row per control, one that went wrong in the colour of warnings."""
    if controls is None or controls.empty:
        return None
    controls, rows = each_control(controls), []
    for row, bad in zip(controls.itertuples(), went_wrong(controls), strict=True):
        words = [word(row.task, code=True), word(row.control, code=True), word(row.generator)]
        numbers = [number(row.rel_mean), number(row.noise_floor)]
        rows.append([*words, *numbers, word(row.verdict, alert=bad), word(row.expected)])
    heads = [
        "task",
        "control",
        "transformation",
        "relative change",
        "noise floor",
        "verdict",
        "expected",
    ]
    return Table("controls", heads, rows)


def chapter_table(path: Path) -> Table | None:
    """The chapter's numbers beside ours with the digits that the file gives, since here digits are
    the point."""
    if (
        not path.is_file()
        or (table := pd.read_csv(checked(path), dtype=str, keep_default_na=False)).empty
    ):
        return None
    rows = [[word(value or "–") for value in row] for row in table.to_numpy()]
    return Table("chapter", [column.replace("_", " ") for column in table.columns], rows)


def ladder_table(path: Path) -> Table | None:
    """A row per model, a column per transformation: verdict and relative change."""
    if not path.is_file() or (table := read_table(path)).empty:
        return None
    generators = list(table["generator"].unique())
    rows = []
    for model, part in table.groupby("model", sort=False):
        found = part.set_index("generator")
        cells = [
            Cell(
                str(found.at[g, "verdict"]),
                float(found.at[g, "relative_change"]),
                sig(found.at[g, "relative_change"]),
            )
            if g in found.index
            else Cell("–")
            for g in generators
        ]
        rows.append([word(model), *cells])
    return Table("ladder", ["model", *generators], rows)
