"""Predictions and rollouts of a run as trajectories for other programs, with the truth beside them."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import checked
from equitraj.data import tasks, writers
from equitraj.data.trajectory import Trajectory, at_frames, motion
from equitraj.prediction import evaluation, predictor
from equitraj.training.record import read_record

STEPS = 100  # of a rollout, as in config.yaml, where that many have a true frame


@dataclass(frozen=True)
class Predicted:
    """Attributes: position (T, N, 3) predicted; frame (T,), the index of the true frame that each
    is to equal."""

    position: np.ndarray
    frame: np.ndarray


def trajectory_of(folder: Path) -> Path:
    """Where the workflow keeps the trajectory of the run in `folder`:
    results/data/{source}/lifted.h5."""
    source = read_record(folder)["task"]["source"]
    return folder.resolve().parents[4] / "data" / source / "lifted.h5"


def predictions(folder: Path, trajectory: Trajectory) -> Predicted:
    """What evaluation predicted on the test split, one step ahead, in time order.

    Raises:
        ValueError: the run failed, or its predictions belong to another trajectory.
    """
    path = folder / "predictions.h5"
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; evaluate the run first: python workflow/scripts/evaluate.py --help"
        )
    with h5py.File(checked(path), "r") as file:
        status, newest = file.attrs["status"], file["newest"][()]
        prediction, target = file["prediction"][()], file["target"][()]
    if status != "ok":
        raise ValueError(f"{folder}: no predictions; the run ended with: {status}")
    frame = newest + read_record(folder)["task"]["lag"]
    if frame[-1] >= len(trajectory.position) or not np.array_equal(
        trajectory.position[frame], target
    ):
        raise ValueError(
            f"{path}: the predictions of another trajectory; give --trajectory that of the run's task"
        )
    return Predicted(prediction, frame)


def rollout(
    folder: Path, trajectory: Trajectory, start: int | None = None, steps: int | None = None
) -> Predicted:
    """Predictions fed back `steps` times from the frame `start` on.

    Without `start` it is the first start of evaluation's rollouts; without `steps` they are as many
    as those had.

    Raises:
        ValueError: the run failed, or `start` and `steps` leave the episode.
    """
    record = read_record(folder)
    task = record["task"]
    history, lag, episode = task["history"], task["lag"], trajectory.episode
    if lag > 1 and history > 1:
        raise ValueError(
            f"{folder}: a history of {history} frames cannot be fed back {lag} frames ahead; lag 1 can"
        )
    test = tasks.split_frames(episode, history, lag, task["split"])["test"]
    if start is None:
        start = int([*evaluation.rollout_starts(test, episode, lag, steps or STEPS, 1), test[0]][0])
    _, first, length = np.unique(episode, return_index=True, return_counts=True)
    mine = np.searchsorted(first, start, side="right") - 1
    longest = (first[mine] + length[mine] - 1 - start) // lag
    steps = min(STEPS, longest) if steps is None else steps
    if not first[mine] + history - 1 <= start or not 1 <= steps <= longest:
        raise ValueError(
            f"a rollout of {steps} steps from frame {start} leaves its episode, frames {first[mine]} to "
            f"{first[mine] + length[mine] - 1}, of which it needs {history} up to its start; steps: at most {longest}"
        )
    model = predictor.load(folder, dtype=record["precision"])
    sample = tasks.samples(trajectory, np.array([start]), history, lag, task.get("inputs", ()))
    position = np.concatenate([*evaluation.fed_back(model.predict, sample, lag, steps)])
    if not (finite := np.isfinite(position).all((1, 2))).all():
        raise ValueError(
            f"{folder}: the rollout diverges; --steps {np.argmin(finite)} is the longest with numbers"
        )
    return Predicted(position, start + lag * np.arange(1, steps + 1))


def write(path: Path, trajectory: Trajectory, predicted: Predicted) -> list[str]:
    """Write predictions to `path`, the true frames and a PDB file with the bonds beside it; returns
    what it wrote.

    Raises:
        ValueError: an unknown suffix, or a format that cannot show the motion.
    """
    write_frames = writers.writer_for(path)
    frame = predicted.frame
    truth = at_frames(trajectory, frame)
    ours = replace(truth, position=predicted.position, velocity=None)
    error = writers.in_angstrom(trajectory, np.linalg.norm(ours.position - truth.position, axis=-1))
    typical = motion(trajectory)
    beside, topology = path.with_name(f"{path.stem}_truth{path.suffix}"), path.with_suffix(".pdb")
    words = write_frames(path, ours, frame, typical, error=error)
    write_frames(beside, truth, frame, typical)
    writers.write_topology(topology, truth)
    return [
        f"{path}: {len(frame)} frames; {words}",
        f"{beside}: the true frames",
        f"{topology}: names and bonds",
    ]
