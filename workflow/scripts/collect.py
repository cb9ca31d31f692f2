"""Collect the tables of a study from its run folders."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import atomic
from equitraj.data.trajectory import opened
from equitraj.report import collected as tables

STACKED = ("audit", "probes", "controls", "rollout", "history")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()
    metrics = tables.metrics_table(args.runs)
    made = {"metrics": metrics, "summary": tables.summary_table(metrics), "splits": tables.splits_table(args.runs)}
    made |= {name: tables.stacked(args.runs, f"{name}.csv") for name in STACKED}
    for name, table in made.items():
        with atomic(args.output / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    with ExitStack() as files, atomic(args.output / "examples.h5") as path:
        trajectories = {path.parent.name: files.enter_context(opened(path)) for path in args.trajectories}
        tables.write_examples(path, args.runs, trajectories)


if __name__ == "__main__":
    command.run(main)
