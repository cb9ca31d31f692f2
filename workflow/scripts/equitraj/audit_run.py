"""The audit of run folders: audit.csv, probes.csv and controls.csv in each."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from equitraj import lie, predictor, symmetry, tasks
from equitraj.files import atomic, read_json
from equitraj.symmetry import controls, probes
from equitraj.symmetry.verdict import forward_noise
from equitraj.tasks import Sample
from equitraj.trajectory import Trajectory

CONTROL_COLUMNS = "control generator rel_mean noise_floor verdict expected".split()
N_PROBED = 16  # samples of the probes


def run(folders: list[Path], trajectory: Trajectory, n_samples: int, n_elements: int) -> None:
    """Audit the run folders of all seeds of a method on a task.

    All `n_elements` meet the trained weights of the first seed that has some, in float64. An eighth is enough to
    see that float32 and the other seeds agree, half of that for the weights before training; the probes and the
    controls go with the first seed.
    """
    trained = [folder for folder in folders if read_json(folder / "run.json")["status"] == "ok"]
    for folder in folders:
        is_first = folder in trained[:1]
        sample, lag = test_samples(folder, trajectory, n_samples)
        counts = {"trained": {"float64": n_elements if is_first else _part(n_elements, 8)}}
        counts["trained"]["float32"] = _part(n_elements, 8)
        counts["initial"] = dict.fromkeys(("float64", "float32"), _part(n_elements, 16))
        tables = {"audit": audit_rows(folder, sample, lag, counts), "probes": [], "controls": []}
        if is_first:
            tables["controls"] = controls.run(sample)
            tables["probes"] = probe_rows(folder, sample, lag, n_elements)
        columns = {"audit": ["weights", *symmetry.COLUMNS], "probes": probes.COLUMNS, "controls": CONTROL_COLUMNS}
        for name, rows in tables.items():
            write_table(folder / f"{name}.csv", columns[name], rows)


def _part(count: int, divisor: int) -> int:
    return max(1, count // divisor)


def test_samples(folder: Path, trajectory: Trajectory, n_samples: int) -> tuple[Sample, int]:
    """Samples spread over the test split of a run's task, and its lag."""
    task = read_json(folder / "run.json")["task"]
    newest = tasks.split_frames(trajectory.episode, task["history"], task["lag"], task["split"])["test"]
    return tasks.samples(trajectory, newest[spread(len(newest), n_samples)], task["history"], task["lag"]), task["lag"]


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` indices, evenly spread from the first to the last of `total`."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)


def audit_rows(folder: Path, sample: Sample, lag: int, counts: dict[str, dict[str, int]]) -> list[dict]:
    """Rows of audit.csv for the initial weights where there are any, and the trained ones unless the run failed."""
    record, rows = read_json(folder / "run.json"), []
    has = {"initial": record["has_initial"], "trained": record["status"] == "ok"}
    for weights in (w for w in ("initial", "trained") if has[w]):
        found = symmetry.audit(loader(folder, weights), sample, record["claims"], counts[weights], lag=lag)
        rows += [{"weights": weights} | row for row in found]
    return rows


def loader(folder: Path, weights: str) -> Callable[[str], symmetry.Predict]:
    """dtype -> predictor of these weights of a run."""
    return lambda dtype: predictor.load(folder, weights, dtype).predict


def probe_rows(folder: Path, sample: Sample, lag: int, n_elements: int) -> list[dict]:
    """Rows of probes.csv for the trained weights of a run."""
    few, load = sample.take(spread(len(sample), N_PROBED)), loader(folder, "trained")
    predict, prediction = load("float64"), load("float64")(few)
    forward = forward_noise(load("float32")(few), few, prediction, "float64")
    rows = probes.angles(predict, few) + probes.worst_rotation(predict, few, n_elements)
    rows += probes.stabilisers(predict, few, forward) + probes.continuity(predict, few)
    if lag == 1 or few.position.shape[1] == 1:  # predictions can be fed back
        rows += probes.rollout(predict, few)
    if snapshots := read_json(folder / "run.json").get("snapshots"):
        rows += probes.training(lambda w: predictor.load(folder, w, "float64").predict, snapshots, few)
    return rows + lie.rows(*predictor.read_run(folder), few)


def write_table(path: Path, columns: list[str], rows: list[dict]) -> None:
    """Write rows as CSV in one step."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
