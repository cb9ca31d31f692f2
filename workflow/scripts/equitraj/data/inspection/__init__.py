"""What is in a trajectory file, and the entry of a study file for it.

What is measured stands in `jumps`, `motion` and `space`, each with its words; `look` puts them
together.
"""

import textwrap
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equitraj.data.inspection import contents, entry, jumps, motion, space
from equitraj.data.lift import lift
from equitraj.data.sources import declared
from equitraj.data.sources import entry as sources
from equitraj.data.sources.box import MEND
from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory, at_frames

WIDTH = 110
MOST = 100_000  # frames that are looked at


@dataclass(frozen=True)
class Findings:
    """Attributes: trajectory; said, lines on each of several matters; study, what is proposed for a
    study file."""

    trajectory: Trajectory
    said: dict[str, list[str]]
    study: dict

    def text(self) -> str:
        """A study file with, as its comments, what was found."""
        lines = []
        for title, sentences in self.said.items():
            lines.append(f"# {title}")
            for sentence in sentences:
                lines += textwrap.wrap(
                    sentence, WIDTH, initial_indent="#   ", subsequent_indent="#     "
                )
        return "\n".join([*lines, "", entry.as_yaml(self.study)])


def look(source: dict, name: str | None = None, taken: Collection[str] = ()) -> Findings:
    """Look at the data of `source`, as in a config, with `path`; which array is what is guessed
    where it is not said.

    Without a `name` the source is called like its first file, unless a source of that name is
    `taken`.

    Raises:
        ValueError: the file cannot be read as a trajectory, or is too short for a task.
    """
    first = Path(sources.paths(source)[0])
    source, about = _named(source, first)
    trajectory, source, refused = _read(source)
    seen = trajectory if len(trajectory.position) <= MOST else at_frames(trajectory, slice(MOST))
    jumped = jumps.measure(seen)
    whole = jumps.unwrapped(seen, jumped.box)
    moves = motion.measure(lift(whole))  # errors are means over three coordinates, as in all tables
    room = space.measure(whole, jumped.box)
    said = {
        str(source["path"]): [*about, *_size(trajectory)],
        "Jumps": [*_of(seen, trajectory), *refused, *jumps.described(jumped)],
        "Motion": motion.described(moves),
        "Arrangement": space.described(room),
    }
    name = name or entry.name_from(first, taken)
    return Findings(trajectory, said, entry.study(name, source, trajectory, moves, room))


def _named(source: dict, path: Path) -> tuple[dict, list[str]]:
    """The source with the arrays of a file that holds several named, and words on them."""
    if sources.format_of(source) not in ("arrays", "hdf5"):
        return source, []
    found = contents.arrays(path)
    if "array" in source or "arrays" in source or not contents.needs_names(path):
        return source, contents.described(found, {})
    roles = contents.guessed(found)
    keys = {role: array.name for role, array in roles.items()}
    return source | {"arrays": keys}, contents.described(found, roles)


def _read(source: dict) -> tuple[Trajectory, dict, list[str]]:
    """The trajectory, its source with `unwrap: true` where jumps across a box call for it, and
    words on that."""
    words = []
    try:
        read = read_file(source)
    except ValueError as error:
        if MEND not in str(error):
            raise
        source, words = (
            source | {"unwrap": True},
            [f"{str(error).removesuffix('; ' + MEND)} -> unwrap: true"],
        )
        read = read_file(source)
    return declared.apply(read, str(source["path"]), source), source, words


def _of(seen: Trajectory, trajectory: Trajectory) -> list[str]:
    counts = [len(each.position) for each in (seen, trajectory)]
    few = "from here on, what is said was measured on the first {:,} of {:,} frames"
    return [few.format(*counts)] if seen is not trajectory else []


def _size(trajectory: Trajectory) -> list[str]:
    frames, points, dimension = trajectory.position.shape
    lengths = np.unique(trajectory.episode, return_counts=True)[1]
    episodes = f"{len(lengths)} episodes of {lengths.min()} to {lengths.max()} frames"
    has = [
        n for n in ("velocity", "species", "mass", "bonds") if getattr(trajectory, n) is not None
    ]
    step = trajectory.time[1] - trajectory.time[0] if frames > 1 else 0
    low, high = trajectory.position.min((0, 1)), trajectory.position.max((0, 1))
    ranges = ", ".join(
        f"{axis} {a:.4g} to {b:.4g}" for axis, a, b in zip("xyz", low, high, strict=False)
    )
    return [
        f"{frames} frames, {points} points, {dimension} dimensions; {episodes if len(lengths) > 1 else 'one episode'}",
        f"lengths in {_unit(trajectory.length_unit)}, a frame every {step:.4g} {_unit(trajectory.time_unit)}",
        ranges,
        f"beside positions: {', '.join([*has, *trajectory.features]) or 'nothing'}; all values are finite",
    ]


def _unit(unit: str) -> str:
    return "units of its own" if unit == "reduced" else unit
