"""The page and the figure of the benchmarks, from the lines that their parts printed."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

KEPT = ("<!-- by hand: kept by `make benchmark` -->", "<!-- end of what is kept -->")
PACKAGES = ("jax", "equinox", "torch", "e3nn", "torch-geometric", "e3nn-jax", "numpy", "snakemake")


@dataclass(frozen=True)
class Part:
    """Attributes: title of its table; command that prints it; lines that it printed; failure, why
    it did not end."""

    title: str
    command: str
    lines: tuple[dict, ...]
    failure: str = ""


def number(value: object) -> str:
    """A value as a table shows it."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(line: dict) -> list[str]:
    """The cells of a line: what, value with its unit, range, and what else it has."""
    if line.get("value") is None:
        return [line["what"], f"not measured: {line.get('error', 'no reason given')}", "", ""]
    spread = f"{number(line['low'])} to {number(line['high'])}" if "low" in line else ""
    beside = f"{number(line['ratio'])} times" if "ratio" in line else line.get("share", "")
    return [line["what"], f"{number(line['value'])} {line['unit']}", spread, beside]


def table(part: Part) -> str:
    """A part as Markdown: columns that nothing fills are left out."""
    head = [
        "",
        "median" if any("low" in line for line in part.lines) else "measured",
        "range",
        "share or ratio",
    ]
    if any("ratio" in line for line in part.lines):
        head[3] = "to the chapter's loop"
    rows = [row(line) for line in part.lines]
    used = [i for i in range(4) if i < 2 or any(cells[i] for cells in rows)]
    bars = [
        "|".join(["", *(f" {cells[i]} ".replace("|", "\\|") for i in used), ""])
        for cells in (head, *rows)
    ]
    rule = "|" + "---|" * len(used)
    text = [f"## {part.title}", "", f"`{part.command}`", ""]
    text += [f"Did not end: {part.failure}", ""] if part.failure else []
    return "\n".join([*text, *([bars[0], rule, *bars[1:], ""] if rows else [])])


def processor() -> str:
    """The model of the processor."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def versions() -> str:
    """The packages that the figures depend on."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def kept(page: str) -> str:
    """What stands between the markers of a page; nothing where they are missing."""
    return page.partition(KEPT[0])[2].partition(KEPT[1])[0].strip("\n")


def sections(page: str) -> dict[str, str]:
    """The tables of a page by their titles."""
    written = page.partition(KEPT[0])[0].split("\n## ")[1:]
    return {text.partition("\n")[0]: f"## {text.rstrip()}\n" for text in written}


def markdown(
    parts: Iterable[Part], by_hand: str, cores: int, others: dict[str, str] | None = None
) -> str:
    """The whole page: the tables of `others` in their places, but for those that `parts` have anew."""
    parts, others = list(parts), others or {}
    tables = {part.title: table(part) for part in parts}
    tables = {
        title: tables.get(title) or others[title]
        for title in [*others, *(t for t in tables if t not in others)]
    }
    text = [
        "# Measured speeds",
        "",
        "Written by `make benchmark`. Rates of training are per second of processor time on one "
        "thread, in rounds in",
        "which all take their turn: compare within one table. Timings on shared machines vary by a "
        "factor of 1.5.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {cores} cores, Python "
        f"{platform.python_version()};",
        f"{versions()}.",
        "",
        "![Frames per second of training](benchmarks.png)",
        "",
        *tables.values(),
        KEPT[0],
        "",
        by_hand,
        "",
        KEPT[1],
    ]
    return "\n".join(text) + "\n"


def figure(lines: Iterable[dict], path: Path) -> None:
    """Bars of the rates that have a ratio to the chapter's loop, with their ranges, on a
    logarithmic axis."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = [line for line in lines if line.get("value") and "ratio" in line]
    value, low, high = ([line[key] for line in shown] for key in ("value", "low", "high"))
    drawn, axes = pyplot.subplots(figsize=(8, 0.42 * len(shown) + 1.1), layout="constrained")
    away = [
        [v - a for v, a in zip(value, low, strict=True)],
        [b - v for v, b in zip(value, high, strict=True)],
    ]
    colours = ["C1" if line["what"].startswith("`") else "0.6" for line in shown]
    axes.barh(
        range(len(shown)), value, xerr=away, color=colours, error_kw={"ecolor": "0.2", "capsize": 2}
    )
    for i, line in enumerate(shown):
        axes.annotate(
            f"{number(line['ratio'])}×",
            (line["high"], i),
            (5, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(shown)), [line["what"].replace("`", "") for line in shown])
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="frames per second of one core; labels: times the chapter's loop")
    axes.set_xlim(min(low, default=1) / 2, 3 * max(high, default=1))
    axes.spines[["top", "right"]].set_visible(False)
    drawn.savefig(path, dpi=150)
    pyplot.close(drawn)
