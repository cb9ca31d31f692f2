"""Aligned trajectories: every frame in its own frame of reference, with the rotation and origin that took it there."""

from dataclasses import replace
from pathlib import Path

from equitraj.data import tasks
from equitraj.data.trajectory import read, write
from equitraj.frames import load_alignment


def run(trajectory_path: Path, task: dict, name: str, alignment: dict, output: Path) -> None:
    """Write the aligned trajectory of `task` with `rotation` (T, F, 3, 3), `origin` (T, 3) and `weight` (T, F).

    `alignment` has the file of the alignment `name` and its options. A reference is fitted on the frames of the
    training split only. The stored positions are those of the first frame of each sample where there are several.
    """
    trajectory = read(trajectory_path)
    newest = tasks.split_frames(trajectory.episode, task["history"], task["lag"], task["split"])
    tasks.check_inputs(trajectory, task.get("inputs", ()))
    aligner = load_alignment(alignment["frames"], alignment["options"])
    if trajectory.position.shape[1] < aligner.points_needed:
        raise ValueError(
            f"alignment {alignment['frames']}: needs {aligner.points_needed} points, but the data have "
            f"{trajectory.position.shape[1]}; choose another alignment"
        )
    reference = aligner.fit(trajectory.position[newest["train"]])
    position = tasks.histories(trajectory.position, trajectory.episode, task["history"])
    frames = aligner.training_frames(position, reference)
    first = replace(frames, rotation=frames.rotation[:, :1], weight=frames.weight[:, :1] * 0 + 1)
    aligned = replace(
        trajectory,
        position=first.into(trajectory.position),
        velocity=None,
        box=None,
        provenance=trajectory.provenance | {"alignment": name, "task": task["name"]},
    )
    extra = {} if reference is None else {"reference": reference}
    write(output, aligned, rotation=frames.rotation, origin=frames.origin, weight=frames.weight, **extra)
