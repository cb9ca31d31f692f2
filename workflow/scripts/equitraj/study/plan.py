"""Which runs a study has: its plan, short enough for a command line whatever the number of runs."""

from itertools import product
from pathlib import Path

from equitraj.study.fits import is_applicable


def of(config: dict) -> dict:
    """The plan of a configuration: `tasks`, the `methods` that apply to each of them, `train_sizes` and `seeds`."""
    study = config["study"]
    methods = {
        task: [m for m in study["methods"] if is_applicable(config["tasks"][task], config["methods"][m]["model"])]
        for task in study["tasks"]
    }
    return {
        "tasks": study["tasks"],
        "methods": methods,
        "train_sizes": study["train_sizes"],
        "seeds": sorted(study["seeds"]),
    }


def audited(plan: dict, sizes: str) -> dict:
    """The part of a plan that is audited: of `all` training sizes, or of the `largest`."""
    largest = max(plan["train_sizes"], key=lambda size: float("inf") if str(size) == "all" else float(size))
    return plan if sizes == "all" else plan | {"train_sizes": [largest]}


def batches(plan: dict) -> list[str]:
    """What is trained together, all seeds of a method on a task: {task}/{method}/n{size}."""
    return [
        f"{task}/{method}/n{size}"
        for task in plan.get("tasks", plan["methods"])  # a mapping loses its order on a command line
        for method, size in product(plan["methods"][task], plan["train_sizes"])
    ]


def run_folders(root: Path, plan: dict) -> list[Path]:
    """The folder of each run below `root`."""
    return [root / batch / f"seed{seed}" for batch in batches(plan) for seed in plan["seeds"]]
