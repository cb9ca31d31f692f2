"""Tables of the report: heads with units, and cells as text with the value they are sorted by."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from equitraj.report.figures.alignment_diagnostics import with_degenerate
from equitraj.report.figures.style import largest_size, read_table
from equitraj.report.rows import failed, select
from equitraj.report.words import interval, sig, skill, span
from equitraj.training.record import read_record

LARGEST = 2000  # rows of a table in the page; five columns of them take half a megabyte
MISSING = float("nan")
METHOD_HEADS = ("method", "route")
FAILURES = ("task", "method", "train_size", "seed", "status")
UNITS = {
    "jump_rate": "jump rate (per step)",
    "eigengap_p01": "eigenvalue gap, 1st percentile",
    "far_share": "share of variance in far points",
    "rel_mean": "relative change",
    "degenerate": "rotation error of degenerate points",
}
CODES = ("task", "method", "model", "alignment", "control")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes: text; sort, a number or a text; small, a second line; alert, whether it has the
    colour of warnings; code, whether it is set as code; tag, a warning after the text.
    """

    text: str
    sort: object = ""
    small: str = ""
    alert: bool = False
    code: bool = False
    tag: str = ""

    @property
    def sort_text(self) -> str:
        """The sorting value as JavaScript's Number() reads it."""
        if self.sort == float("inf"):
            return "Infinity"
        return str(self.sort)

    @property
    def is_warning(self) -> bool:
        """Whether the cell warns the reader."""
        return self.alert or bool(self.tag)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes: name, an identifier; heads; rows of cells; left_out, a sentence about the rows that
    are not shown.
    """

    name: str
    heads: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    left_out: str = ""

    @property
    def row_head(self) -> int:
        """The column that names a row: the one of methods, or else the first."""
        for head in METHOD_HEADS:
            if head in self.heads:
                return self.heads.index(head)
        return 0


def from_records(name: str, records: list[dict[str, Cell]]) -> Table:
    """Make a table of at least one record, each a mapping from the heads to the cells of a row."""
    rows = [list(record.values()) for record in records]
    return Table(name, list(records[0]), rows)


def named(table: Table, row: list[Cell], what: str) -> str:
    """The method or the task of a row, "" if the table has none."""
    heads = METHOD_HEADS if what == "method" else ("task",)
    for head in heads:
        if head in table.heads:
            return row[table.heads.index(head)].text
    return ""


def shown(table: Table | None, path: Path) -> Table | None:
    """As many rows of a table as a page can show, rows with a warning first.

    Args:
        path: the file with all rows, which the table then names.
    """
    if table is None or len(table.rows) <= LARGEST:
        return table

    def comes_later(row: list[Cell]) -> bool:
        return not any(cell.is_warning for cell in row)

    rows = sorted(table.rows, key=comes_later)[:LARGEST]
    left_out = f"{LARGEST:,} of {len(table.rows):,} rows; everything is in {path}."
    return replace(table, rows=rows, left_out=left_out)


def number(value: float, text: str | None = None, small: str = "") -> Cell:
    """A cell with a number; a missing number is sorted last."""
    if pd.isna(value):
        return Cell("n/a", float("inf"), small)
    return Cell(text or sig(value), float(value), small)


def interval_cell(value: float, low: float, high: float, reason: str) -> Cell:
    """A cell with a number and its interval, or the reason why there is none."""
    if pd.isna(low):
        return number(value, small=f"n/a ({reason})")
    return number(value, small=span(low, high))


def count(value: float) -> Cell:
    """A cell with a whole number."""
    if pd.isna(value):
        return number(value)
    return number(value, f"{int(value):,}")


def word(
    value: object, *, small: str = "", alert: bool = False, code: bool = False, tag: str = ""
) -> Cell:
    """A cell with a text; a missing text is a dash."""
    text = str(value)
    if pd.isna(value):
        text = "–"
    return Cell(text, text, small, alert, code, tag)


def code(value: object, small: str = "", tag: str = "") -> Cell:
    """A cell with a name, set as code."""
    return word(value, small=small, code=True, tag=tag)


def size_cell(size: str) -> Cell:
    """A cell with a training size; `all` is the largest."""
    if size == "all":
        return Cell(size, float("inf"))
    return Cell(size, float(size))


def main_table(
    summary: pd.DataFrame, broken: dict[str, list[str]] | None = None, unit: str = "length²"
) -> Table:
    """Make a table with a row per task, method and training size, by task and error.

    Failed methods have a row too. The column of training sizes is left out if there is only one.

    Args:
        broken: by method, the transformations under which its claim does not hold.
        unit: of mean square errors.
    """
    broken = broken or {}
    records = []
    for row in _by_task_and_error(summary).to_dict("records"):
        record = _main_row(row, broken.get(row["method"], []), unit)
        records.append(record)
    if summary["train_size"].nunique() == 1:
        for record in records:
            del record["training samples"]
    return from_records("main", records)


def _by_task_and_error(summary: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by task and error; of a large table, by the rank of the error in its task."""
    order_of = {task: place for place, task in enumerate(summary["task"].unique())}
    table = summary.assign(order=summary["task"].map(order_of))
    table = table.sort_values(["order", "mse_mean"], na_position="last")
    if len(table) <= LARGEST:
        return table
    rank = table.groupby("order").cumcount()
    return table.assign(rank=rank).sort_values(["rank", "order"], kind="stable")


def _main_row(row: dict, broken: list[str], unit: str) -> dict[str, Cell]:
    parts = [str(row["model"])]
    for key in ("alignment", "augmentation"):
        if row[key] not in ("none", ""):
            parts.append(str(row[key]))
    velocity_skill = row["skill_velocity_mean"]
    mse = number(row["mse_mean"], small=interval(row, "mse"))
    rotated = number(row["mse_rotated_mean"], small=interval(row, "mse_rotated"))
    return {
        "task": code(row["task"]),
        "method": code(row["method"], small=" + ".join(parts), tag=broken_tag(broken)),
        f"test MSE ({unit})": mse,
        f"median MSE ({unit})": number(row.get("mse_median_mean", MISSING)),
        "worst 5 % (%)": number(100 * row.get("worst_share_mean", MISSING)),
        "skill against no motion": number(row["skill_mean"], skill(row["skill_mean"])),
        "skill against constant velocity": number(velocity_skill, skill(velocity_skill)),
        f"test MSE, rotated data ({unit})": rotated,
        "seeds": _status(int(row["n_seeds"]), int(row["n_failed"])),
        "K": count(row["history"]),
        "training samples": size_cell(row["train_size"]),
        "para\u00admeters": count(row["n_parameters"]),
        "training time (s)": number(row["train_seconds_mean"]),
    }


def broken_tag(generators: list[str]) -> str:
    """The warning next to a method with claims that do not hold."""
    if not generators:
        return ""
    transformations = ", ".join(generators).replace("_", " ")
    return f"† claim broken: {transformations}"


def _status(seeds: int, n_failed: int) -> Cell:
    if n_failed == 0:
        return Cell(f"{seeds} ok", f"0 {seeds}")
    text = f"{n_failed} of {seeds} failed"
    if n_failed == seeds:
        text = "failed"
    return Cell(text, f"1 {n_failed}", alert=True)


def published_table(
    published: pd.DataFrame | None, summary: pd.DataFrame, unit: str = "length²"
) -> Table | None:
    """Make a table of published errors, each next to the comparable method of this study.

    Args:
        published: columns `task name mse source url method`; the result is None without a row.
        summary: summary.csv; only the largest training size of each task is compared.
        unit: of mean square errors.
    """
    if published is None or published.empty:
        return None
    largest = largest_size(summary)
    ours = largest.dropna(subset=["mse_mean"])
    records = []
    for row in published.to_dict("records"):
        comparable = select(ours, task=row["task"], method=row["method"])
        records.append(_published_row(row, comparable, unit))
    return from_records("published", records)


def _published_row(row: dict, comparable: pd.DataFrame, unit: str) -> dict[str, Cell]:
    ours = {} if comparable.empty else comparable.iloc[0]
    url = row["url"]
    if pd.isna(url):
        url = ""
    return {
        "task": code(row["task"]),
        "published method": word(row["name"], small="published"),
        f"published MSE ({unit})": number(row["mse"]),
        "of its kind here": code(ours.get("method", MISSING)),
        f"its test MSE ({unit})": number(ours.get("mse_mean", MISSING)),
        "printed in": word(row["source"], small=url),
    }


def failure_table(metrics: pd.DataFrame) -> Table | None:
    """Make a table with a row per failed run, with the reason."""
    table = failed(metrics)[list(FAILURES)]
    if table.empty:
        return None
    rows = []
    for task, method, size, seed, status in table.to_numpy():
        names = [code(task), code(method)]
        rows.append([*names, word(size), word(seed), word(status, alert=True)])
    return Table("failures", ["task", "method", "training samples", "seed", "what happened"], rows)


def plain_table(path: Path) -> Table | None:
    """Any CSV table, with numbers to three digits; None if the file is missing or has no row."""
    if not path.is_file():
        return None
    return _plain(path.stem, read_table(path))


def alignment_table(path: Path) -> Table | None:
    """The table alignment.csv, with one column for the rotation errors of degenerate points.

    The column holds the largest of these errors. The result is None if the file is missing or has
    no row.
    """
    if not path.is_file():
        return None
    table = with_degenerate(read_table(path))
    errors = table.filter(like="rotation_error_")
    return _plain(path.stem, table.drop(columns=errors))


def _plain(name: str, table: pd.DataFrame) -> Table | None:
    if table.empty:
        return None
    heads = [UNITS.get(column, column.replace("_", " ")) for column in table.columns]
    numeric = {column for column in table.columns if pd.api.types.is_numeric_dtype(table[column])}
    rows = []
    for row in table.to_dict("records"):
        cells = [_plain_cell(value, column, column in numeric) for column, value in row.items()]
        rows.append(cells)
    return Table(name, heads, rows)


def _plain_cell(value: float | str, column: str, is_numeric: bool) -> Cell:
    if isinstance(value, str) or not is_numeric:
        return word(value, code=column in CODES)
    if isinstance(value, int):
        return count(value)
    return number(value)


def benchmark_table(folder: Path | None, paths: list[Path]) -> Table | None:
    """Make a table of the jobs and seconds of each step.

    Args:
        folder: of Snakemake's `benchmark` files.
        paths: of the files, relative to the folder: `{step}/...tsv` or `{step}.tsv`.
    """
    if folder is None:
        return None
    jobs = pd.DataFrame([row for path in paths for row in _benchmark_rows(folder, path)])
    if jobs.empty:
        return None
    jobs[["s", "max_rss"]] = jobs[["s", "max_rss"]].apply(pd.to_numeric, errors="coerce")
    steps = jobs.groupby("step").agg(
        jobs=("s", "size"), total=("s", "sum"), longest=("s", "max"), memory=("max_rss", "max")
    )
    records = []
    for step, row in steps.sort_values("total", ascending=False).iterrows():
        record = {
            "step": code(step),
            "jobs": count(row["jobs"]),
            "total (s)": number(row["total"]),
            "longest job (s)": number(row["longest"]),
            "largest memory (MB)": number(row["memory"]),
        }
        records.append(record)
    return from_records("times", records)


def _benchmark_rows(folder: Path, path: Path) -> Iterator[dict[str, str]]:
    step = path.parts[0].removesuffix(".tsv")
    with (folder / path).open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield {"step": step, "s": row["s"], "max_rss": row["max_rss"]}


def version_table(
    records: list[Path], packages: tuple[str, ...], installed: dict[str, str]
) -> Table:
    """Make a table of the versions here, and in the trainings of each framework.

    Args:
        records: of trainings, each a `run.json`.
        packages: the first rows; further packages of the trainings follow.
        installed: the versions here.
    """
    columns = {"report": installed}
    names = dict.fromkeys(packages) | dict.fromkeys(installed)
    for path in records:
        record = read_record(path.parent)
        versions = record.get("versions", {})
        columns.setdefault(f"training, {record.get('framework', 'numpy')}", versions)
    for versions in columns.values():
        names |= dict.fromkeys(versions)
    rows = []
    for name in names:
        cells = [word(column.get(name)) for column in columns.values()]
        if any(cell.text != "–" for cell in cells):
            rows.append([code(name), *cells])
    return Table("versions", ["package", *columns], rows)
