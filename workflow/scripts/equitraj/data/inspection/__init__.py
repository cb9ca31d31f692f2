"""What is in a trajectory file, and the entry of a study file for it.

What is measured stands in `jumps`, `motion` and `space`, each with its words; `look` puts them together.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equitraj.data.inspection import contents, entry, jumps, motion, space
from equitraj.data.lift import lift
from equitraj.data.sources import declared
from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory

WIDTH = 110


@dataclass(frozen=True)
class Findings:
    """Attributes: trajectory; said, lines on each of several matters; study, what is proposed for a study file."""

    trajectory: Trajectory
    said: dict[str, list[str]]
    study: dict

    def text(self) -> str:
        """A study file with, as its comments, what was found."""
        lines = []
        for title, sentences in self.said.items():
            lines.append(f"# {title}")
            for sentence in sentences:
                lines += textwrap.wrap(sentence, WIDTH, initial_indent="#   ", subsequent_indent="#     ")
        return "\n".join([*lines, "", entry.as_yaml(self.study)])


def look(source: dict, name: str | None = None) -> Findings:
    """Look at the data of `source`, as in a config, with `path`; its `array` is guessed where it is missing.

    Raises:
        ValueError: the file cannot be read as a trajectory, or is too short for a task.
    """
    path = Path(source["path"])
    found = contents.arrays(path)
    roles = contents.guessed(found) if path.suffix.lower() == ".npz" and "array" not in source else {}
    if roles and len(found) > 1:
        source = source | {"array": roles["position"].name}
    trajectory = declared.apply(read_file(source), str(path), source)
    jumped = jumps.measure(trajectory)
    moves = motion.measure(lift(trajectory))  # errors are means over three coordinates, as in all tables
    room = space.measure(trajectory, jumped.box)
    said = {
        str(path): [*contents.described(found, roles), *_size(trajectory)],
        "Jumps": jumps.described(jumped),
        "Motion": motion.described(moves),
        "Arrangement": space.described(room),
    }
    return Findings(trajectory, said, entry.study(name or entry.name_from(path), source, trajectory, moves, room))


def _size(trajectory: Trajectory) -> list[str]:
    frames, points, dimension = trajectory.position.shape
    lengths = np.unique(trajectory.episode, return_counts=True)[1]
    episodes = f"{len(lengths)} episodes of {lengths.min()} to {lengths.max()} frames"
    has = [n for n in ("velocity", "species", "mass", "bonds") if getattr(trajectory, n) is not None]
    step = trajectory.time[1] - trajectory.time[0] if frames > 1 else 0
    return [
        f"{frames} frames, {points} points, {dimension} dimensions; {episodes if len(lengths) > 1 else 'one episode'}",
        f"lengths in {trajectory.length_unit} units, a frame every {step:.4g} {trajectory.time_unit} units of time",
        f"beside positions: {', '.join([*has, *trajectory.features]) or 'nothing'}; all values are finite",
    ]
