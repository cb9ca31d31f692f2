"""Where a page comes from: when, by which code, on what hardware, from data that was made by what."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from equitraj.training.record import read_record

ROOT = Path(__file__).parents[4]


def provenance(
    metrics: pd.DataFrame, sources: pd.DataFrame | None, records: Iterable[Path] = ()
) -> list[tuple[str, str]]:
    """Pairs of what and value; `records` are the `run.json` of trainings."""
    devices = ", ".join(sorted(metrics["device"].dropna().unique())) or "nothing"
    threads = sorted(
        {record["threads"] for path in records if "threads" in (record := read_record(path.parent))}
    )
    each = (
        f", {' or '.join(map(str, threads))} thread{'' if threads == [1] else 's'} for each"
        if threads
        else ""
    )
    found = [
        ("made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("equitraj", code_version()),
        ("hardware of the report", f"{processor()}, {os.cpu_count()} logical processors"),
        ("trained on", devices + each),
    ]
    for row in [] if sources is None else sources.itertuples():
        made = "" if pd.isna(row.engine) else f", made by {row.engine}"
        found.append(
            (
                f"data `{row.source}`",
                f"{row.frames:,} frames of {row.points} points, in {row.length_unit}{made}",
            )
        )
    return found


def code_version() -> str:
    """Version of the code and, in a repository, its commit."""
    version = next(
        (
            line.split('"')[1]
            for line in _lines(ROOT / "pyproject.toml")
            if line.startswith("version")
        ),
        "unknown version",
    )
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        commit = subprocess.run(
            asked, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}, commit {commit.replace('-dirty', ' with changes')}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    names = [
        line.split(":", 1)[1].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()
