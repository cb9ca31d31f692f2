"""The tables of a study, from its run folders.

Runs are given as a mapping of their folders to their records, each of which is read once.
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
from equitraj.routes.tables import Errors
from equitraj.training.record import read_record

METRICS = (
    "task method model alignment augmentation history train_size seed status n_parameters mse rmse mse_persistence "
    "mse_velocity skill skill_velocity r2 mse_rotated train_seconds compile_seconds frames_per_second "
    "flops last_fall peak_memory_mb device mse_median worst_share"
).split()
KEYS = ["task", "method", "train_size"]
INTERVALS = {"mse": "given", "mse_rotated": "rotated"}
BLOCKS = ["block", "samples", "mse", "mse_rotated"]
N_EXAMPLES = 4


def run_key(record: dict) -> dict:
    """Task, method, size and seed of a run."""
    names = {"task": record["task"]["name"], "method": record["method"]["name"]}
    return names | {"train_size": record["train_size"], "seed": record["seed"]}


def size_of(folder: Path) -> float:
    """Training size of a run folder, `all` the largest."""
    size = folder.parent.name.removeprefix("n")
    return float("inf") if size == "all" else float(size)


def read_runs(folders: Iterable[Path]) -> dict[Path, dict]:
    """The records of runs, by their folders."""
    return {folder: read_record(folder) for folder in folders}


def read_metrics(runs: dict[Path, dict]) -> dict[Path, dict]:
    """What was measured of each run, by its folder."""
    return {folder: read_json(folder / "metrics.json") for folder in runs}


def metrics_row(record: dict, measured: dict) -> dict:
    """One row of metrics.csv."""
    method = {k: record["method"][k] for k in ("model", "alignment", "augmentation")}
    return run_key(record) | method | {"history": record["task"]["history"]} | measured


def metrics_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """A row per run, failed ones included."""
    rows = [metrics_row(record, measured[folder]) for folder, record in runs.items()]
    return pd.DataFrame(rows).reindex(columns=METRICS)


def blocks_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """A row per run that ended well and block of consecutive test samples."""
    rows = [
        run_key(record) | {"block": block} | dict(zip(blocks, values, strict=True))
        for folder, record in runs.items()
        if (blocks := measured[folder].get("blocks"))
        for block, values in enumerate(zip(*blocks.values(), strict=True))
    ]
    return pd.DataFrame(rows).reindex(columns=[*KEYS, "seed", *BLOCKS])


def stacked(runs: dict[Path, dict], name: str) -> Iterator[str]:
    """The lines of a CSV file of every run, below each other, with the run's task, method, size and
    seed in front.

    As they stand, since parsing millions of numbers to write them again would take minutes.

    Raises:
        ValueError: the files have different columns.
    """
    heads: dict[str, Path] = {}
    for folder, record in runs.items():
        head, *lines = checked(folder / name).read_text(encoding="utf-8").splitlines() or [""]
        if not heads:
            yield ",".join([*run_key(record), head]) + "\n"
        heads.setdefault(head, folder)
        if len(heads) > 1:
            other, this = (set(head.split(",")) for head in heads)
            raise ValueError(
                f"{folder / name}: columns {', '.join(sorted(this ^ other)) or 'in another order'} are not those of "
                f"{next(iter(heads.values())) / name}; make both with one version of the workflow"
            )
        key = ",".join(map(str, run_key(record).values()))
        yield from (f"{key},{line}\n" for line in lines)


def worst_table(runs: dict[Path, dict], measured: dict[Path, dict]) -> pd.DataFrame:
    """A row per run that ended well and test sample, counted from 0, of those with the largest
    errors."""
    rows = [
        run_key(record) | {"sample": sample, "mse": error}
        for folder, record in runs.items()
        if (found := measured[folder].get("worst"))
        for sample, error in zip(found["sample"], found["mse"], strict=True)
    ]
    return pd.DataFrame(rows).reindex(columns=[*KEYS, "seed", "sample", "mse"])


def summary_row(runs: pd.DataFrame, errors: Errors) -> dict:
    """Means over the seeds of a method on a task, with intervals over seeds and blocks of test
    samples."""
    first, done = runs.iloc[0], runs[runs.status == "ok"]
    row = {
        k: first[k]
        for k in (
            *KEYS,
            "model",
            "alignment",
            "augmentation",
            "history",
            "mse_persistence",
            "mse_velocity",
        )
    }
    row |= {
        "n_seeds": len(runs),
        "n_failed": len(runs) - len(done),
        "n_parameters": first.n_parameters,
    }
    for name, measure in INTERVALS.items():
        found = errors.mean(*(first[key] for key in KEYS), measure)
        low, high = found.interval() if found else (np.nan, np.nan)
        row |= {f"{name}_mean": done[name].mean(), f"{name}_low": low, f"{name}_high": high}
    for name, reference in (("skill", "mse_persistence"), ("skill_velocity", "mse_velocity")):
        row[f"{name}_mean"] = done[name].mean()
        for end, other in (("low", "high"), ("high", "low")):  # a large error is a small skill
            row[f"{name}_{end}"] = (
                1 - row[f"mse_{other}"] / first[reference] if first[reference] else np.nan
            )
    return row | {
        f"{name}_mean": done[name].mean()
        for name in ("rmse", "r2", "train_seconds", "mse_median", "worst_share")
    }


def summary_table(metrics: pd.DataFrame, errors: Errors) -> pd.DataFrame:
    """A row per task, method and training size, in the order of the runs."""
    return pd.DataFrame(
        [summary_row(runs, errors) for _, runs in metrics.groupby(KEYS, sort=False)]
    )


def splits_table(runs: dict[Path, dict]) -> pd.DataFrame:
    """Sizes and boundaries of the splits of every task and training size."""
    rows = []
    for record in runs.values():
        size = {"task": record["task"]["name"], "train_size": record["train_size"]}
        rows += [size | {"split": name} | values for name, values in record["split"].items()]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def sources_table(paths: Iterable[Path]) -> pd.DataFrame:
    """Size, units and origin of the data of each source, from its lifted trajectory."""
    rows = []
    for path in paths:
        with opened(path) as trajectory:
            frames, points, _ = trajectory.position.shape
            units = {"length_unit": trajectory.length_unit, "time_unit": trajectory.time_unit}
            size = {"source": path.parent.name, "frames": frames, "points": points}
            rows.append(size | units | {"engine": trajectory.provenance.get("engine")})
    return pd.DataFrame(rows)


def write_examples(path: Path, runs: dict[Path, dict], trajectories: dict[str, Trajectory]) -> None:
    """A few test samples per task, spread over the split: truth, newest frame, and each method's
    prediction (S, N, 3).

    The runs shown are those of the first seed that succeeded with the largest training size.
    """
    largest_first = sorted(runs, key=lambda folder: -size_of(folder))
    with h5py.File(path, "w") as file:
        for folder in largest_first:
            record = runs[folder]
            if f"{record['task']['name']}/{record['method']['name']}" in file:
                continue
            with h5py.File(checked(folder / "predictions.h5")) as predictions:
                if predictions.attrs["status"] != "ok":
                    continue
                chosen = spread(len(predictions["newest"]), N_EXAMPLES)
                newest, target = predictions["newest"][chosen], predictions["target"][chosen]
                group = file.require_group(record["task"]["name"])
                if TRUTH not in group:
                    group[TRUTH] = target
                    group.attrs["test_samples"] = len(predictions["newest"])
                    group[NEWEST] = trajectories[record["task"]["source"]].position[newest]
                group[record["method"]["name"]] = predictions["prediction"][chosen]
