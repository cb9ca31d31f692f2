"""Search hyperparameters of a method: a table of all trials, and the best of them as a method that
a study can use."""

import argparse
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import yaml

from equitraj.base import command, devices
from equitraj.base.code import command_digest
from equitraj.base.files import atomic, file_sha256, write_table
from equitraj.base.registry import model_spec
from equitraj.training import arguments
from equitraj.tuning import search as searches
from equitraj.tuning.space import with_values

COLUMNS = ["search", "trial", "status", "validation_mse", "seconds"]
RESOLVED = ("name", "frames", "frame_options")  # of a method, which a configuration does not have


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="of the search")
    parser.add_argument(
        "--search",
        type=json.loads,
        required=True,
        help="trials, seed, train_size and space as JSON",
    )
    arguments.add_training(parser)
    parser.add_argument(
        "--journal", type=Path, required=True, help="where trials are kept while the search goes on"
    )
    parser.add_argument("--trials", type=Path, required=True, help="the table to write")
    parser.add_argument("--best", type=Path, required=True, help="the configuration to write")
    args = parser.parse_args()
    given = args.search
    definition = {"task": args.task, "method": args.method} | {
        k: v for k, v in given.items() if k != "trials"
    }
    # trials on other data, or by other code, are those of another search
    definition["code"] = command_digest("tune.py", args.method["model"], args.method["frames"])
    definition["data"] = [file_sha256(path) for path in (args.trajectory, args.aligned)]
    study = searches.opened(args.journal, definition)
    with devices.borrowed(args.device if model_spec(args.method["model"]).gpu else "cpu") as place:
        size, seed = str(given["train_size"]), given["seed"]
        train = searches.trainer(
            args.task, args.method, size, seed, args.trajectory, args.aligned, place
        )
        found = searches.search(study, given["trials"], seed, given["space"], train)
    rows = [row_of(args.name, number, trial) for number, trial in enumerate(found)]
    write_table(args.trials, [*COLUMNS, *sorted(given["space"])], rows)
    write_best(args.best, args, found)


def row_of(name: str, number: int, trial) -> dict:
    """One trial as a row; `status` says why it failed."""
    kept = {key: trial.user_attrs[key] for key in ("status", "seconds")}
    return {"search": name, "trial": number, "validation_mse": trial.value} | kept | trial.params


def write_best(path: Path, args: argparse.Namespace, found: list) -> None:
    """A configuration with the best trial's method, and what found it.

    Raises:
        ValueError: no trial ended well.
    """
    good = [trial for trial in found if trial.value is not None]
    if not good:
        raise ValueError(
            f"tune.{args.name}: none of {len(found)} trials ended well; see {args.trials} for the "
            "reasons"
        )
    best = min(good, key=lambda trial: trial.value)
    chosen = with_values(args.method, best.params)
    method = {key: value for key, value in chosen.items() if key not in RESOLVED and value}
    head = [
        f"# The best of {len(found)} trials of the search {args.name!r}: method "
        f"{args.method['name']} on task "
        f"{args.task['name']}.",
        f"# Validation error {best.value:.4g}; sampler {searches.SAMPLER}, seed "
        f"{args.search['seed']}, Optuna "
        f"{version('optuna')}, {datetime.now(UTC):%Y-%m-%d}.",
    ]
    text = yaml.safe_dump({"methods": {f"{args.method['name']}_tuned": method}}, sort_keys=True)
    with atomic(path) as temporary:
        temporary.write_text("\n".join([*head, text]), encoding="utf-8")


if __name__ == "__main__":
    command.run(main)
