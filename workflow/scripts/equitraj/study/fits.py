"""Check that splits, sizes, points, histories and rollouts of a study fit its data.

The workflow checks them when it is parsed, if the configuration tells the numbers of frames and
points. The first job that reads the data checks the rest.
"""

from equitraj.base import memory
from equitraj.base.allowed import Indices
from equitraj.base.registry import alignment_options, model_spec
from equitraj.data.sources import simulation
from equitraj.data.splits import SPLITS, are_fractions, cut, split_counts


def resolved_alignment(name: str, alignments: dict) -> dict:
    """Return file and options of an alignment: an entry of `alignments`, or a file's defaults."""
    entry = alignments.get(name, {"frames": name})
    return {"frames": entry["frames"], "options": entry.get("options", {})}


def known_frames(source: dict) -> int | None:
    """Return the number of frames that a source declares or simulates, or None."""
    default = simulation.FRAMES if source["kind"] == "simulate" else None
    return source.get("frames", default)


def known_points(source: dict) -> int | None:
    """Return the number of points that a source simulates, or None."""
    if source["kind"] != "simulate":
        return None
    return simulation.n_points(source["system"], source.get("options", {}))


def known_samples(task: dict, source: dict) -> dict[str, int] | None:
    """Return upper bounds on the samples in a task's splits, or None if too little is known.

    The bounds hold for one episode; with several, more samples are lost at their ends.
    """
    frames, split = known_frames(source), task["split"]
    if frames is None or split.get("by", "time") == "episode":
        return None
    is_drawn = split.get("by") == "random"
    history, lag = task["history"], task["lag"]
    lost = lag + history - 1 if is_drawn else lag
    usable = max(frames - lost, 0)
    wanted = [split[part] for part in SPLITS]
    counts = split_counts(wanted, usable, "samples")
    if not is_drawn:
        counts = [len(part) for part in cut(usable, counts, history, lag)]
    return dict(zip(SPLITS, counts, strict=True))


def check_split(name: str, task: dict, source: dict) -> None:
    """Check the sizes of a task's splits; if its frames are known, that no split is empty."""
    split, history = task["split"], task["history"]
    if "seed" in split and split.get("by") != "random":
        raise ValueError(
            f"tasks.{name}.split.seed: has no effect without `by: random`; leave it out"
        )
    try:
        are_fractions([split[part] for part in SPLITS])
        samples = known_samples(task, source) or {}
    except ValueError as error:
        raise ValueError(
            f"tasks.{name}.{error}; reduce the sizes or take a longer source"
        ) from error
    for part, count in samples.items():
        if not count:
            raise ValueError(
                f"tasks.{name}.split.{part}: {split[part]} leaves no sample with history {history} "
                f"and lag {task['lag']} in {known_frames(source)} frames; enlarge it or take a "
                "shorter history or lag"
            )


def is_applicable(task: dict, model: str) -> bool:
    """Whether a task shows as many past frames as a model needs; a velocity counts as one."""
    frames = task["history"]
    if "velocity" in task.get("inputs", []):
        frames += 1
    return frames >= model_spec(model).minimum_history


def check_study(config: dict) -> None:
    """Check the study's tasks, methods, sizes and rollouts against each other."""
    study = config["study"]
    tasks = {name: config["tasks"][name] for name in study["tasks"]}
    for name in study["methods"]:
        model = config["methods"][name]["model"]
        if not any(is_applicable(task, model) for task in tasks.values()):
            needed = model_spec(model).minimum_history
            raise ValueError(
                f"study.methods: {name!r} needs a history of {needed} frames, which none of "
                "study.tasks has; add a task with that history or leave the method out"
            )
    for name, task in tasks.items():
        source = config["sources"][task["source"]]
        check_sizes(name, study["train_sizes"], task, source)
        check_rollout(name, config["rollout"]["steps"], task, source)
        points = known_points(source)
        if points is None:
            continue
        for method in study["methods"]:
            where = f"source {task['source']!r} of tasks.{name}"
            check_points(method, config, points, where)
            check_memory(method, config, points)


def check_memory(name: str, config: dict, points: int | None) -> None:
    """Check that the memory suffices for a method that compares all pairs of known points."""
    if points is None:
        return
    method, gigabytes = config["methods"][name], config.get("memory_gb")
    limit = None if gigabytes is None else gigabytes * memory.GB
    model = method["model"]
    memory.check(name, model, model_spec(model), method, points, limit)


def check_sizes(name: str, sizes: list, task: dict, source: dict) -> None:
    """Check that training sizes fit into a task's training split."""
    samples, split = known_samples(task, source), task["split"]
    is_count = split.get("by", "time") != "episode" and split["train"] >= 1
    if samples:
        largest = samples["train"]
    elif is_count:
        largest = split["train"]
    else:
        return
    for size in sizes:
        if size != "all" and size > largest:
            raise ValueError(
                f"study.train_sizes: {size} samples, but the training split of tasks.{name} has "
                f"{largest}"
            )


def check_rollout(name: str, steps: int, task: dict, source: dict) -> None:
    """Check that a rollout from the first test sample ends within the data."""
    if task["split"].get("by") == "random":  # test samples may be anywhere
        return
    samples, lag = known_samples(task, source), task["lag"]
    if samples and steps * lag > samples["test"] + lag - 1:
        raise ValueError(
            f"rollout.steps: {steps}, but the test split of tasks.{name} has only "
            f"{samples['test']} samples; take fewer steps or a larger split.test"
        )


def check_points(method: str, config: dict, points: int, where: str) -> None:
    """Check that the data have the points that a method's alignment names."""
    name = config["methods"][method].get("alignment", "none")
    resolved = resolved_alignment(name, config["alignments"])
    for option, field in alignment_options(resolved["frames"]).items():
        if not isinstance(field.allowed, Indices):
            continue
        indices = resolved["options"].get(option, field.default)
        if max(indices) < points:
            continue
        is_entry = name in config["alignments"]
        entry = f"alignments.{name}" if is_entry else f"methods.{method}.alignment, {name}"
        raise ValueError(
            f"{entry}: {option} {list(indices)}, but {where} has {points} points; choose indices "
            f"from 0 to {points - 1}"
        )
