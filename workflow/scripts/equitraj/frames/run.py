"""Aligned trajectories: every time step in its own reference frame, with rotation and origin."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from equitraj.data import tasks
from equitraj.data.parts import parts
from equitraj.data.tasks import Histories
from equitraj.data.trajectory import Trajectory, at_frames, opened, write_parts
from equitraj.frames import Base, Frames, load_alignment


def run(trajectory_path: Path, task: dict, name: str, alignment: dict, output: Path) -> None:
    """Write the aligned trajectory of `task` with `rotation`, `origin` and `weight`.

    Their shapes are (T, F, 3, 3), (T, 3) and (T, F). `alignment` contains the file of the alignment
    `name` and its options. A reference is fitted on the training split only. If there are several
    reference frames, the stored positions are in the first.

    Raises:
        ValueError: the data lack an input of the task, or have too few points.
    """
    with opened(trajectory_path) as trajectory:
        history = task["history"]
        newest = tasks.split_frames(trajectory.episode, history, task["lag"], task["split"])
        inputs = task.get("inputs", ())
        tasks.check_inputs(trajectory, inputs)
        frames = alignment["frames"]
        aligner = load_alignment(frames, alignment["options"])
        n_frames, n_points, _ = trajectory.position.shape
        if n_points < aligner.points_needed:
            raise ValueError(
                f"alignment {frames}: needs {aligner.points_needed} points, "
                f"but the data have {n_points}; choose another alignment"
            )
        reference = None
        if type(aligner).fit is not Base.fit:
            training = trajectory.position[newest["train"]]
            reference = aligner.fit(training)
        fixed = {}
        if reference is not None:
            fixed["reference"] = reference
        provenance = {"alignment": name, "task": task["name"]}
        aligned = aligned_parts(trajectory, aligner, reference, history, provenance)
        write_parts(output, aligned, n_frames, **fixed)


def aligned_parts(
    trajectory: Trajectory,
    aligner: Base,
    reference: np.ndarray | None,
    history: int,
    provenance: dict,
) -> Iterator[tuple[Trajectory, dict[str, np.ndarray]]]:
    """Parts of the aligned trajectory, each with its reference frames.

    `provenance` is added to the provenance of the trajectory.
    """
    histories = Histories(trajectory.position, trajectory.episode, history)
    n_frames, n_points, _ = trajectory.position.shape
    copies = aligner.training_frames(histories[:1], reference).weight.shape[1]
    numbers = 3 * n_points * (history + copies) + 9 * copies
    for part in parts(n_frames, numbers):
        here = at_frames(trajectory, part)
        frames = aligner.training_frames(histories[part], reference)
        first = frames.rotation[:, 0]
        aligned = replace(
            here,
            position=Frames.single(first, frames.origin).into(here.position),
            velocity=None,
            box=None,
            provenance=trajectory.provenance | provenance,
        )
        extra = {
            "rotation": frames.rotation,
            "origin": frames.origin,
            "weight": frames.weight,
        }
        yield aligned, extra
