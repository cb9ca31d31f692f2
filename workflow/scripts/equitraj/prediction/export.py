"""Predictions and rollouts of a run as trajectories for other programs, together with the truth."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import checked
from equitraj.data import tasks, writers
from equitraj.data.trajectory import Trajectory, at_frames, motion
from equitraj.prediction import evaluation, predictor
from equitraj.training.record import read_record

STEPS = 100  # default steps of a rollout, as in config.yaml, where so many have a true frame


@dataclass(frozen=True)
class Predicted:
    """Predicted positions.

    Attributes: position (T, N, 3); frame (T,), the index of the true frame that each predicts.
    """

    position: np.ndarray
    frame: np.ndarray


def trajectory_of(folder: Path) -> Path:
    """Return the path of the trajectory of the run in `folder`: results/data/{source}/lifted.h5."""
    record = read_record(folder)
    source = record["task"]["source"]
    results = folder.resolve().parents[4]
    return results / "data" / source / "lifted.h5"


def predictions(folder: Path, trajectory: Trajectory) -> Predicted:
    """Return the predictions of evaluation on the test split, one step ahead, in time order.

    Raises:
        ValueError: the run failed, or its predictions belong to another trajectory.
    """
    path = folder / "predictions.h5"
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; evaluate the run first: python workflow/scripts/evaluate.py "
            "--help"
        )
    with h5py.File(checked(path), "r") as file:
        status = file.attrs["status"]
        newest = file["newest"][()]
        prediction = file["prediction"][()]
        target = file["target"][()]
    if status != "ok":
        raise ValueError(f"{folder}: no predictions; the run ended with: {status}")
    frame = newest + read_record(folder)["task"]["lag"]
    is_inside = frame[-1] < len(trajectory.position)
    if not is_inside or not np.array_equal(trajectory.position[frame], target):
        raise ValueError(
            f"{path}: the predictions of another trajectory; give the trajectory of the run's task "
            "as --trajectory"
        )
    return Predicted(prediction, frame)


def rollout(
    folder: Path, trajectory: Trajectory, start: int | None = None, steps: int | None = None
) -> Predicted:
    """Feed predictions back `steps` times from the frame `start`.

    The defaults are the first start of evaluation's rollouts, and as many steps as they had.

    Raises:
        ValueError: the run failed, or `start` and `steps` leave the episode.
    """
    record = read_record(folder)
    task = record["task"]
    history = task["history"]
    lag = task["lag"]
    if lag > 1 and history > 1:
        raise ValueError(
            f"{folder}: a history of {history} frames cannot be fed back {lag} frames ahead; lag 1 "
            "can"
        )
    episode = trajectory.episode
    splits = tasks.split_frames(episode, history, lag, task["split"])
    if start is None:
        start = _first_start(splits["test"], episode, lag, steps or STEPS)
    first, last = _episode_frames(episode, start)
    longest = (last - start) // lag
    steps = min(STEPS, longest) if steps is None else steps
    if start < first + history - 1 or not 1 <= steps <= longest:
        raise ValueError(
            f"a rollout of {steps} steps from frame {start} leaves its episode, frames {first} to "
            f"{last}; it needs {history} frames up to its start; steps: at most {longest}"
        )
    model = predictor.load(folder, dtype=record["precision"])
    newest = np.array([start])
    sample = tasks.samples(trajectory, newest, history, lag, task.get("inputs", ()))
    positions = evaluation.fed_back(model.predict, sample, lag, steps)
    position = np.concatenate([*positions])
    finite = np.isfinite(position).all((1, 2))
    if not finite.all():
        n_finite = np.argmin(finite)
        raise ValueError(
            f"{folder}: the rollout diverges; --steps {n_finite} is the longest with numbers"
        )
    return Predicted(position, start + lag * np.arange(1, steps + 1))


def _first_start(test: np.ndarray, episode: np.ndarray, lag: int, steps: int) -> int:
    """Return the first start of evaluation's rollouts, else the first of the test samples."""
    starts = evaluation.rollout_starts(test, episode, lag, steps, 1)
    if len(starts):
        return int(starts[0])
    return int(test[0])


def _episode_frames(episode: np.ndarray, frame: int) -> tuple[int, int]:
    """Return the first and the last frame of the episode of a frame."""
    _, first, length = np.unique(episode, return_index=True, return_counts=True)
    number = np.searchsorted(first, frame, side="right") - 1
    start = first[number]
    return start, start + length[number] - 1


def write(path: Path, trajectory: Trajectory, predicted: Predicted) -> list[str]:
    """Write predictions to `path`, and next to it the true frames and a PDB file with the bonds.

    Returns a line per file.

    Raises:
        ValueError: an unknown suffix, or a format that cannot show the motion.
    """
    write_frames = writers.writer_for(path)
    frame = predicted.frame
    truth = at_frames(trajectory, frame)
    ours = replace(truth, position=predicted.position, velocity=None)
    distance = np.linalg.norm(ours.position - truth.position, axis=-1)
    error = writers.in_angstrom(trajectory, distance)
    typical = motion(trajectory)
    truth_name = f"{path.stem}_truth{path.suffix}"
    truth_path = path.with_name(truth_name)
    topology = path.with_suffix(".pdb")
    words = write_frames(path, ours, frame, typical, error=error)
    write_frames(truth_path, truth, frame, typical)
    writers.write_topology(topology, truth)
    return [
        f"{path}: {len(frame)} frames; {words}",
        f"{truth_path}: the true frames",
        f"{topology}: names and bonds",
    ]
