"""Whether what a study asks of its data fits them: splits, sizes, points, histories and rollouts.

Checked when the workflow is parsed, as far as the configuration says how many frames and points
there are; the first job that reads the data checks the rest.
"""

from equitraj.base import memory
from equitraj.base.allowed import Indices
from equitraj.base.registry import alignment_options, model_spec
from equitraj.data.sources import simulation
from equitraj.data.splits import SPLITS, are_fractions, cut, split_counts


def resolved_alignment(name: str, alignments: dict) -> dict:
    """File and options of an alignment that a method names: an entry of `alignments`, or a file
    with its defaults."""
    chosen = alignments.get(name, {"frames": name})
    return {"frames": chosen["frames"], "options": chosen.get("options", {})}


def known_frames(source: dict) -> int | None:
    """The number of frames that a source declares or simulates, or None."""
    return source.get("frames", simulation.FRAMES if source["kind"] == "simulate" else None)


def known_points(source: dict) -> int | None:
    """The number of points that a source simulates, or None."""
    return (
        simulation.n_points(source["system"], source.get("options", {}))
        if source["kind"] == "simulate"
        else None
    )


def known_samples(task: dict, source: dict) -> dict[str, int] | None:
    """The largest numbers of samples that a task's splits may have, or None where too little is
    known.

    Those of one episode: in several, more samples are lost at the borders.
    """
    frames, split = known_frames(source), task["split"]
    if frames is None or split.get("by", "time") == "episode":
        return None
    is_drawn = split.get("by") == "random"
    usable = max(frames - task["lag"] - (task["history"] - 1 if is_drawn else 0), 0)
    counts = split_counts([split[part] for part in SPLITS], usable, "samples")
    if is_drawn:
        return dict(zip(SPLITS, counts, strict=True))
    return dict(
        zip(SPLITS, map(len, cut(usable, counts, task["history"], task["lag"])), strict=True)
    )


def check_split(name: str, task: dict, source: dict) -> None:
    """Check the sizes of a task's splits and, where its frames are known, that they fit and leave
    none empty."""
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
                f"tasks.{name}.split.{part}: {split[part]} leaves no sample with history {history} and lag "
                f"{task['lag']} in {known_frames(source)} frames; enlarge it or take a shorter history or lag"
            )


def is_applicable(task: dict, model: str) -> bool:
    """Whether a task shows the past that a model needs: frames, of which a velocity stands for one."""
    return (
        task["history"] + ("velocity" in task.get("inputs", []))
        >= model_spec(model).minimum_history
    )


def check_study(config: dict) -> None:
    """Check the study's tasks, methods, sizes and rollouts against each other."""
    study = config["study"]
    for name in study["methods"]:
        needed = model_spec(config["methods"][name]["model"]).minimum_history
        if not any(
            is_applicable(config["tasks"][task], config["methods"][name]["model"])
            for task in study["tasks"]
        ):
            raise ValueError(
                f"study.methods: {name!r} needs a history of {needed} frames, which none of study.tasks has; add a "
                "task with that history or leave the method out"
            )
    for name in study["tasks"]:
        task = config["tasks"][name]
        source = config["sources"][task["source"]]
        check_sizes(name, study["train_sizes"], task, source)
        check_rollout(name, config["rollout"]["steps"], task, source)
        for method in study["methods"]:
            check_points(
                method, config, known_points(source), f"source {task['source']!r} of tasks.{name}"
            )
            check_memory(method, config, known_points(source))


def check_memory(name: str, config: dict, points: int | None) -> None:
    """Check that a method which compares all pairs of known points has the memory for it."""
    if points is not None:
        method, limit = config["methods"][name], config.get("memory_gb")
        spec = model_spec(method["model"])
        memory.check(
            name,
            method["model"],
            spec,
            method,
            points,
            None if limit is None else limit * memory.GB,
        )


def check_sizes(name: str, sizes: list, task: dict, source: dict) -> None:
    """Check that training sizes fit into a task's training split."""
    samples, split = known_samples(task, source), task["split"]
    is_count = split.get("by", "time") != "episode" and split["train"] >= 1
    largest = samples["train"] if samples else split["train"] if is_count else None
    for size in sizes:
        if size != "all" and largest is not None and size > largest:
            raise ValueError(
                f"study.train_sizes: {size} samples, but the training split of tasks.{name} has {largest}"
            )


def check_rollout(name: str, steps: int, task: dict, source: dict) -> None:
    """Check that a rollout from the first test sample has true frames to its end."""
    samples = (
        known_samples(task, source) if task["split"].get("by") != "random" else None
    )  # those are anywhere
    if samples and steps * task["lag"] > samples["test"] + task["lag"] - 1:
        raise ValueError(
            f"rollout.steps: {steps}, but the test split of tasks.{name} has only {samples['test']} samples; take "
            "fewer steps or a larger split.test"
        )


def check_points(method: str, config: dict, points: int | None, where: str) -> None:
    """Check that the points which an alignment names are among those of the data."""
    name = config["methods"][method].get("alignment", "none")
    frames, given = resolved_alignment(name, config["alignments"]).values()
    for option, field in alignment_options(frames).items():
        chosen = given.get(option, field.default)
        if points is not None and isinstance(field.allowed, Indices) and max(chosen) >= points:
            entry = (
                f"alignments.{name}"
                if name in config["alignments"]
                else f"methods.{method}.alignment, {name}"
            )
            raise ValueError(
                f"{entry}: {option} {list(chosen)}, but {where} has {points} points; choose indices from 0 to "
                f"{points - 1}"
            )
