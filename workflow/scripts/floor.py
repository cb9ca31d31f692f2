"""The irreducible test error of tasks on simulated data: floor.csv, a row per task.

python workflow/scripts/floor.py --trajectories results/data/chain/lifted.h5 --output floor.csv --tasks '{"chain_k1":
    {"source": "chain", "history": 1, "lag": 1, "split": {"train": 0.7, "validation": 0.1, "test": 0.2}}}'
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import write_table
from equitraj.data.trajectory import opened
from equitraj.prediction import floor


def row(name: str, task: dict, trajectory: Path) -> dict:
    """One row of the table; one without numbers where the floor cannot be told, with the reason as its kind."""
    with opened(trajectory) as truth:
        try:
            return {"task": name} | asdict(floor.floor(truth, task))
        except floor.Unknown as error:
            return {"task": name, "kind": f"unknown: {error}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=json.loads, required=True, help="tasks of the config by name, as JSON")
    parser.add_argument("--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files")
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    args = parser.parse_args()
    paths = {path.parent.name: path for path in args.trajectories}
    for name, task in args.tasks.items():
        if task["source"] not in paths:
            raise ValueError(f"--trajectories: no {task['source']}/lifted.h5, which task {name} is on")
    write_table(
        args.output, floor.COLUMNS, [row(name, task, paths[task["source"]]) for name, task in args.tasks.items()]
    )


if __name__ == "__main__":
    command.run(main)
