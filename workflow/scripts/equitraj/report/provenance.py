"""The provenance of a page: time, code and hardware, and the origin of the data."""

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
    """List the provenance of a page as pairs of a name and a value.

    Args:
        records: the `run.json` of trainings.
    """
    devices = sorted(metrics["device"].dropna().unique())
    trained_on = ", ".join(devices) or "nothing"
    pairs = [
        ("made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("equitraj", code_version()),
        ("hardware of the report", f"{processor()}, {os.cpu_count()} logical processors"),
        ("trained on", trained_on + _threads(records)),
    ]
    if sources is None:
        return pairs
    for row in sources.itertuples():
        origin = ""
        if not pd.isna(row.engine):
            origin = f", made by {row.engine}"
        size = f"{row.frames:,} frames of {row.points} points"
        pairs.append((f"data `{row.source}`", f"{size}, in {row.length_unit}{origin}"))
    return pairs


def _threads(records: Iterable[Path]) -> str:
    """The numbers of threads that trainings used, "" if no record has one."""
    threads = set()
    for path in records:
        record = read_record(path.parent)
        if "threads" in record:
            threads.add(record["threads"])
    if not threads:
        return ""
    numbers = " or ".join(map(str, sorted(threads)))
    plural = "" if threads == {1} else "s"
    return f", {numbers} thread{plural} for each"


def code_version() -> str:
    """The version of the code and, in a repository, its commit."""
    version = _version()
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        output = subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return version
    commit = output.stdout.strip().replace("-dirty", " with changes")
    return f"{version}, commit {commit}"


def _version() -> str:
    for line in _lines(ROOT / "pyproject.toml"):
        if line.startswith("version"):
            return line.split('"')[1]
    return "unknown version"


def _lines(path: Path) -> list[str]:
    """The lines of a file, none if there is no such file."""
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8").splitlines()


def processor() -> str:
    """The name of the processor, if the system knows it."""
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            _, name = line.split(":", 1)
            return name.strip()
    return platform.processor() or platform.machine()
