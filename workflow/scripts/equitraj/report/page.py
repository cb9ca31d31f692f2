"""The page of a study: the contents of its template, from the folders of a finished run."""

import base64
import io
import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pandas as pd
import yaml
from markupsafe import Markup
from PIL import Image

from equitraj.base.files import checked, read_json
from equitraj.report import judged, tables
from equitraj.report.answer import answer, routes_table
from equitraj.report.audited import broken_claims
from equitraj.report.figures.style import read_table
from equitraj.report.findings import findings
from equitraj.report.inline import inlined, variables
from equitraj.report.methods import method_pages
from equitraj.report.provenance import provenance
from equitraj.report.rows import failed
from equitraj.report.template import as_json
from equitraj.report.trajectories import trajectories
from equitraj.report.words import names, squared

PACKAGES = ("python", "snakemake", "numpy", "pandas", "matplotlib", "h5py", "jinja2", "pyyaml")
LARGEST_SVG = 800_000  # bytes; a larger figure is shown as PNG, which a browser draws faster
MORE = (
    "probes",
    "controls",
    "isotropy",
    "floor",
    "routes",
    "data_factors",
    "sources",
    "history",
    "worst",
    "published",
)
MOST_FINDINGS = 10
NEWEST_ONLY = ("linear_least_squares", "linear_sgd")  # models that ignore all but the newest frame
OF_A_TRAINING = ("train", "evaluate", "audit")  # steps whose benchmark files name a training
SECTIONS = {
    "results": [
        "data_efficiency",
        "accuracy",
        "history_gain",
        "prediction_examples",
        "rollout",
        "rollout_physics",
        "learning_curves",
        "compute",
        "cost",
    ],
    "symmetry": [
        "audit_matrix",
        "audit_loss_percent",
        "audit_angle",
        "rotated",
        "audit_worst",
        "audit_lie",
        "audit_initial_trained",
        "audit_training",
        "audit_rollout",
        "audit_continuity",
    ],
    "alignment": ["alignment_diagnostics", "alignment_perturbation", "alignment_eigengap"],
}


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it.

    Attributes: name, title, caption and finding; svg, or source, a data URI; methods, the colours
    of methods; panels and series, the data that it draws; moving, the data URI of a film whose
    first picture is source.
    """

    name: str
    title: str
    caption: str
    finding: str
    source: str = ""
    svg: str = ""
    methods: dict[str, str] = field(default_factory=dict)
    panels: list[dict] | None = None
    series: list[dict] = field(default_factory=list)
    moving: str = ""

    @property
    def has_data(self) -> bool:
        """Whether the data that it shows are known."""
        return bool(self.series)

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to draw, and only the reason why."""
        return self.panels == []


@dataclass(frozen=True)
class Sources:
    """The files of a study.

    The folders may hold the files of other studies too. None selects all files that exist.

    Attributes: tables, figures, benchmarks and runs, folders; show, the names of the figures of
    this study; batches, its trainings as task/method/nSIZE; film, a GIF; prefix, the beginning of
    the names of its figures on the page.
    """

    tables: Path
    figures: Path
    benchmarks: Path | None = None
    runs: Path | None = None
    show: tuple[str, ...] | None = None
    batches: tuple[str, ...] | None = None
    film: Path | None = None
    prefix: str = ""

    def table(self, name: str) -> Path:
        """The path of a table."""
        return self.tables / f"{name}.csv"

    def shows(self, name: str) -> bool:
        """Whether a figure belongs to the study."""
        return self.show is None or name in self.show

    @property
    def chapter(self) -> bool:
        """Whether the study reproduces the chapters."""
        if self.show is None:
            return True
        return any(name.startswith("chapter_") for name in self.show)

    def benchmark_files(self) -> list[Path]:
        """The benchmark files of the study's jobs, relative to their folder."""
        if not self.benchmarks or not self.benchmarks.is_dir():
            return []
        files = sorted(self.benchmarks.rglob("*.tsv"))
        paths = [file.relative_to(self.benchmarks) for file in files]
        return [path for path in paths if self._is_ours(path)]

    def _is_ours(self, path: Path) -> bool:
        step = path.parts[0]
        rest = "/".join(path.parts[1:]).removesuffix(".tsv")
        if step in OF_A_TRAINING:
            return self._trains(rest)
        if step == "figures":
            return self.shows(rest)
        return step != "chapter" or self.chapter

    def _trains(self, training: str) -> bool:
        """Whether the study has a training, task/method/nSIZE or task/method for all its sizes."""
        if self.batches is None:
            return True
        for batch in self.batches:
            _, _, size = batch.rpartition("/")
            if batch in (training, f"{training}/{size}"):
                return True
        return False

    def run_records(self) -> list[Path]:
        """The record of one run of each training of the study."""
        if not self.runs or not self.runs.is_dir():
            return []
        if self.batches is None:
            folders = sorted(self.runs.glob("*/*/n*"))
        else:
            folders = [self.runs / batch for batch in self.batches]
        records = []
        for folder in folders:
            of_seeds = sorted(folder.glob("seed*/run.json"))
            records += of_seeds[:1]
        return records


def film(path: Path) -> Picture:
    """Read the film `path` (GIF) with the words in the JSON file next to it.

    The film stands still until the reader starts it.
    """
    text: dict = {"title": "Film", "caption": "", "finding": ""} | _words(path)
    still = io.BytesIO()
    with Image.open(checked(path)) as image:
        image.save(still, "PNG", optimize=True)
    source = data_uri("image/png", still.getvalue())
    moving = data_uri("image/gif", path.read_bytes())
    return Picture("film", text["title"], text["caption"], text["finding"], source, moving=moving)


def _words(path: Path) -> dict:
    """The title, caption and finding of a figure, and its data, from the JSON file next to it."""
    words = path.with_suffix(".json")
    if not words.is_file():
        return {}
    return read_json(words)


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as a data URI."""
    encoded = base64.b64encode(content)
    text = encoded.decode()
    return f"data:{kind};base64,{text}"


def picture(svg: Path, prefix: str = "") -> Picture:
    """Read the figure `svg` with the words in the JSON file next to it.

    Args:
        prefix: the beginning of its name, on a page with figures of two studies.
    """
    name = prefix + svg.stem
    title = svg.stem.replace("_", " ").capitalize()
    text: dict = {"title": title, "caption": "", "finding": ""} | _words(svg)
    png = svg.with_suffix(".png")
    if svg.stat().st_size > LARGEST_SVG and png.is_file():
        content = checked(png).read_bytes()
        text["source"] = data_uri("image/png", content)
    else:
        drawing = checked(svg).read_text(encoding="utf-8")
        text["svg"] = inlined(drawing, name, text.get("methods", {}))
    return Picture(name, **text)


def pictures(sources: Sources) -> dict[str, list[Picture]]:
    """Read the figures of each section in reading order.

    A figure that no section names is in the section of the results.
    """
    paths = [path for path in sorted(sources.figures.glob("*.svg")) if sources.shows(path.stem)]
    left = {path.stem: picture(path, sources.prefix) for path in paths}
    sections = {}
    for section, order in SECTIONS.items():
        sections[section] = [left.pop(name) for name in order if name in left]
    chapter = [name for name in left if name.startswith("chapter_")]
    sections["chapter"] = [left.pop(name) for name in chapter]
    sections["results"] += left.values()
    if sources.film:
        sections["alignment"].append(film(sources.film))
    return sections


def empty_ones(
    sections: dict[str, list[Picture]],
) -> tuple[list[Picture], dict[str, list[Picture]]]:
    """Separate the figures that have nothing to draw from the sections."""
    empty = []
    drawn = {}
    for section, figures in sections.items():
        empty += [figure for figure in figures if figure.is_empty]
        drawn[section] = [figure for figure in figures if not figure.is_empty]
    return empty, drawn


def colours_of(figures: list[Picture]) -> dict[str, str]:
    """The colours of all methods; a later figure decides."""
    colours: dict[str, str] = {}
    for figure in figures:
        colours |= figure.methods
    return colours


def context(study: dict, config: dict, sources: Sources, commands: list[str]) -> dict:
    """Everything that the template shows."""
    metrics = read_table(sources.table("metrics"))
    summary = read_table(sources.table("summary"))
    audit = read_table(sources.table("audit"))
    more = optional_tables(sources.tables, MORE)
    used = of_what_ran(config, metrics)
    text = yaml.safe_dump(used, sort_keys=False, allow_unicode=True, width=100)
    sections = pictures(sources)
    first = answer(more | {"metrics": metrics, "summary": summary, "audit": audit})
    empty, sections = empty_ones(sections)
    every = [picture for section in sections.values() for picture in section]
    colours = colours_of(every)
    return _tables(sources, metrics, summary, audit, more) | {
        "answer": first,
        "first": [picture for picture in every if picture.name == first.figure],
        "colours": variables(colours),
        "colours_at_night": variables(colours, night=True),
        "unit": squared(more.get("sources")),
        "newest": see_newest_only(summary),
        "provenance": provenance(metrics, more.get("sources"), sources.run_records()),
        "data": embedded(every, metrics, audit, more, config),
        "asked": asked(study, config, metrics, summary),
        "drawn": drawn(config, metrics),
        "findings": findings(metrics, summary, audit, more)[:MOST_FINDINGS],
        "figures": sections,
        "nothing": empty,
        "trajectories": trajectories(sources.tables),
        "config": text,
        "config_uri": data_uri("text/yaml", text.encode()),
        "commands": commands,
    }


def _tables(
    sources: Sources,
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    audit: pd.DataFrame,
    more: dict[str, pd.DataFrame],
) -> dict[str, tables.Table | None]:
    """The tables that the template shows; None for a table without rows."""

    def shown(table: tables.Table | None, name: str) -> tables.Table | None:
        return tables.shown(table, sources.table(name))

    unit = squared(more.get("sources"))
    main = tables.main_table(summary, broken_claims(audit), unit)
    chapter = ladder = None
    if sources.chapter:
        chapter = judged.chapter_table(sources.table("chapter"))
        ladder = judged.ladder_table(sources.table("invariance_ladder"))
    return {
        "routes": shown(every_route(more), "routes"),
        "main": shown(main, "summary"),
        "published": tables.published_table(more.get("published"), summary, unit),
        "failures": shown(tables.failure_table(metrics), "metrics"),
        "alignment": shown(tables.alignment_table(sources.table("alignment")), "alignment"),
        "audit": shown(judged.audit_table(audit), "audit"),
        "stabilisers": shown(judged.stabiliser_table(more.get("probes")), "probes"),
        "controls": shown(judged.control_table(more.get("controls")), "controls"),
        "isotropy": tables.plain_table(sources.table("isotropy")),
        "chapter": chapter,
        "ladder": ladder,
        "splits": shown(tables.plain_table(sources.table("splits")), "splits"),
        "versions": tables.version_table(sources.run_records(), PACKAGES, installed()),
        "times": tables.benchmark_table(sources.benchmarks, sources.benchmark_files()),
    }


def every_route(more: dict[str, pd.DataFrame]) -> tables.Table | None:
    """The table of the routes on all tasks, None without routes."""
    if "routes" not in more:
        return None
    tasks = more["routes"]["task"].unique()
    return routes_table(more, list(tasks))


def of_what_ran(config: dict, metrics: pd.DataFrame) -> dict:
    """A configuration without the sources, tasks, alignments and methods that did not run."""
    used = {"tasks": set(metrics["task"]), "methods": set(metrics["method"])}
    tasks = _entries(config, "tasks", used["tasks"])
    methods = _entries(config, "methods", used["methods"])
    used["sources"] = {task["source"] for task in tasks.values()}
    used["alignments"] = {method.get("alignment", "none") for method in methods.values()}
    kept = {}
    for key, value in config.items():
        kept[key] = _entries(config, key, used[key]) if key in used else value
    return kept


def _entries(config: dict, kind: str, used: set[str]) -> dict:
    """The entries of a kind that are used."""
    entries = config.get(kind, {})
    return {name: entry for name, entry in entries.items() if name in used}


def see_newest_only(summary: pd.DataFrame) -> str:
    """The fitted models that ignore all but the newest frame of a longer history."""
    with_history = summary[summary["history"] > 1]
    rows = with_history[with_history["model"].isin(NEWEST_ONLY)]
    if rows.empty:
        return ""
    methods = rows["method"].unique()
    return names(list(methods))


def embedded(
    every: list[Picture],
    metrics: pd.DataFrame,
    audit: pd.DataFrame,
    more: dict[str, pd.DataFrame],
    config: dict,
) -> Markup:
    """The input of the scripts of the page, as JSON that may stand in HTML."""
    methods = method_pages(metrics, audit, more.get("history"), config, more.get("worst"))
    tasks = list(dict.fromkeys(metrics["task"]))
    return as_json({"methods": methods, "tasks": tasks, "figures": drawn_data(every)})


def drawn_data(figures: list[Picture]) -> list[dict]:
    """The data that each figure draws."""
    data = []
    for figure in figures:
        panels = figure.panels or []
        data.append({"name": figure.name, "panels": panels, "series": figure.series})
    return data


def optional_tables(folder: Path, names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Read the tables that exist, by name."""
    tables_by_name = {}
    for name in names:
        path = folder / f"{name}.csv"
        if path.is_file():
            tables_by_name[name] = read_table(path)
    return tables_by_name


def asked(study: dict, config: dict, metrics: pd.DataFrame, summary: pd.DataFrame) -> dict:
    """The size of a study, and the configuration of its tasks and their sources."""
    known = config.get("tasks", {})
    tasks = {task: known[task] for task in metrics["task"].unique() if task in known}
    sources = dict.fromkeys(task["source"] for task in tasks.values())
    entries = config.get("sources", {})
    return {
        "title": study.get("title", ""),
        "question": study.get("question", ""),
        "tasks": tasks,
        "sources": {name: entries.get(name, {}) for name in sources},
        "methods": summary["method"].nunique(),
        "sizes": list(dict.fromkeys(metrics["train_size"])),
        "seeds": metrics["seed"].nunique(),
        "runs": len(metrics),
        "failed": len(failed(metrics)),
    }


def drawn(config: dict, metrics: pd.DataFrame) -> list[str]:
    """The tasks whose samples are drawn at random, so that windows of different splits overlap."""
    tasks = config.get("tasks", {})
    random = []
    for name in metrics["task"].unique():
        split = tasks.get(name, {}).get("split", {})
        if split.get("by") == "random":
            random.append(name)
    return random


def installed() -> dict[str, str]:
    """The versions of the packages that this interpreter finds."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES[1:]:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
