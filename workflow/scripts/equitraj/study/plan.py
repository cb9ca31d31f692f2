"""Which runs a study has: its plan."""

from itertools import product
from pathlib import Path

from equitraj.study.fits import is_applicable


def of(config: dict) -> dict:
    """The plan of a configuration: `tasks`, the `methods` that apply to each of them, `train_sizes`
    and `seeds`."""
    study = config["study"]
    methods = {
        task: [
            m
            for m in study["methods"]
            if is_applicable(config["tasks"][task], config["methods"][m]["model"])
        ]
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
    largest = max(
        plan["train_sizes"], key=lambda size: float("inf") if str(size) == "all" else float(size)
    )
    return plan if sizes == "all" else plan | {"train_sizes": [largest]}


def pairs(plan: dict) -> list[str]:
    """Each task with each of its methods: {task}/{method}."""
    tasks = plan.get("tasks", plan["methods"])  # a mapping loses its order in JSON
    return [f"{task}/{method}" for task in tasks for method in plan["methods"][task]]


def batches(plan: dict) -> list[str]:
    """The trainings of one size, of all seeds: {task}/{method}/n{size}."""
    return [f"{pair}/n{size}" for pair, size in product(pairs(plan), plan["train_sizes"])]


def run_folders(root: Path, plan: dict) -> list[Path]:
    """The folder of each run below `root`."""
    return [root / batch / f"seed{seed}" for batch in batches(plan) for seed in plan["seeds"]]
