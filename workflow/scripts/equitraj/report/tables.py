"""Tables as the report shows them: heads with units, cells as text with the value they are sorted
by."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from equitraj.report.figures.alignment_diagnostics import with_degenerate
from equitraj.report.figures.style import largest_size, read_table
from equitraj.report.words import interval, sig, skill
from equitraj.training.record import read_record

LARGEST = 2000  # rows of a table in the page, half a megabyte for every five columns


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes: text; sort, a number or a text; small, a second line; alert, set in the colour of
    warnings; code; tag, a warning behind the text.
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
        return "Infinity" if self.sort == float("inf") else str(self.sort)


@dataclass(frozen=True)
class Table:
    """Attributes: name, an identifier; heads; rows of cells; left_out, what is said of rows that
    are not shown."""

    name: str
    heads: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    left_out: str = ""

    @property
    def row_head(self) -> int:
        """The column that names a row: that of methods, else the first."""
        return next(
            (self.heads.index(head) for head in ("method", "route") if head in self.heads), 0
        )


def named(table: Table, row: list[Cell], what: str) -> str:
    """The method or the task of a row, "" where the table has none."""
    heads = {"method": ("method", "route"), "task": ("task",)}[what]
    return next((row[table.heads.index(head)].text for head in heads if head in table.heads), "")


def shown(table: Table | None, path: Path) -> Table | None:
    """As many rows of a table as a page can show, those with a warning first, and where the file
    with all of it is."""
    if table is None or (count := len(table.rows)) <= LARGEST:
        return table
    rows = sorted(table.rows, key=lambda row: not any(cell.alert or cell.tag for cell in row))[
        :LARGEST
    ]
    return replace(
        table, rows=rows, left_out=f"{LARGEST:,} of {count:,} rows; everything is in {path}."
    )


def number(value: float, text: str | None = None, small: str = "") -> Cell:
    """A number, with a missing one sorted last."""
    missing = pd.isna(value)
    return Cell(
        "n/a" if missing else text or sig(value), float("inf") if missing else float(value), small
    )


def count(value: float) -> Cell:
    """A whole number."""
    return number(value, None if pd.isna(value) else f"{int(value):,}")


def word(value: object, **options: object) -> Cell:
    """A text; a missing one is a dash."""
    text = "–" if pd.isna(value) else str(value)
    return Cell(text, text, **options)


def main_table(
    summary: pd.DataFrame, broken: dict[str, list[str]] | None = None, unit: str = "length²"
) -> Table:
    """A row per task, method and training size, failed ones too, by task and error; sizes only if
    there are several.

    Args:
        broken: the transformations that a method claims and does not have; it is marked.
        unit: of mean square errors.
    """
    order = summary["task"].map({task: i for i, task in enumerate(summary["task"].unique())})
    table = summary.assign(order=order).sort_values(["order", "mse_mean"], na_position="last")
    if len(table) > LARGEST:  # the most accurate of every task come first
        table = table.assign(rank=table.groupby("order").cumcount()).sort_values(
            ["rank", "order"], kind="stable"
        )
    rows = [
        _main_row(row, (broken or {}).get(row["method"], []), unit)
        for row in table.to_dict("records")
    ]
    if summary["train_size"].nunique() == 1:
        rows = [
            {head: cell for head, cell in row.items() if head != "training samples"} for row in rows
        ]
    return Table("main", list(rows[0]), [list(row.values()) for row in rows])


def _main_row(row: dict, broken: list[str], unit: str) -> dict[str, Cell]:
    made_of = [
        row["model"],
        *(row[key] for key in ("alignment", "augmentation") if row[key] not in ("none", "")),
    ]
    size = float("inf") if row["train_size"] == "all" else float(row["train_size"])
    return {
        "task": word(row["task"], code=True),
        "method": word(
            row["method"], code=True, small=" + ".join(map(str, made_of)), tag=broken_tag(broken)
        ),
        f"test MSE ({unit})": number(row["mse_mean"], small=interval(row, "mse")),
        f"median MSE ({unit})": number(row.get("mse_median_mean")),
        "worst 5 % (%)": number(100 * row.get("worst_share_mean", float("nan"))),
        "skill against no motion": number(row["skill_mean"], skill(row["skill_mean"])),
        "skill against constant velocity": number(
            row["skill_velocity_mean"], skill(row["skill_velocity_mean"])
        ),
        f"test MSE, rotated data ({unit})": number(
            row["mse_rotated_mean"], small=interval(row, "mse_rotated")
        ),
        "seeds": _status(int(row["n_seeds"]), int(row["n_failed"])),
        "K": count(row["history"]),
        "training samples": Cell(row["train_size"], size),
        "para\u00admeters": count(row["n_parameters"]),
        "training time (s)": number(row["train_seconds_mean"]),
    }


def broken_tag(generators: list[str]) -> str:
    """What is written beside a method whose claims do not hold."""
    return (
        f"† claim broken: {', '.join(g.replace('_', ' ') for g in generators)}"
        if generators
        else ""
    )


def _status(seeds: int, failed: int) -> Cell:
    if failed == 0:
        return Cell(f"{seeds} ok", f"0 {seeds}")
    return Cell(
        "failed" if failed == seeds else f"{failed} of {seeds} failed", f"1 {failed}", alert=True
    )


def published_table(
    published: pd.DataFrame | None, summary: pd.DataFrame, unit: str = "length²"
) -> Table | None:
    """Errors that others published, each beside that of the method of this study which is of its
    kind.

    Args:
        published: columns `task name mse source url method`; None or no row for no table.
        summary: of the study; of every task its largest training size is compared.
        unit: of mean square errors.
    """
    if published is None or not len(published):
        return None
    ours = largest_size(summary).dropna(subset=["mse_mean"])
    rows = [
        _published_row(row, ours[ours["task"] == row["task"]])
        for row in published.to_dict("records")
    ]
    heads = [
        "task",
        "published method",
        f"published MSE ({unit})",
        "of its kind here",
        f"its test MSE ({unit})",
        "printed in",
    ]
    return Table("published", heads, rows) if rows else None


def _published_row(row: dict, ours: pd.DataFrame) -> list[Cell]:
    alike = ours[ours["method"] == row["method"]]
    here = alike.iloc[0] if len(alike) else {}
    return [
        word(row["task"], code=True),
        word(row["name"], small="published"),
        number(row["mse"]),
        word(here.get("method", float("nan")), code=True),
        number(here.get("mse_mean", float("nan"))),
        word(row["source"], small="" if pd.isna(row["url"]) else row["url"]),
    ]


def failure_table(metrics: pd.DataFrame) -> Table | None:
    """A row per run that failed, with its reason."""
    failed = metrics[metrics["status"] != "ok"]
    columns = ["task", "method", "train_size", "seed", "status"]
    rows = [
        [word(value, code=i < 2, alert=i == 4) for i, value in enumerate(row)]
        for row in failed[columns].to_numpy()
    ]
    return (
        Table("failures", ["task", "method", "training samples", "seed", "what happened"], rows)
        if rows
        else None
    )


UNITS = {
    "jump_rate": "jump rate (per step)",
    "eigengap_p01": "eigenvalue gap, 1st percentile",
    "far_share": "share of variance in far points",
    "rel_mean": "relative change",
    "degenerate": "rotation error of degenerate points",
}
CODES = ("task", "method", "model", "alignment", "control")


def plain_table(path: Path) -> Table | None:
    """Any CSV table as it stands, numbers to three digits; None where there is no such file, or no
    row."""
    return _plain(path.stem, read_table(path)) if path.is_file() else None


def alignment_table(path: Path) -> Table | None:
    """alignment.csv, with the largest rotation error of degenerate points in place of that of each
    kind."""
    if not path.is_file():
        return None
    table = with_degenerate(read_table(path))
    return _plain(path.stem, table.drop(columns=table.filter(like="rotation_error_")))


def _plain(name: str, table: pd.DataFrame) -> Table | None:
    if table.empty:
        return None
    heads = [UNITS.get(column, column.replace("_", " ")) for column in table.columns]
    numeric = {column for column in table.columns if pd.api.types.is_numeric_dtype(table[column])}
    rows = [
        [
            _count_or_number(row[c]) if c in numeric else word(row[c], code=c in CODES)
            for c in table.columns
        ]
        for row in table.to_dict("records")
    ]
    return Table(name, heads, rows)


def _count_or_number(value: float) -> Cell:
    return count(value) if isinstance(value, int) else number(value)


def benchmark_table(folder: Path | None, paths: list[Path]) -> Table | None:
    """Jobs and seconds of each step, from the files of Snakemake's `benchmark`: `{step}/...tsv` or
    `{step}.tsv`."""
    table = pd.DataFrame([row for path in paths for row in _benchmark_rows(folder, path)])
    if table.empty:
        return None
    table[["s", "max_rss"]] = table[["s", "max_rss"]].apply(pd.to_numeric, errors="coerce")
    groups = table.groupby("step").agg(
        jobs=("s", "size"), total=("s", "sum"), longest=("s", "max"), memory=("max_rss", "max")
    )
    rows = [
        [
            word(step, code=True),
            count(row["jobs"]),
            *(number(row[c]) for c in ("total", "longest", "memory")),
        ]
        for step, row in groups.sort_values("total", ascending=False).iterrows()
    ]
    return Table(
        "times", ["step", "jobs", "total (s)", "longest job (s)", "largest memory (MB)"], rows
    )


def _benchmark_rows(folder: Path, path: Path) -> Iterator[dict[str, str]]:
    with (folder / path).open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield {
                "step": path.parts[0].removesuffix(".tsv"),
                "s": row["s"],
                "max_rss": row["max_rss"],
            }


def version_table(
    records: list[Path], packages: tuple[str, ...], installed: dict[str, str]
) -> Table:
    """Versions here, and those that the training of each framework recorded in its `run.json`."""
    columns = {"report": installed}
    for path in records:
        record = read_record(path.parent)
        columns.setdefault(
            f"training, {record.get('framework', 'numpy')}", record.get("versions", {})
        )
    names = dict.fromkeys(
        [*packages, *(name for versions in columns.values() for name in versions)]
    )
    rows = [
        [word(name, code=True), *(word(c.get(name, "–")) for c in columns.values())]
        for name in names
    ]
    return Table(
        "versions",
        ["package", *columns],
        [row for row in rows if any(c.text != "–" for c in row[1:])],
    )
