"""The data that the speeds of training are measured on: one chain, as every competitor takes it."""

from pathlib import Path

import numpy as np

from equitraj.data.features import Shape
from equitraj.data.trajectory import Trajectory, opened, opened_observables, write
from equitraj.frames.run import run as align
from equitraj.training.method import Method
from equitraj.training.outcome import Data
from equitraj.training.samples import load_splits, network_data, shape_of

POINTS, VALIDATION = 12, 16
CENTRE_OF_MASS = {"frames": "centre_of_mass", "options": {}}


def positions(n_frames: int, path: Path | None = None) -> np.ndarray:
    """(T, 12, 3): the first frames of an array (T, 12, 2) in a file, or a planar chain that bends
    slowly.

    All pairs are within the chapter's cutoff of 3.5, as they are in its own data: the values do not
    change the work.
    """
    if path:
        with np.load(path) as arrays:
            planar = arrays[arrays.files[0]][:n_frames]
    else:
        generator, time = np.random.default_rng(0), np.arange(n_frames)[:, None, None]
        phase, amplitude = (
            generator.uniform(0, 6, (2, POINTS, 2)),
            0.1 * generator.normal(size=(POINTS, 2)),
        )
        planar = 0.2 * np.arange(POINTS)[:, None] * [1.0, 0.2] + amplitude * np.sin(
            0.02 * time + phase[0]
        )
    return np.concatenate([planar, np.zeros((*planar.shape[:2], 1))], -1)


def task(history: int, n_train: int) -> dict:
    """A task of `n_train` training samples and few others."""
    split = {"by": "time", "train": n_train, "validation": VALIDATION, "test": VALIDATION}
    return {
        "name": f"chain_k{history}",
        "source": "chain",
        "history": history,
        "lag": 1,
        "split": split,
    }


def write_files(folder: Path, position: np.ndarray, task: dict) -> tuple[Path, Path]:
    """The lifted and the aligned file of a task."""
    lifted, aligned = folder / f"{task['name']}_lifted.h5", folder / f"{task['name']}_aligned.h5"
    bonds = np.stack([np.arange(POINTS - 1), np.arange(1, POINTS)], 1)
    write(
        lifted,
        Trajectory(
            position, np.zeros(len(position), int), np.arange(float(len(position))), bonds=bonds
        ),
    )
    align(lifted, task, "centre_of_mass", CENTRE_OF_MASS, aligned)
    return lifted, aligned


def data_of(method: Method, files: tuple[Path, Path], task: dict) -> tuple[Data, Shape]:
    """What the training loops get for a method, as the workflow makes it."""
    with opened(files[0]) as whole, opened_observables(files[1]) as observed:
        splits, _ = load_splits(whole, observed, task, "all")
        shape = shape_of(method, splits["train"], task)
        return network_data(method, splits, shape), shape
