"""The tables of a study, collected from its run folders.

Runs are mappings from the folder of a run to its record, which is read once.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from equitraj.base.files import checked, read_json
from equitraj.data.tasks import spread
from equitraj.data.trajectory import Trajectory, opened
from equitraj.report.figures._examples import NEWEST, TRUTH
from equitraj.report.rows import select
from equitraj.routes.tables import Errors
from equitraj.training.record import read_record

METRICS = (
    "task method model alignment augmentation history train_size seed status n_parameters mse rmse "
    "mse_persistence mse_velocity skill skill_velocity r2 mse_rotated train_seconds "
    "compile_seconds frames_per_second flops last_fall peak_memory_mb device mse_median worst_share"
).split()
KEYS = ["task", "method", "train_size"]
SAME = (*KEYS, *"model alignment augmentation history mse_persistence mse_velocity".split())
INTERVALS = {"mse": "given", "mse_rotated": "rotated"}
SKILLS = {"skill": "mse_persistence", "skill_velocity": "mse_velocity"}  # with their references
MEANS = ("rmse", "r2", "train_seconds", "mse_median", "worst_share")
BLOCKS = ["block", "samples", "mse", "mse_rotated"]
N_EXAMPLES = 4


def run_key(record: dict) -> dict:
    """The task, method, training size and seed of a run."""
    return {
        "task": record["task"]["name"],
        "method": record["method"]["name"],
        "train_size": record["train_size"],
        "seed": record["seed"],
    }


def size_of(folder: Path) -> float:
    """The training size of a run folder; `all` is infinite."""
    size = folder.parent.name.removeprefix("n")
    if size == "all":
        return float("inf")
    return float(size)


def largest_first(runs: dict[Path, dict]) -> list[Path]:
    """The run folders, those with the largest training size first."""
    return sorted(runs, key=size_of, reverse=True)


def read_runs(folders: Iterable[Path]) -> dict[Path, dict]:
    """Read the records of runs, by their folders."""
    return {folder: read_record(folder) for folder in folders}


def read_metrics(runs: Iterable[Path]) -> dict[Path, dict]:
    """Read the measurements of each run, by its folder."""
    return {folder: read_json(folder / "metrics.json") for folder in runs}


def _metrics_row(record: dict, measured: dict) -> dict:
    row = run_key(record)
    method = record["method"]
    for key in ("model", "alignment", "augmentation"):
        row[key] = method[key]
    row["history"] = record["task"]["history"]
    return row | measured


def metrics_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """Make a table with a row per run, failed runs included."""
    rows = []
    for folder, record in runs.items():
        row = _metrics_row(record, measured[folder])
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.reindex(columns=METRICS)


def blocks_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """Make a table with a row per successful run and block of consecutive test samples."""
    rows = []
    for folder, record in runs.items():
        columns = measured[folder].get("blocks") or {}
        blocks = zip(*columns.values(), strict=True)
        for block, values in enumerate(blocks):
            row = run_key(record) | {"block": block}
            row |= zip(columns, values, strict=True)
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=[*KEYS, "seed", *BLOCKS])


def stacked(runs: dict[Path, dict], name: str) -> Iterator[str]:
    """Join a CSV file of every run line by line, with the key of the run in front of each line.

    The key is the task, method, training size and seed. The lines are not parsed, because to parse
    millions of numbers and write them again would take minutes.

    Raises:
        ValueError: the files have different columns.
    """
    first: Path | None = None
    first_head = ""
    for folder, record in runs.items():
        path = folder / name
        lines = checked(path).read_text(encoding="utf-8").splitlines()
        head = ""
        if lines:
            head = lines[0]
        key = run_key(record)
        if first is None:
            first, first_head = path, head
            yield ",".join([*key, head]) + "\n"
        if head != first_head:
            differing = sorted(set(first_head.split(",")) ^ set(head.split(",")))
            columns = ", ".join(differing) or "in another order"
            raise ValueError(
                f"{path}: columns {columns} are not those of {first}; make both with one version "
                "of the workflow"
            )
        prefix = ",".join(map(str, key.values()))
        for line in lines[1:]:
            yield f"{prefix},{line}\n"


def worst_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """Make a table of the test samples with the largest errors of each successful run.

    Samples are counted from 0.
    """
    rows = []
    for folder, record in runs.items():
        metrics = measured[folder]
        worst = metrics.get("worst") or {"sample": [], "mse": []}
        samples = zip(worst["sample"], worst["mse"], strict=True)
        for sample, error in samples:
            row = run_key(record) | {"sample": sample, "mse": error}
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=[*KEYS, "seed", "sample", "mse"])


def summary_row(runs: pd.DataFrame, errors: Errors) -> dict:
    """Average a method on a task over its seeds.

    Intervals are those over seeds and blocks of test samples.
    """
    first = runs.iloc[0]
    successful = select(runs, status="ok")
    task, method, size = first[KEYS]
    row = {key: first[key] for key in SAME}
    row["n_seeds"] = len(runs)
    row["n_failed"] = len(runs) - len(successful)
    row["n_parameters"] = first.n_parameters
    for name, measure in INTERVALS.items():
        estimate = errors.mean(task, method, size, measure)
        low, high = estimate.interval() if estimate else (np.nan, np.nan)
        row[f"{name}_mean"] = successful[name].mean()
        row[f"{name}_low"] = low
        row[f"{name}_high"] = high
    for name, reference in SKILLS.items():
        row[f"{name}_mean"] = successful[name].mean()
        # the larger the error, the smaller the skill
        row[f"{name}_low"] = _skill(row["mse_high"], first[reference])
        row[f"{name}_high"] = _skill(row["mse_low"], first[reference])
    for name in MEANS:
        row[f"{name}_mean"] = successful[name].mean()
    return row


def _skill(error: float, reference: float) -> float:
    if not reference:
        return np.nan
    return 1 - error / reference


def summary_table(metrics: pd.DataFrame, errors: Errors) -> pd.DataFrame:
    """Make a table with a row per task, method and training size, in the order of the runs."""
    rows = []
    for _, runs in metrics.groupby(KEYS, sort=False):
        row = summary_row(runs, errors)
        rows.append(row)
    return pd.DataFrame(rows)


def splits_table(runs: dict[Path, dict]) -> pd.DataFrame:
    """Make a table of the sizes and boundaries of the splits of each task and training size."""
    rows = []
    for record in runs.values():
        row = {"task": record["task"]["name"], "train_size": record["train_size"]}
        for name, values in record["split"].items():
            rows.append(row | {"split": name} | values)
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def sources_table(paths: Iterable[Path]) -> pd.DataFrame:
    """Make a table of the size, units and origin of each source, from its lifted trajectory."""
    rows = []
    for path in paths:
        with opened(path) as trajectory:
            frames, points, _ = trajectory.position.shape
            row = {
                "source": path.parent.name,
                "frames": frames,
                "points": points,
                "length_unit": trajectory.length_unit,
                "time_unit": trajectory.time_unit,
                "engine": trajectory.provenance.get("engine"),
            }
            rows.append(row)
    return pd.DataFrame(rows)


def write_examples(path: Path, runs: dict[Path, dict], trajectories: dict[str, Trajectory]) -> None:
    """Write a few test samples per task, spread over the split.

    Each task has the truth, the newest frame and the prediction of each method, (S, N, 3). The
    prediction is from the first successful seed with the largest training size.
    """
    with h5py.File(path, "w") as file:
        for folder in largest_first(runs):
            record = runs[folder]
            if f"{record['task']['name']}/{record['method']['name']}" in file:
                continue
            with h5py.File(checked(folder / "predictions.h5")) as predictions:
                if predictions.attrs["status"] == "ok":
                    _add_example(file, record, predictions, trajectories)


def _add_example(
    file: h5py.File, record: dict, predictions: h5py.File, trajectories: dict[str, Trajectory]
) -> None:
    task = record["task"]
    group = file.require_group(task["name"])
    n_samples = len(predictions["newest"])
    samples = spread(n_samples, N_EXAMPLES)
    if TRUTH not in group:
        newest = predictions["newest"][samples]
        trajectory = trajectories[task["source"]]
        group[TRUTH] = predictions["target"][samples]
        group.attrs["test_samples"] = n_samples
        group[NEWEST] = trajectory.position[newest]
    method = record["method"]["name"]
    group[method] = predictions["prediction"][samples]
