"""Trajectories of several files joined as episodes, and the selection of frames and episodes."""

from dataclasses import replace

import numpy as np

from equitraj.data.checks import check
from equitraj.data.sources import spacing
from equitraj.data.sources.box import frame_range
from equitraj.data.trajectory import CHANGING, Trajectory, at_frames

EVERY_FRAME = ("position", "time", "velocity", "box")  # have one row for each frame


def cut(trajectory: Trajectory, source: dict) -> Trajectory:
    """Every `stride`-th frame from `start` to `stop` of each episode."""
    kept = slice(*frame_range(source))
    if kept == slice(0, None, 1):
        return trajectory
    _, starts, lengths = np.unique(trajectory.episode, return_index=True, return_counts=True)
    frames = []
    for start, length in zip(starts, lengths, strict=True):
        episode = np.arange(start, start + length)
        frames.append(episode[kept])
    return at_frames(trajectory, np.concatenate(frames))


def chosen(trajectory: Trajectory, source: dict, name: str) -> Trajectory:
    """The episodes that `episodes` of the source lists (from 0), in that order.

    The chosen episodes are numbered from 0 again.

    Raises:
        ValueError: a number that no episode has.
    """
    if "episodes" not in source:
        return trajectory
    numbers = source["episodes"]
    present = np.unique(trajectory.episode)
    for number in numbers:
        if number not in present:
            last = present[-1]
            raise ValueError(
                f"episodes: no episode {number} in {name}; expected numbers from 0 to {last}"
            )
    frames = [np.flatnonzero(trajectory.episode == number) for number in numbers]
    lengths = [len(episode) for episode in frames]
    episode = np.repeat(np.arange(len(frames)), lengths)
    selected = at_frames(trajectory, np.concatenate(frames))
    return replace(selected, episode=episode)


def join(parts: list[Trajectory], names: list[str]) -> Trajectory:
    """Join trajectories of the same points as episodes with consecutive numbers.

    Each part is checked, and errors use its name in `names`: its values are finite, each episode
    has at least two evenly spaced frames, and points, bonds, features and time step are the same as
    in the first part. Words for species become integers in alphabetical order; the provenance keeps
    the words. Species, masses and features that are the same in all parts stay fixed; others are
    repeated for each frame.

    Raises:
        ValueError: a part that fails a check or differs from the first.
    """
    parts, words = _numbered_species(parts)
    first = parts[0]
    for part, name in zip(parts, names, strict=True):
        check(part, name)
        _check_episodes(part, name)
        _check_same(part, name, first, names[0])
    if words:
        first = replace(first, provenance=first.provenance | {"species": words})
    episode = _episodes(parts)
    if len(parts) == 1:
        return replace(first, episode=episode)
    lengths = [len(part.position) for part in parts]
    joined = {name: getattr(first, name) for name in (*EVERY_FRAME, *CHANGING)}
    for name, value in joined.items():
        if value is None:
            continue
        values = [getattr(part, name) for part in parts]
        if name in CHANGING:
            joined[name] = _joined(values, lengths, 1)
        else:
            joined[name] = np.concatenate(values)
    features = {}
    for name in first.features:
        values = [part.features[name] for part in parts]
        features[name] = _joined(values, lengths, 2)
    return replace(first, episode=episode, features=features, **joined)


def _numbered_species(parts: list[Trajectory]) -> tuple[list[Trajectory], list[str]]:
    """The parts with species as integers, and the words that the integers stand for, if any."""
    species = [part.species for part in parts if part.species is not None]
    kinds = {values.dtype.kind for values in species}
    if not kinds & set("UOST"):
        return [_with_integer_species(part) for part in parts], []
    words = sorted({str(word) for values in species for word in np.unique(values.astype(str))})
    numbered = []
    for part in parts:
        if part.species is not None:
            index = np.searchsorted(words, part.species.astype(str))
            part = replace(part, species=index)
        numbered.append(part)
    return numbered, words


def _with_integer_species(part: Trajectory) -> Trajectory:
    """The part with whole numbers for species converted to integers."""
    species = part.species
    if species is None or (species % 1).any():
        return part
    return replace(part, species=species.astype(np.int64))


def _check_episodes(part: Trajectory, name: str) -> None:
    """Check that each episode has at least two evenly spaced frames."""
    numbers, starts, lengths = np.unique(part.episode, return_index=True, return_counts=True)
    for number, start, length in zip(numbers, starts, lengths, strict=True):
        episode = name if len(numbers) == 1 else f"{name}, episode {number}"
        if length < 2:
            raise ValueError(
                f"{episode}: {length} frame; expected at least 2: leave it out, or use a longer one"
            )
        time = part.time[start : start + length]
        spacing.check_even(time, episode, part.time_unit)


def _check_same(part: Trajectory, name: str, first: Trajectory, first_name: str) -> None:
    """Check that a part has the points and the time step of the first part."""
    expected = _facts(first)
    for key, value in _facts(part).items():
        if value == expected[key]:
            continue
        shown, other = f"{key} {value}", expected[key]
        if key == "bonds":
            shown, other = "other bonds", "its own"
        raise ValueError(
            f"{name}: {shown}, but {first_name} has {other}; "
            "the files of one source must have the same points: "
            "select them, or make this file a source of its own"
        )
    step = float(part.time[1] - part.time[0])
    first_step = float(first.time[1] - first.time[0])
    if abs(step - first_step) > 1e-3 * abs(first_step):
        raise ValueError(
            f"{name}: frames {step:g} {part.time_unit} apart, but the frames of {first_name} "
            f"{first_step:g}; the files of one source must have the same time step"
        )


def _facts(part: Trajectory) -> dict[str, object]:
    """What all parts of a trajectory have in common, by the words for it in messages."""
    _, n_points, dimensions = part.position.shape
    facts: dict[str, object] = {"points": n_points, "dimensions": dimensions}
    for name in ("velocity", "box", *CHANGING):
        facts[name] = "no" if getattr(part, name) is None else "yes"
    features = sorted(part.features.items())
    facts["features"] = {name: value.shape[-1] for name, value in features}
    facts["bonds"] = None if part.bonds is None else part.bonds.tolist()
    facts["length_unit"] = part.length_unit
    facts["time_unit"] = part.time_unit
    return facts


def _episodes(parts: list[Trajectory]) -> np.ndarray:
    """The episode of every frame, numbered from 0 through all parts."""
    numbered = []
    n_before = 0
    for part in parts:
        present, index = np.unique(part.episode, return_inverse=True)
        numbered.append(index + n_before)
        n_before += len(present)
    return np.concatenate(numbered)


def _joined(values: list[np.ndarray], lengths: list[int], fixed_axes: int) -> np.ndarray:
    """Values of points: fixed if all parts agree, else with one row for each frame.

    A fixed value has `fixed_axes` axes; `lengths` are the numbers of frames of the parts.
    """
    first = values[0]
    is_fixed = all(value.ndim == fixed_axes for value in values)
    if is_fixed and all(np.array_equal(value, first) for value in values):
        return first
    rows = []
    for value, length in zip(values, lengths, strict=True):
        if value.ndim == fixed_axes:
            shape = (length, *value.shape)
            value = np.broadcast_to(value, shape)
        rows.append(value)
    return np.concatenate(rows)
