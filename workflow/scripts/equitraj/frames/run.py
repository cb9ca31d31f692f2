"""Aligned trajectories: every frame in its own frame of reference, with the rotation and origin
that took it there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from equitraj.data import tasks
from equitraj.data.parts import parts
from equitraj.data.tasks import Histories
from equitraj.data.trajectory import Trajectory, at_frames, opened, write_parts
from equitraj.frames import Base, load_alignment


def run(trajectory_path: Path, task: dict, name: str, alignment: dict, output: Path) -> None:
    """Write the aligned trajectory of `task` with `rotation` (T, F, 3, 3), `origin` (T, 3) and
    `weight` (T, F).

    `alignment` has the file of the alignment `name` and its options. A reference is fitted on the
    frames of the training split only. The stored positions are those of the first frame of each
    sample where there are several.
    """
    with opened(trajectory_path) as trajectory:
        newest = tasks.split_frames(trajectory.episode, task["history"], task["lag"], task["split"])
        tasks.check_inputs(trajectory, task.get("inputs", ()))
        aligner = load_alignment(alignment["frames"], alignment["options"])
        n_frames, n_points, _ = trajectory.position.shape
        if n_points < aligner.points_needed:
            raise ValueError(
                f"alignment {alignment['frames']}: needs {aligner.points_needed} points, but the data have "
                f"{n_points}; choose another alignment"
            )
        has_reference = type(aligner).fit is not Base.fit
        reference = aligner.fit(trajectory.position[newest["train"]]) if has_reference else None
        made = {"alignment": name, "task": task["name"]}
        aligned = aligned_parts(trajectory, aligner, reference, task["history"], made)
        write_parts(
            output, aligned, n_frames, **({} if reference is None else {"reference": reference})
        )


def aligned_parts(
    trajectory: Trajectory, aligner: Base, reference: np.ndarray | None, history: int, made: dict
) -> Iterator[tuple[Trajectory, dict[str, np.ndarray]]]:
    """Parts of the aligned trajectory, each with its frames; `made` is added to the provenance."""
    histories = Histories(trajectory.position, trajectory.episode, history)
    n_frames, n_points, _ = trajectory.position.shape
    copies = aligner.training_frames(histories[:1], reference).weight.shape[1]
    for part in parts(n_frames, 3 * n_points * (history + copies) + 9 * copies):
        here = at_frames(trajectory, part)
        frames = aligner.training_frames(histories[part], reference)
        first = replace(
            frames, rotation=frames.rotation[:, :1], weight=frames.weight[:, :1] * 0 + 1
        )
        provenance = trajectory.provenance | made
        aligned = replace(
            here, position=first.into(here.position), velocity=None, box=None, provenance=provenance
        )
        yield (
            aligned,
            {"rotation": frames.rotation, "origin": frames.origin, "weight": frames.weight},
        )
