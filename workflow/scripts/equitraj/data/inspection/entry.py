"""The entry of a study file for a data set that was looked at."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import yaml

from equitraj.data.inspection.motion import Motion
from equitraj.data.inspection.space import Space
from equitraj.data.tasks import split_frames
from equitraj.data.trajectory import Trajectory

BASELINES = 2  # frames that constant velocity needs, which is to stand beside whatever needs one
STEPS = 100  # of a rollout, in config.yaml


def name_from(path: Path, taken: Collection[str] = ()) -> str:
    """A name made of letters, digits and underscores, from that of a file; another one where it is
    `taken`, because a study file that is laid over a configuration would merge the two."""
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_") or "data"
    return f"my_{name}" if name in taken else name


def study(name: str, source: dict, trajectory: Trajectory, motion: Motion, space: Space) -> dict:
    """A study of one source, and of the task proposed for it, to be laid over config.yaml."""
    frames, _, dimension = trajectory.position.shape
    source = {"kind": "file"} | source | {"frames": frames}
    if trajectory.bonds is None and space.chain:
        source["bonds"] = "chain"
    if dimension == 2:
        source["lift"] = "zeros"
    histories = [motion.history] if motion.history > 1 else [1, BASELINES]
    task = {"source": name, "history": motion.history, "lag": motion.lag, "split": motion.split}
    if inputs := worth_showing(trajectory):
        task["inputs"] = inputs
    made = {
        "sources": {name: source},
        "tasks": {f"{name}_k{k}": task | {"history": k} for k in histories},
    }
    if space.gap:
        made["methods"] = {"e3nn": {"options": {"max_radius": float(f"{space.gap:.3g}")}}}
    if (steps := longest_rollout(trajectory, task)) < STEPS:
        made["rollout"] = {"steps": steps}
    return made | {"study": {"title": name, "tasks": list(made["tasks"])}}


def worth_showing(trajectory: Trajectory) -> list[str]:
    """What a method could see beside positions: velocities, features, and species and masses where
    points differ."""
    kinds = {name: getattr(trajectory, name) for name in ("species", "mass")}
    differing = [
        name for name, value in kinds.items() if value is not None and len(np.unique(value)) > 1
    ]
    return ["velocity"] * (trajectory.velocity is not None) + differing + list(trajectory.features)


def longest_rollout(trajectory: Trajectory, task: dict) -> int:
    """The most predictions that can be fed back from a test sample and still have a true frame."""
    episode = trajectory.episode
    newest = split_frames(episode, task["history"], task["lag"], task["split"])["test"]
    last = np.searchsorted(episode, episode[newest], side="right") - 1
    return int((last - newest).max()) // task["lag"]


def as_yaml(study: dict) -> str:
    """The study as YAML, one line for each source, task and method."""
    return "\n".join(
        f"{key}:\n" + "".join(f"  {name}: {_flow(value)}\n" for name, value in part.items())
        for key, part in study.items()
    )


def _flow(value: object) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
        .removesuffix("\n...\n")
        .strip()
    )
