"""Audit the symmetry of all seeds of a method on a task: audit.csv in each run folder."""

import argparse
import csv
from pathlib import Path

import numpy as np

from equitraj import command, devices, predictor, symmetry, tasks
from equitraj.files import atomic, read_json
from equitraj.trajectory import Trajectory, read

COLUMNS = (
    "weights dtype generator samples abs_max rel_mean rel_p95 rel_max loss_percent noise_floor verdict claim agrees"
).split()


def audit(folder: Path, trajectory: Trajectory, n_samples: int, n_elements: int) -> None:
    """Audit one run folder: its initial weights where it has any, and its trained ones unless it failed."""
    record = read_json(folder / "run.json")
    task = record["task"]
    newest = tasks.split_frames(trajectory.episode, task["history"], task["lag"], task["split"])["test"]
    chosen = newest[np.linspace(0, len(newest) - 1, min(n_samples, len(newest))).round().astype(int)]
    sample = tasks.samples(trajectory, chosen, task["history"], task["lag"])
    has = {"initial": record["has_initial"], "trained": record["status"] == "ok"}
    rows = []
    for weights in (w for w in ("initial", "trained") if has[w]):

        def load(dtype: str, weights: str = weights) -> symmetry.Predict:
            return predictor.load(folder, weights, dtype).predict

        rows += [
            {"weights": weights} | row for row in symmetry.audit(load, sample, record["claims"], n_elements, seed=0)
        ]
    with atomic(folder / "audit.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectory", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--samples", type=int, default=64, help="test samples, spread over the split")
    parser.add_argument("--elements", type=int, default=16, help="group elements per generator")
    args = parser.parse_args()
    devices.hide()  # every framework predicts on the CPU, so that every method gets the identical test
    trajectory = read(args.trajectory)
    for folder in args.runs:
        audit(folder, trajectory, args.samples, args.elements)


if __name__ == "__main__":
    command.run(main)
