"""The entry of a study file for a data set that was looked at."""

import re
from pathlib import Path

import yaml

from equitraj.data.inspection.motion import Motion
from equitraj.data.inspection.space import Space
from equitraj.data.trajectory import Trajectory


def name_from(path: Path) -> str:
    """A name made of letters, digits and underscores, from that of a file."""
    return re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_") or "data"


def study(name: str, source: dict, trajectory: Trajectory, motion: Motion, space: Space) -> dict:
    """A study of one task on one source: what `sources`, `tasks` and, with a cutoff, `methods` add to config.yaml."""
    frames, _, dimension = trajectory.position.shape
    source = {"kind": "file"} | source | {"frames": frames}
    if trajectory.bonds is None and space.chain:
        source["bonds"] = "chain"
    if dimension == 2:
        source["lift"] = "zeros"
    task = {"source": name, "history": motion.history, "lag": motion.lag, "split": motion.split}
    task_name = f"{name}_k{motion.history}"
    made = {"sources": {name: source}, "tasks": {task_name: task}}
    if space.gap:
        made["methods"] = {"e3nn": {"options": {"max_radius": float(f"{space.gap:.3g}")}}}
    return made | {"study": {"title": name, "tasks": [task_name]}}


def as_yaml(study: dict) -> str:
    """The study as YAML, one line for each source, task and method."""
    return "\n".join(
        f"{key}:\n" + "".join(f"  {name}: {_flow(value)}\n" for name, value in part.items())
        for key, part in study.items()
    )


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("\n...\n").strip()
