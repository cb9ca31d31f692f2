"""The rollouts that one can look at: those of the most accurate methods of each task, from their
run folders."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import checked
from equitraj.data.tasks import time_step
from equitraj.data.trajectory import Trajectory
from equitraj.report.collected import size_of

METHODS = 6  # of a task; constant velocity comes beside them
BESIDE = "constant_velocity"


def chosen(runs: dict[Path, dict], measured: dict[Path, dict]) -> dict[str, list[Path]]:
    """Run folders by task, the most accurate first: of each method the first seed that ended well
    with the largest training size."""
    first: dict[tuple[str, str], Path] = {}
    for folder in sorted(runs, key=lambda folder: -size_of(folder)):
        if measured[folder]["status"] == "ok":
            first.setdefault((runs[folder]["task"]["name"], runs[folder]["method"]["name"]), folder)
    by_task: dict[str, list[Path]] = {record["task"]["name"]: [] for record in runs.values()}
    for (task, _), folder in sorted(first.items(), key=lambda item: measured[item[1]]["mse"]):
        by_task[task].append(folder)
    return {task: list(_best(folders, runs)) for task, folders in by_task.items() if folders}


def _best(folders: list[Path], runs: dict[Path, dict]) -> Iterator[Path]:
    for place, folder in enumerate(folders):
        if place < METHODS or runs[folder]["method"]["model"] == BESIDE:
            yield folder


def write_rollouts(
    path: Path,
    runs: dict[Path, dict],
    measured: dict[Path, dict],
    trajectories: dict[str, Trajectory],
) -> None:
    """Write a group per task that has rollouts: `starts`, `before` (S, N, 3), the newest frame that
    methods see there, `truth` (T, S, N, 3), `bonds`, and for each method `prediction` and
    `distance`, of as many steps as have numbers."""
    with h5py.File(path, "w", track_order=True) as file:
        for task, folders in chosen(runs, measured).items():
            with ExitStack() as files:
                opened = {
                    f: files.enter_context(h5py.File(checked(f / "rollout.h5"))) for f in folders
                }
                longest = max(opened.values(), key=lambda rollout: len(rollout["truth"]))
                if not len(longest["truth"]):
                    continue
                group = file.create_group(task)
                _write_truth(group, longest, runs[folders[0]]["task"], trajectories)
                methods = group.create_group("methods", track_order=True)
                for folder, rollout in opened.items():
                    _write_method(methods, rollout, runs[folder])


def _write_truth(
    group: h5py.Group, rollout: h5py.File, task: dict, trajectories: dict[str, Trajectory]
) -> None:
    trajectory, starts = trajectories[task["source"]], rollout["starts"][()]
    group["starts"], group["truth"] = starts, rollout["truth"][()]
    group["before"] = trajectory.position[starts].astype(np.float32)
    group["bonds"] = np.empty((0, 2), int) if trajectory.bonds is None else trajectory.bonds
    units = {"length_unit": trajectory.length_unit, "time_unit": trajectory.time_unit}
    group.attrs.update(units | {"interval": task["lag"] * time_step(trajectory)})


def _write_method(methods: h5py.Group, rollout: h5py.File, record: dict) -> None:
    place = methods.create_group(record["method"]["name"])
    for name in ("prediction", "distance"):
        place[name] = rollout[name][()]
    place.attrs.update({"train_size": record["train_size"], "seed": record["seed"]})
