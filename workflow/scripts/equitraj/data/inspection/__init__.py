"""The content of a trajectory file, and the entry of a study file for it.

`jumps`, `motion` and `space` take measurements and describe them in words; `look` puts them
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

COMMENT = textwrap.TextWrapper(width=110, initial_indent="#   ", subsequent_indent="#     ")
MOST = 100_000  # upper bound of the number of frames that are measured
OPTIONAL = ("velocity", "species", "mass", "bonds")


@dataclass(frozen=True)
class Findings:
    """The description of a trajectory file.

    Attributes:
        trajectory: the content of the file.
        said: sentences about it, by title.
        study: the study that is proposed for a study file.
    """

    trajectory: Trajectory
    said: dict[str, list[str]]
    study: dict

    def text(self) -> str:
        """The text of a study file, with the sentences as comments."""
        lines = []
        for title, sentences in self.said.items():
            lines.append(f"# {title}")
            for sentence in sentences:
                lines += COMMENT.wrap(sentence)
        lines += ["", entry.as_yaml(self.study)]
        return "\n".join(lines)


def look(source: dict, name: str | None = None, taken: Collection[str] = ()) -> Findings:
    """Describe the data of `source`, an entry of a configuration with `path`.

    The roles of arrays that the source does not name are guessed. The default of `name` is the name
    of the first file, changed where a source of that name is `taken`.

    Raises:
        ValueError: the file cannot be read as a trajectory, or is too short for a task.
    """
    first = Path(sources.paths(source)[0])
    source, arrays = _named(source, first)
    trajectory, source, refused = _read(source)
    seen = trajectory
    if len(trajectory.position) > MOST:
        seen = at_frames(trajectory, slice(MOST))
    jumped = jumps.measure(seen)
    whole = jumps.unwrapped(seen, jumped.box)
    moves = motion.measure(lift(whole))  # errors are means over three coordinates, as in all tables
    room = space.measure(whole, jumped.box)
    sentences = {
        str(source["path"]): [*arrays, *_size(trajectory)],
        "Jumps": [*_share(seen, trajectory), *refused, *jumps.described(jumped)],
        "Motion": motion.described(moves),
        "Arrangement": space.described(room),
    }
    name = name or entry.name_from(first, taken)
    study = entry.study(name, source, trajectory, moves, room)
    return Findings(trajectory, sentences, study)


def _named(source: dict, path: Path) -> tuple[dict, list[str]]:
    """The source with names for the arrays of a file that has several, and sentences on them."""
    if sources.format_of(source) not in ("arrays", "hdf5"):
        return source, []
    arrays = contents.arrays(path)
    if "array" in source or "arrays" in source or not contents.needs_names(path):
        return source, contents.described(arrays, {})
    roles = contents.guessed(arrays)
    names = {role: array.name for role, array in roles.items()}
    return source | {"arrays": names}, contents.described(arrays, roles)


def _read(source: dict) -> tuple[Trajectory, dict, list[str]]:
    """The trajectory, its source, and a sentence if `unwrap: true` was added to the source.

    It is added where points jump across a box.
    """
    words = []
    try:
        trajectory = read_file(source)
    except ValueError as error:
        if MEND not in str(error):
            raise
        source = source | {"unwrap": True}
        reason = str(error).removesuffix("; " + MEND)
        words.append(f"{reason} -> unwrap: true")
        trajectory = read_file(source)
    return declared.apply(trajectory, str(source["path"]), source), source, words


def _share(seen: Trajectory, trajectory: Trajectory) -> list[str]:
    if seen is trajectory:
        return []
    return [
        "the measurements from here on were made on "
        f"the first {len(seen.position):,} of {len(trajectory.position):,} frames"
    ]


def _size(trajectory: Trajectory) -> list[str]:
    frames, points, dimension = trajectory.position.shape
    step = trajectory.time[1] - trajectory.time[0] if frames > 1 else 0
    length_unit = _unit(trajectory.length_unit)
    time_unit = _unit(trajectory.time_unit)
    others = [name for name in OPTIONAL if getattr(trajectory, name) is not None]
    others += trajectory.features
    return [
        f"{frames} frames, {points} points, {dimension} dimensions; {_episodes(trajectory)}",
        f"lengths in {length_unit}, a frame every {step:.4g} {time_unit}",
        _ranges(trajectory.position),
        f"other data: {', '.join(others) or 'none'}; all values are finite",
    ]


def _episodes(trajectory: Trajectory) -> str:
    _, lengths = np.unique(trajectory.episode, return_counts=True)
    if len(lengths) == 1:
        return "one episode"
    return f"{len(lengths)} episodes of {lengths.min()} to {lengths.max()} frames"


def _ranges(position: np.ndarray) -> str:
    """The range of each coordinate, in words."""
    low = position.min((0, 1))
    high = position.max((0, 1))
    ranges = [f"{axis} {a:.4g} to {b:.4g}" for axis, a, b in zip("xyz", low, high, strict=False)]
    return ", ".join(ranges)


def _unit(unit: str) -> str:
    return "units of its own" if unit == "reduced" else unit
