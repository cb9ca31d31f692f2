"""Collect the tables of a study from its run folders."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import atomic, read_json
from equitraj.data.trajectory import opened
from equitraj.report import collected as tables
from equitraj.report import rollouts
from equitraj.routes.tables import Errors
from equitraj.study import plan

AUDITED = ("audit", "probes", "controls")
STACKED = (*AUDITED, "rollout", "physics", "history")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=Path, required=True, help="the folder that contains the run folders"
    )
    parser.add_argument(
        "--plan", type=Path, required=True, help="plan.json: methods by task, train_sizes and seeds"
    )
    parser.add_argument(
        "--audited",
        default="all",
        choices=("all", "largest"),
        help="training sizes that were audited",
    )
    parser.add_argument(
        "--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()
    planned = read_json(args.plan)
    folders = plan.run_folders(args.runs, planned)
    runs = tables.read_runs(folders)
    measured = tables.read_metrics(runs)
    metrics = tables.metrics_table(runs, measured)
    blocks = tables.blocks_table(runs, measured)
    collected = {
        "metrics": metrics,
        "summary": tables.summary_table(metrics, Errors(blocks)),
        "blocks": blocks,
        "worst": tables.worst_table(runs, measured),
        "splits": tables.splits_table(runs),
        "sources": tables.sources_table(args.trajectories),
    }
    for name, table in collected.items():
        with atomic(args.output / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    audited_plan = plan.audited(planned, args.audited)
    audited_folders = set(plan.run_folders(args.runs, audited_plan))
    audited = {folder: record for folder, record in runs.items() if folder in audited_folders}
    for name in STACKED:
        rows_of = audited if name in AUDITED else runs
        with atomic(args.output / f"{name}.csv") as path, path.open("w", encoding="utf-8") as file:
            file.writelines(tables.stacked(rows_of, f"{name}.csv"))
    with ExitStack() as files:
        trajectories = {}
        for path in args.trajectories:
            trajectories[path.parent.name] = files.enter_context(opened(path))
        with atomic(args.output / "examples.h5") as path:
            tables.write_examples(path, runs, trajectories)
        with atomic(args.output / "rollouts.h5") as path:
            rollouts.write_rollouts(path, runs, measured, trajectories)


if __name__ == "__main__":
    command.run(main)
