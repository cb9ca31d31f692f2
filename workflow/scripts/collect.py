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
        "--runs", type=Path, required=True, help="the folder that the run folders lie in"
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
    runs = tables.read_runs(plan.run_folders(args.runs, planned))
    measured = tables.read_metrics(runs)
    metrics, blocks = tables.metrics_table(runs, measured), tables.blocks_table(runs, measured)
    made = {
        "metrics": metrics,
        "summary": tables.summary_table(metrics, Errors(blocks)),
        "blocks": blocks,
    }
    made["worst"] = tables.worst_table(runs, measured)
    made["splits"] = tables.splits_table(runs)
    made["sources"] = tables.sources_table(args.trajectories)
    for name, table in made.items():
        with atomic(args.output / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    audited = set(plan.run_folders(args.runs, plan.audited(planned, args.audited)))
    audited = {folder: record for folder, record in runs.items() if folder in audited}
    for name in STACKED:
        with atomic(args.output / f"{name}.csv") as path, path.open("w", encoding="utf-8") as file:
            file.writelines(tables.stacked(audited if name in AUDITED else runs, f"{name}.csv"))
    with ExitStack() as files:
        trajectories = {
            path.parent.name: files.enter_context(opened(path)) for path in args.trajectories
        }
        with atomic(args.output / "examples.h5") as path:
            tables.write_examples(path, runs, trajectories)
        with atomic(args.output / "rollouts.h5") as path:
            rollouts.write_rollouts(path, runs, measured, trajectories)


if __name__ == "__main__":
    command.run(main)
