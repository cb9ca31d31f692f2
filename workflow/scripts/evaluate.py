"""Evaluate the runs of a method on a task: metrics, predictions, rollouts and their physics in each
run folder."""

import argparse
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from equitraj.base import command, devices, marks
from equitraj.base.files import atomic, write_json, write_table
from equitraj.data import tasks
from equitraj.data.tasks import SampleParts
from equitraj.data.trajectory import CHUNK_FRAMES, Trajectory, opened
from equitraj.prediction import evaluation, physics, predictor
from equitraj.prediction.kept import Kept
from equitraj.training import arguments, steps
from equitraj.training.record import read_record

COPIED = (
    *("n_parameters", "train_seconds", "compile_seconds", "frames_per_second"),
    *("flops", "last_fall", "peak_memory_mb", "device"),
)


def evaluate(folder: Path, trajectory: Trajectory, n_steps: int, count: int) -> None:
    """Write the results of one run folder; a failed run gets its status and the baselines only."""
    record = read_record(folder)
    task = record["task"]
    history, lag = task["history"], task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])["test"]
    metrics = evaluation.baselines(trajectory, newest, lag, task.get("inputs", ()))
    samples = SampleParts(trajectory, newest, task)
    status = record["status"]
    rollout_rows: list[dict] = []
    physics_rows: list[dict] = []
    shown = Kept(trajectory)
    shape = trajectory.position.shape[1:]
    with atomic(folder / "predictions.h5") as path, h5py.File(path, "w") as file:
        file["newest"] = newest
        target, prediction = growing(file, "target", shape), growing(file, "prediction", shape)
        for sample in samples:
            append(target, sample.truth)
        if status == "ok":
            model = predictor.load(folder, dtype=record["precision"])
            try:
                metrics = evaluation.one_step(model, samples, metrics, partial(append, prediction))
                starts = evaluation.rollout_starts(newest, trajectory.episode, lag, n_steps, count)
                watch = physics.Physics(trajectory, starts, lag, n_steps)
                kept = Kept(trajectory, starts)
                follow = kept.beside(watch.add)
                rollout_rows = evaluation.rollout(model, trajectory, starts, task, n_steps, follow)
                physics_rows, shown = watch.rows(), kept
            except ValueError as error:
                status = f"failed: {error}"
                prediction.resize(0, axis=0)
        file.attrs["status"] = status
    shown.write(folder / "rollout.h5")
    write_table(folder / "rollout.csv", ["step", "mse", "skill"], rollout_rows)
    write_table(folder / "physics.csv", physics.COLUMNS, physics_rows)
    copied = {key: record.get(key) for key in COPIED}
    write_json(folder / "metrics.json", metrics | copied | {"status": status})


def growing(file: h5py.File, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """Create a data set to which rows of `shape` can be appended."""
    chunks = (CHUNK_FRAMES, *shape)
    return file.create_dataset(name, (0, *shape), "f8", maxshape=(None, *shape), chunks=chunks)


def append(dataset: h5py.Dataset, rows: np.ndarray) -> None:
    """Append rows to a data set."""
    before = len(dataset)
    dataset.resize(before + len(rows), axis=0)
    dataset[before:] = rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectory", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--rollout-steps", type=int, default=100)
    parser.add_argument("--rollout-starts", type=int, default=32)
    arguments.add_step(parser, "evaluated")
    args = parser.parse_args()
    devices.hide()  # all frameworks predict on the CPU, so that all methods get the same test
    options = args.code, args.rollout_steps, args.rollout_starts, marks.digest(args.trajectory)
    made_from = {}
    for folder in args.runs:
        made_from[folder] = marks.mark_of(*options, *steps.trained_digests(folder))
    wanted = steps.to_make("evaluated", args, made_from)
    with opened(args.trajectory) as trajectory:
        for folder in wanted:
            steps.begin("evaluated", [folder])
            evaluate(folder, trajectory, args.rollout_steps, args.rollout_starts)
            steps.finish("evaluated", made_from, [folder])
    if args.record:
        steps.write_record(args.record, args.runs)


if __name__ == "__main__":
    command.run(main)
