"""The entry of a study file for a data set that was inspected."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import yaml

from equitraj.data.inspection.motion import Motion
from equitraj.data.inspection.space import Space
from equitraj.data.tasks import split_frames
from equitraj.data.trajectory import Trajectory

BASELINES = 2  # frames that constant velocity needs, a baseline for methods that need only one
STEPS = 100  # of a rollout, in config.yaml


def name_from(path: Path, taken: Collection[str] = ()) -> str:
    """A name made of letters, digits and underscores, from the name of a file.

    It gets a prefix where it is `taken`, because a study file that is laid over a configuration
    would merge the two entries.
    """
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII)
    name = name.strip("_") or "data"
    if name in taken:
        return f"my_{name}"
    return name


def study(name: str, source: dict, trajectory: Trajectory, motion: Motion, space: Space) -> dict:
    """A study of one source and the task proposed for it, to be laid over config.yaml."""
    frames, _, dimension = trajectory.position.shape
    source = {"kind": "file"} | source | {"frames": frames}
    if trajectory.bonds is None and space.chain:
        source["bonds"] = "chain"
    if dimension == 2:
        source["lift"] = "zeros"
    task = {"source": name, "history": motion.history, "lag": motion.lag, "split": motion.split}
    inputs = worth_showing(trajectory)
    if inputs:
        task["inputs"] = inputs
    histories = [motion.history] if motion.history > 1 else [1, BASELINES]
    tasks = {f"{name}_k{history}": task | {"history": history} for history in histories}
    entries: dict = {"sources": {name: source}, "tasks": tasks}
    if space.gap:
        radius = float(f"{space.gap:.3g}")
        entries["methods"] = {"e3nn": {"options": {"max_radius": radius}}}
    steps = longest_rollout(trajectory, task)
    if steps < STEPS:
        entries["rollout"] = {"steps": steps}
    entries["study"] = {"title": name, "tasks": list(tasks)}
    return entries


def worth_showing(trajectory: Trajectory) -> list[str]:
    """The inputs that may help a method: velocities, features, species and masses that differ."""
    inputs = []
    if trajectory.velocity is not None:
        inputs.append("velocity")
    for name in ("species", "mass"):
        value = getattr(trajectory, name)
        if value is not None and len(np.unique(value)) > 1:
            inputs.append(name)
    inputs += trajectory.features
    return inputs


def longest_rollout(trajectory: Trajectory, task: dict) -> int:
    """The largest number of steps of a rollout from a test sample within the true frames."""
    episode = trajectory.episode
    parts = split_frames(episode, task["history"], task["lag"], task["split"])
    newest = parts["test"]
    last = np.searchsorted(episode, episode[newest], side="right") - 1
    longest = int((last - newest).max())
    return longest // task["lag"]


def as_yaml(study: dict) -> str:
    """The study as YAML, with one line for each source, task and method."""
    blocks = []
    for key, part in study.items():
        block = f"{key}:\n"
        for name, value in part.items():
            block += f"  {name}: {_flow(value)}\n"
        blocks.append(block)
    return "\n".join(blocks)


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    text = text.removesuffix("\n...\n")
    return text.strip()
