"""The workflow as its users run it: `snakemake` in a copy of the repository, on tiny data."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).parents[1]
MIRROR = REPOSITORY.parent / "shared" / "data"  # the chapters' data, where somebody put them
MIRROR_MISSING = not (MIRROR / "paths.npz").is_file()
PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "studies")
TINY = REPOSITORY / "tests/workflow/tiny.yaml"
SMALL = (
    REPOSITORY / "tests/workflow/small.yaml"
)  # a part of the tiny study, for what runs beside it
TABLES = (
    "metrics",
    "summary",
    "audit",
    "probes",
    "controls",
    "rollout",
    "physics",
    "floor",
    "history",
    "splits",
    "blocks",
    "worst",
    "alignment",
)
MEASURED_COSTS = [
    "train_seconds",
    "compile_seconds",
    "frames_per_second",
    "peak_memory_mb",
    "train_seconds_mean",
]


def checkout(folder: Path) -> Path:
    """A copy of the workflow in `folder`."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, with this interpreter's programs first."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | variables


def command(*arguments: str, configfile: Path = TINY, also: Path | None = None) -> list[str]:
    """A call of snakemake with one or two study files."""
    studies = [str(path) for path in (configfile, also) if path]
    return [sys.executable, "-m", "snakemake", *arguments, "--configfile", *studies]


@cache
def _server() -> subprocess.Popen:
    """A process that has imported Snakemake, one for each process of tests."""
    call = [sys.executable, str(REPOSITORY / "tests/forkserver.py")]
    return subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def snakemake(
    folder: Path,
    *arguments: str,
    cores: int = 2,
    configfile: Path = TINY,
    also: Path | None = None,
    forked: bool = True,
    **variables: str,
) -> subprocess.CompletedProcess:
    """Run snakemake in `folder`, forked from a process that has imported it; output and errors
    together in `stdout`."""
    call = command(*arguments, "--cores", str(cores), configfile=configfile, also=also)
    if not forked:
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(call, cwd=folder, env=environment(**variables), text=True, **both)
    words = call[3:]
    with tempfile.NamedTemporaryFile() as output:
        call = {"arguments": words, "folder": str(folder), "environment": environment(**variables)}
        print(json.dumps(call | {"output": output.name}), file=_server().stdin, flush=True)
        status = int(_server().stdout.readline())
        text = output.read().decode(errors="replace")
    return subprocess.CompletedProcess(["snakemake", *words], status, text)


def merged(*layers: dict) -> dict:
    """Mappings merged, lists replaced, as Snakemake does with several study files."""
    result: dict = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def table(folder: Path, name: str) -> pd.DataFrame:
    """One table of the study in `folder`."""
    return pd.read_csv(folder / "results/tables" / f"{name}.csv")


def assert_same_results(folder: Path, reference: Path) -> None:
    """Every row of each table in `folder`, measured costs aside, is exactly a row of the same table
    in `reference`."""
    for name in TABLES:
        ours, theirs = (
            table(f, name).drop(columns=MEASURED_COSTS, errors="ignore")
            for f in (folder, reference)
        )
        keys = [key for key in ("task", "method", "alignment", "seed") if key in ours]
        chosen = theirs.merge(ours[keys].drop_duplicates(), on=keys)[ours.columns]
        ours, chosen = (
            t.sort_values(list(t.columns)).reset_index(drop=True) for t in (ours, chosen)
        )
        assert len(ours), name
        pd.testing.assert_frame_equal(ours, chosen, check_exact=True, obj=f"{name}.csv")
