"""The plan of a study: its runs."""

from pathlib import Path

from equitraj.study.fits import is_applicable


def of(config: dict) -> dict:
    """Return the plan of a configuration: `tasks`, `methods` by task, `train_sizes`, `seeds`.

    A task has the methods whose models it shows enough frames.
    """
    study = config["study"]
    models = {name: config["methods"][name]["model"] for name in study["methods"]}
    methods = {}
    for name in study["tasks"]:
        task = config["tasks"][name]
        methods[name] = [method for method in models if is_applicable(task, models[method])]
    return {
        "tasks": study["tasks"],
        "methods": methods,
        "train_sizes": study["train_sizes"],
        "seeds": sorted(study["seeds"]),
    }


def audited(plan: dict, sizes: str) -> dict:
    """Return the audited part of a plan: `all` training sizes, or the `largest`."""
    if sizes == "all":
        return plan
    largest = max(plan["train_sizes"], key=_number)
    return plan | {"train_sizes": [largest]}


def _number(size: int | str) -> float:
    return float("inf") if str(size) == "all" else float(size)


def pairs(plan: dict) -> list[str]:
    """Return each task with each of its methods: {task}/{method}."""
    methods = plan["methods"]
    tasks = plan.get("tasks", methods)  # a mapping loses its order in JSON
    return [f"{task}/{method}" for task in tasks for method in methods[task]]


def batches(plan: dict) -> list[str]:
    """Return each pair of task and method with each training size: {task}/{method}/n{size}."""
    sizes = plan["train_sizes"]
    return [f"{pair}/n{size}" for pair in pairs(plan) for size in sizes]


def run_folders(root: Path, plan: dict) -> list[Path]:
    """Return the folder of each run below `root`."""
    names = [f"seed{seed}" for seed in plan["seeds"]]
    return [root / batch / name for batch in batches(plan) for name in names]
