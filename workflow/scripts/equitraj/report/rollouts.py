"""The rollouts of the most accurate methods, collected from their run folders for the page."""

from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import checked
from equitraj.data.tasks import time_step
from equitraj.data.trajectory import Trajectory
from equitraj.report.collected import largest_first

METHODS = 6  # of a task; constant velocity is shown in addition
BESIDE = "constant_velocity"


def chosen(runs: dict[Path, dict], measured: dict[Path, dict]) -> dict[str, list[Path]]:
    """Choose the run folders of each task, the most accurate first.

    Each method has the first successful seed with the largest training size.
    """
    first: dict[tuple[str, str], Path] = {}
    for folder in largest_first(runs):
        record = runs[folder]
        if measured[folder]["status"] == "ok":
            key = record["task"]["name"], record["method"]["name"]
            first.setdefault(key, folder)

    def error(folder: Path) -> float:
        return measured[folder]["mse"]

    by_task: dict[str, list[Path]] = {record["task"]["name"]: [] for record in runs.values()}
    for folder in sorted(first.values(), key=error):
        task = runs[folder]["task"]["name"]
        by_task[task].append(folder)
    return {task: _best(folders, runs) for task, folders in by_task.items() if folders}


def _best(folders: list[Path], runs: dict[Path, dict]) -> list[Path]:
    """The first `METHODS` folders, and the one of constant velocity."""
    best = folders[:METHODS]
    for folder in folders[METHODS:]:
        if runs[folder]["method"]["model"] == BESIDE:
            best.append(folder)
    return best


def write_rollouts(
    path: Path,
    runs: dict[Path, dict],
    measured: dict[Path, dict],
    trajectories: dict[str, Trajectory],
) -> None:
    """Write a group for each task that has rollouts.

    A group holds `starts`, `before` (S, N, 3), the newest frame in the input, `truth` (T, S, N, 3),
    `bonds`, and for each method `prediction` and `distance`, of as many steps as have numbers.
    """
    with h5py.File(path, "w", track_order=True) as file:
        for task, folders in chosen(runs, measured).items():
            with ExitStack() as files:
                rollouts = {}
                for folder in folders:
                    rollout = h5py.File(checked(folder / "rollout.h5"))
                    rollouts[folder] = files.enter_context(rollout)
                longest = max(rollouts.values(), key=_n_steps)
                if not _n_steps(longest):
                    continue
                group = file.create_group(task)
                _write_truth(group, longest, runs[folders[0]]["task"], trajectories)
                methods = group.create_group("methods", track_order=True)
                for folder, rollout in rollouts.items():
                    _write_method(methods, rollout, runs[folder])


def _n_steps(rollout: h5py.File) -> int:
    return len(rollout["truth"])


def _write_truth(
    group: h5py.Group, rollout: h5py.File, task: dict, trajectories: dict[str, Trajectory]
) -> None:
    trajectory = trajectories[task["source"]]
    starts = rollout["starts"][()]
    before = trajectory.position[starts]
    bonds = trajectory.bonds
    group["starts"] = starts
    group["truth"] = rollout["truth"][()]
    group["before"] = before.astype(np.float32)
    group["bonds"] = np.empty((0, 2), int) if bonds is None else bonds
    group.attrs["length_unit"] = trajectory.length_unit
    group.attrs["time_unit"] = trajectory.time_unit
    group.attrs["interval"] = task["lag"] * time_step(trajectory)


def _write_method(methods: h5py.Group, rollout: h5py.File, record: dict) -> None:
    group = methods.create_group(record["method"]["name"])
    for name in ("prediction", "distance"):
        group[name] = rollout[name][()]
    group.attrs["train_size"] = record["train_size"]
    group.attrs["seed"] = record["seed"]
