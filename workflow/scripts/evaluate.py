"""Evaluate all seeds of a method on a task: metrics.json, predictions.h5 and rollout.csv in each run folder."""

import argparse
from pathlib import Path

import h5py
import numpy as np

from equitraj.base import command, devices
from equitraj.base.files import atomic, write_json, write_table
from equitraj.data import tasks
from equitraj.data.trajectory import Trajectory, read
from equitraj.prediction import evaluation, predictor
from equitraj.training.record import read_record, write_step

COPIED = ("n_parameters", "train_seconds", "frames_per_second", "peak_memory_mb", "device")


def evaluate(folder: Path, trajectory: Trajectory, steps: int, count: int) -> None:
    """Write the results of one run folder; a failed run gets its status, the baselines and no numbers of its own."""
    record = read_record(folder)
    task = record["task"]
    history, lag = task["history"], task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])["test"]
    metrics = evaluation.baselines(trajectory, newest, lag)
    sample = tasks.samples(trajectory, newest, history, lag, task.get("inputs", ()))
    prediction, rows = np.empty((0, *sample.target.shape[1:])), []
    status = record["status"]
    if status == "ok":
        model = predictor.load(folder, dtype=record["precision"])
        try:
            metrics, prediction = evaluation.one_step(model, sample, metrics)
            starts = evaluation.rollout_starts(newest, trajectory.episode, lag, steps, count)
            rows = evaluation.rollout(model, trajectory, starts, task, steps)
        except ValueError as error:
            status = f"failed: {error}"
    with atomic(folder / "predictions.h5") as path, h5py.File(path, "w") as file:
        file.attrs["status"] = status
        file["newest"], file["target"], file["prediction"] = newest, sample.target, prediction
    write_table(folder / "rollout.csv", ["step", "mse", "skill"], rows)
    write_json(folder / "metrics.json", metrics | {key: record[key] for key in COPIED} | {"status": status})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectory", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--rollout-steps", type=int, default=100)
    parser.add_argument("--rollout-starts", type=int, default=32)
    parser.add_argument("--record", type=Path, help="evaluated.sha256, the digests of what was written")
    args = parser.parse_args()
    devices.hide()  # every framework predicts on the CPU, so that every method gets the identical test
    trajectory = read(args.trajectory)
    for folder in args.runs:
        evaluate(folder, trajectory, args.rollout_steps, args.rollout_starts)
    if args.record:
        write_step(args.record, args.runs)


if __name__ == "__main__":
    command.run(main)
