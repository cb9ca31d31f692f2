"""The irreducible test error of tasks on simulated data: floor.csv, a row per task.

python workflow/scripts/floor.py --trajectories results/data/chain/lifted.h5 --tasks tasks.json \
    --output floor.csv
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import read_json, write_table
from equitraj.data.trajectory import opened
from equitraj.prediction import floor


def row(name: str, task: dict, trajectory: Path) -> dict:
    """One row of the table; one without numbers where the floor cannot be told, with the reason as
    its kind."""
    with opened(trajectory) as truth:
        try:
            return {"task": name} | asdict(floor.floor(truth, task))
        except floor.Unknown as error:
            return {"task": name, "kind": f"unknown: {error}"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=Path, required=True, help="tasks.json: the tasks by name")
    parser.add_argument(
        "--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files"
    )
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    args = parser.parse_args()
    paths = {path.parent.name: path for path in args.trajectories}
    tasks = read_json(args.tasks)
    for name, task in tasks.items():
        if task["source"] not in paths:
            raise ValueError(
                f"--trajectories: no {task['source']}/lifted.h5, which task {name} is on"
            )
    rows = [row(name, task, paths[task["source"]]) for name, task in tasks.items()]
    write_table(args.output, floor.COLUMNS, rows)


if __name__ == "__main__":
    command.run(main)
