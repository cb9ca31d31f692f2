"""The page: what the template needs, gathered from the folders of a finished run."""

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
from equitraj.report.template import as_json
from equitraj.report.trajectories import trajectories
from equitraj.report.words import names, squared

PACKAGES = ("python", "snakemake", "numpy", "pandas", "matplotlib", "h5py", "jinja2", "pyyaml")
LARGEST_SVG = 800_000  # bytes; a figure with more is shown as PNG, which a browser draws faster
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
NEWEST_ONLY = (
    "linear_least_squares",
    "linear_sgd",
)  # models that are given a history and do not look at it
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
    """A figure as the page shows it: `svg`, or `source`, a data URI; `methods`, the colours of
    methods; `panels` and `series`, what it draws; `moving`, the data URI of a film, of which
    `source` is the first picture."""

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
        """Whether it says only why there is nothing to draw."""
        return self.panels == []


@dataclass(frozen=True)
class Sources:
    """Where everything is: folders of tables and figures, and optionally of benchmarks and runs,
    and a film.

    `show` names the figures of this study and `batches` its trainings, as task/method/nSIZE: the
    folders may hold those of other studies too. None stands for all that is there. `prefix` begins
    the names of its figures.
    """

    tables: Path
    figures: Path
    benchmarks: Path | None = None
    runs: Path | None = None
    show: tuple[str, ...] | None = None
    batches: tuple[str, ...] | None = None
    film: Path | None = None
    prefix: str = ""

    def shows(self, name: str) -> bool:
        """Whether a figure belongs to the study."""
        return self.show is None or name in self.show

    @property
    def chapter(self) -> bool:
        """Whether the study reproduces the chapters."""
        return self.show is None or any(name.startswith("chapter_") for name in self.show)

    def benchmark_files(self) -> list[Path]:
        """The benchmark files of the study's jobs, relative to their folder."""
        if not self.benchmarks or not self.benchmarks.is_dir():
            return []
        paths = (
            path.relative_to(self.benchmarks) for path in sorted(self.benchmarks.rglob("*.tsv"))
        )
        return [path for path in paths if self._is_ours(path)]

    def _is_ours(self, path: Path) -> bool:
        step, rest = path.parts[0], "/".join(path.parts[1:]).removesuffix(".tsv")
        if step in ("train", "evaluate", "audit"):
            return self.batches is None or any(
                batch in (rest, f"{rest}/{batch.split('/')[-1]}") for batch in self.batches
            )
        return self.shows(rest) if step == "figures" else step != "chapter" or self.chapter

    def run_records(self) -> list[Path]:
        """The record of one run of each training of the study."""
        if not self.runs or not self.runs.is_dir():
            return []
        folders = (
            sorted(self.runs.glob("*/*/n*"))
            if self.batches is None
            else [self.runs / b for b in self.batches]
        )
        return [path for folder in folders for path in sorted(folder.glob("seed*/run.json"))[:1]]


def film(path: Path) -> Picture:
    """The film `path` (GIF), still until it is asked to move, with what the JSON file beside it
    says."""
    text = {"title": "Film", "caption": "", "finding": ""}
    if (words := path.with_suffix(".json")).is_file():
        text |= read_json(words)
    first = io.BytesIO()
    with Image.open(checked(path)) as moving:
        moving.save(first, "PNG", optimize=True)
    still, moving = (
        data_uri("image/png", first.getvalue()),
        data_uri("image/gif", path.read_bytes()),
    )
    return Picture("film", text["title"], text["caption"], text["finding"], still, moving=moving)


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(svg: Path, prefix: str = "") -> Picture:
    """The figure `svg` with what the JSON file beside it says; `prefix` begins its name, where a
    page has two of it."""
    text = {"title": svg.stem.replace("_", " ").capitalize(), "caption": "", "finding": ""}
    if (words := svg.with_suffix(".json")).is_file():
        text |= read_json(words)
    png = svg.with_suffix(".png")
    if svg.stat().st_size > LARGEST_SVG and png.is_file():
        text["source"] = data_uri("image/png", checked(png).read_bytes())
    else:
        drawing = checked(svg).read_text(encoding="utf-8")
        text["svg"] = inlined(drawing, prefix + svg.stem, text.get("methods", {}))
    return Picture(prefix + svg.stem, **text)


def pictures(sources: Sources) -> dict[str, list[Picture]]:
    """The figures of each section in reading order; a figure that no section names goes with the
    results."""
    paths = [path for path in sorted(sources.figures.glob("*.svg")) if sources.shows(path.stem)]
    found = {path.stem: picture(path, sources.prefix) for path in paths}
    sections = {
        key: [found.pop(name) for name in names if name in found] for key, names in SECTIONS.items()
    }
    sections["chapter"] = [found.pop(name) for name in list(found) if name.startswith("chapter_")]
    sections["results"] += found.values()
    sections["alignment"] += [film(sources.film)] if sources.film else []
    return sections


def empty_ones(
    sections: dict[str, list[Picture]],
) -> tuple[list[Picture], dict[str, list[Picture]]]:
    """The figures that have nothing to draw, and the sections without them."""
    nothing = [picture for part in sections.values() for picture in part if picture.is_empty]
    return nothing, {
        key: [picture for picture in part if not picture.is_empty] for key, part in sections.items()
    }


def context(study: dict, config: dict, sources: Sources, commands: list[str]) -> dict:
    """Everything that the template shows."""
    metrics, summary, audit = (
        read_table(sources.tables / f"{name}.csv") for name in ("metrics", "summary", "audit")
    )

    def shown(table: tables.Table | None, name: str) -> tables.Table | None:
        return tables.shown(table, sources.tables / f"{name}.csv")

    more = optional_tables(sources.tables, MORE)
    chapter, ladder = sources.tables / "chapter.csv", sources.tables / "invariance_ladder.csv"
    text = yaml.safe_dump(
        of_what_ran(config, metrics), sort_keys=False, allow_unicode=True, width=100
    )
    unit = squared(more.get("sources"))
    sections, answered = (
        pictures(sources),
        answer(more | {"metrics": metrics, "summary": summary, "audit": audit}),
    )
    nothing, sections = empty_ones(sections)
    every = [picture for part in sections.values() for picture in part]
    colours = {method: colour for picture in every for method, colour in picture.methods.items()}
    return {
        "answer": answered,
        "first": [picture for picture in every if picture.name == answered.figure],
        "routes": shown(routes_table(more, list(more["routes"]["task"].unique())), "routes")
        if "routes" in more
        else None,
        "colours": variables(colours),
        "colours_at_night": variables(colours, night=True),
        "unit": unit,
        "newest": see_newest_only(summary),
        "provenance": provenance(metrics, more.get("sources"), sources.run_records()),
        "data": embedded(every, metrics, audit, more, config),
        "asked": asked(study, config, metrics, summary),
        "drawn": drawn(config, metrics),
        "findings": findings(metrics, summary, audit, more)[:MOST_FINDINGS],
        "main": shown(tables.main_table(summary, broken_claims(audit), unit), "summary"),
        "published": tables.published_table(more.get("published"), summary, unit),
        "failures": shown(tables.failure_table(metrics), "metrics"),
        "figures": sections,
        "nothing": nothing,
        "trajectories": trajectories(sources.tables),
        "alignment": shown(tables.alignment_table(sources.tables / "alignment.csv"), "alignment"),
        "audit": shown(judged.audit_table(audit), "audit"),
        "stabilisers": shown(judged.stabiliser_table(more.get("probes")), "probes"),
        "controls": shown(judged.control_table(more.get("controls")), "controls"),
        "isotropy": tables.plain_table(sources.tables / "isotropy.csv"),
        "chapter": judged.chapter_table(chapter) if sources.chapter else None,
        "ladder": judged.ladder_table(ladder) if sources.chapter else None,
        "splits": shown(tables.plain_table(sources.tables / "splits.csv"), "splits"),
        "config": text,
        "config_uri": data_uri("text/yaml", text.encode()),
        "versions": tables.version_table(sources.run_records(), PACKAGES, installed()),
        "times": tables.benchmark_table(sources.benchmarks, sources.benchmark_files()),
        "commands": commands,
    }


def of_what_ran(config: dict, metrics: pd.DataFrame) -> dict:
    """The configuration without the sources, tasks, alignments and methods that the study did not
    use."""
    tasks, methods = (set(metrics[key]) for key in ("task", "method"))
    used = {"tasks": tasks, "methods": methods}
    used["sources"] = {
        task["source"] for name, task in config.get("tasks", {}).items() if name in tasks
    }
    used["alignments"] = {
        m.get("alignment", "none")
        for name, m in config.get("methods", {}).items()
        if name in methods
    }
    return {
        key: {name: one for name, one in value.items() if name in used[key]}
        if key in used
        else value
        for key, value in config.items()
    }


def see_newest_only(summary: pd.DataFrame) -> str:
    """The fitted models that are given a longer history and look at its newest frame only."""
    rows = summary[
        summary["model"].map(lambda model: model in NEWEST_ONLY) & (summary["history"] > 1)
    ]
    return names(list(rows["method"].unique())) if len(rows) else ""


def embedded(
    every: list[Picture],
    metrics: pd.DataFrame,
    audit: pd.DataFrame,
    more: dict[str, pd.DataFrame],
    config: dict,
) -> Markup:
    """What the scripts of the page read, as JSON that may stand in HTML."""
    found = {
        "methods": method_pages(metrics, audit, more.get("history"), config, more.get("worst")),
        "tasks": list(dict.fromkeys(metrics["task"])),
        "figures": [{"name": p.name, "panels": p.panels or [], "series": p.series} for p in every],
    }
    return as_json(found)


def optional_tables(folder: Path, names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """The tables of `names` that exist."""
    return {name: read_table(path) for name in names if (path := folder / f"{name}.csv").is_file()}


def asked(study: dict, config: dict, metrics: pd.DataFrame, summary: pd.DataFrame) -> dict:
    """The size of the study and the tasks it ran, with what the configuration says of their data."""
    known = config.get("tasks", {})
    used = [task for task in dict.fromkeys(metrics["task"]) if task in known]
    sources = dict.fromkeys(known[task]["source"] for task in used)
    return {
        "title": study.get("title", ""),
        "question": study.get("question", ""),
        "tasks": {task: known[task] for task in used},
        "sources": {name: config.get("sources", {}).get(name, {}) for name in sources},
        "methods": summary["method"].nunique(),
        "sizes": list(dict.fromkeys(metrics["train_size"])),
        "seeds": metrics["seed"].nunique(),
        "runs": len(metrics),
        "failed": int((metrics["status"] != "ok").sum()),
    }


def drawn(config: dict, metrics: pd.DataFrame) -> list[str]:
    """The tasks whose samples are drawn at random, so that windows of different splits overlap."""
    tasks = config.get("tasks", {})
    return [
        name
        for name in metrics["task"].unique()
        if tasks.get(name, {}).get("split", {}).get("by") == "random"
    ]


def installed() -> dict[str, str]:
    """Versions of the packages found in this interpreter."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES[1:]:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
