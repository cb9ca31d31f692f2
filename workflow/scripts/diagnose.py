"""Measure what each alignment does to the data of each task: results/tables/alignment.csv."""

import argparse
import csv
import json
from pathlib import Path

from equitraj import command, diagnostics
from equitraj.files import atomic
from equitraj.frames import load_alignment
from equitraj.trajectory import read, read_observables

COLUMNS = "task alignment jump_rate eigengap_p01 perturbation_gain rotation_error reflection_error".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=json.loads, required=True, help="JSON: task to source")
    parser.add_argument("--aligned", type=Path, nargs="+", required=True, help="TASK/ALIGNMENT.h5 files")
    parser.add_argument("--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    trajectories = {path.parent.name: read(path) for path in args.trajectories}
    rows = []
    for path in args.aligned:
        task, name = path.parent.name, path.stem
        trajectory = trajectories[args.tasks[task]]
        row = diagnostics.diagnose(
            load_alignment(name), trajectory.position, trajectory.episode, read_observables(path)
        )
        rows.append({"task": task, "alignment": name} | row)
    with atomic(args.output) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    command.run(main)
