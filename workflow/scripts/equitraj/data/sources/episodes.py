"""Trajectories of several files as the episodes of one, and the frames that a source wants of each."""

from dataclasses import replace

import numpy as np

from equitraj.data.checks import check
from equitraj.data.sources import spacing
from equitraj.data.sources.box import frame_range
from equitraj.data.trajectory import CHANGING, Trajectory, at_frames


def cut(trajectory: Trajectory, source: dict) -> Trajectory:
    """Frames `start` to `stop`, each `stride`-th, of every episode."""
    start, stop, stride = frame_range(source)
    if (start, stop, stride) == (0, None, 1):
        return trajectory
    _, first, length = np.unique(trajectory.episode, return_index=True, return_counts=True)
    chosen = np.concatenate(
        [np.arange(f, f + n)[start:stop:stride] for f, n in zip(first, length, strict=True)]
    )
    return at_frames(trajectory, chosen)


def chosen(trajectory: Trajectory, source: dict, name: str) -> Trajectory:
    """The episodes whose numbers (from 0) `episodes` of the source lists, in that order, numbered
    from 0 again.

    Raises:
        ValueError: a number that no episode has.
    """
    if "episodes" not in source:
        return trajectory
    present = np.unique(trajectory.episode)
    if unknown := [number for number in source["episodes"] if number not in present]:
        raise ValueError(
            f"episodes: no episode {unknown[0]} in {name}; expected numbers from 0 to {present[-1]}"
        )
    frames = [np.flatnonzero(trajectory.episode == number) for number in source["episodes"]]
    episode = np.repeat(np.arange(len(frames)), [len(each) for each in frames])
    return replace(at_frames(trajectory, np.concatenate(frames)), episode=episode)


def join(parts: list[Trajectory], names: list[str]) -> Trajectory:
    """Trajectories of the same points as one, their episodes numbered on.

    Every part is checked under its own name of `names`: finite values, at least two evenly spaced
    frames in each episode, and the points, bonds, features and step of the first part. Words for
    species become integers, in alphabetical order, with the words in the provenance. Species,
    masses and features that are the same in all parts stay fixed; others are repeated for each
    frame.

    Raises:
        ValueError: the first part that differs, and how.
    """
    parts, words = _numbered_species(parts)
    for part, name in zip(parts, names, strict=True):
        check(part, name)
        _check_episodes(part, name)
        _check_same(part, name, parts[0], names[0])
    if words:
        parts[0] = replace(parts[0], provenance=parts[0].provenance | {"species": words})
    if len(parts) == 1:
        return replace(parts[0], episode=np.unique(parts[0].episode, return_inverse=True)[1])
    joined = {k: np.concatenate([getattr(p, k) for p in parts]) for k in ("position", "time")}
    for what in ("velocity", "box"):
        if getattr(parts[0], what) is not None:
            joined[what] = np.concatenate([getattr(p, what) for p in parts])
    frames = [len(p.position) for p in parts]
    for what in CHANGING:
        joined[what] = _joined([getattr(p, what) for p in parts], frames, 1)
    features = {k: _joined([p.features[k] for p in parts], frames, 2) for k in parts[0].features}
    return replace(parts[0], episode=_episodes(parts), features=features, **joined)


def _numbered_species(parts: list[Trajectory]) -> tuple[list[Trajectory], list[str]]:
    """Species in words as integers, and the words; numbers stay as they are."""
    kinds = {p.species.dtype.kind for p in parts if p.species is not None}
    if not kinds & set("UOST"):
        whole = [
            p.species if p.species is None or (p.species % 1).any() else p.species.astype(np.int64)
            for p in parts
        ]
        return [replace(p, species=s) for p, s in zip(parts, whole, strict=True)], []
    words = sorted(
        {str(w) for p in parts if p.species is not None for w in np.unique(p.species.astype(str))}
    )
    numbered = [
        None if p.species is None else np.searchsorted(words, p.species.astype(str)) for p in parts
    ]
    return [replace(p, species=s) for p, s in zip(parts, numbered, strict=True)], words


def _check_episodes(part: Trajectory, name: str) -> None:
    index, first, length = np.unique(part.episode, return_index=True, return_counts=True)
    for episode, start, n in zip(index, first, length, strict=True):
        which = name if len(index) == 1 else f"{name}, episode {episode}"
        if n < 2:
            raise ValueError(
                f"{which}: {n} frame; expected at least 2: leave it out, or take a longer one"
            )
        spacing.check_even(part.time[start : start + n], which, part.time_unit)


def _check_same(part: Trajectory, name: str, first: Trajectory, first_name: str) -> None:
    """Refuse a part whose points are not those of the first."""

    def facts(of: Trajectory) -> dict[str, object]:
        bonds = None if of.bonds is None else of.bonds.tolist()
        what = {"points": of.position.shape[1], "dimensions": of.position.shape[2]}
        what |= {
            k: "yes" if getattr(of, k) is not None else "no" for k in ("velocity", "box", *CHANGING)
        }
        what |= {
            "features": {k: v.shape[-1] for k, v in sorted(of.features.items())},
            "bonds": bonds,
        }
        return what | {"length_unit": of.length_unit, "time_unit": of.time_unit}

    ours, theirs = facts(part), facts(first)
    for key, value in ours.items():
        if value != theirs[key]:
            shown = (
                ("other bonds", "its own") if key == "bonds" else (f"{key} {value}", theirs[key])
            )
            raise ValueError(
                f"{name}: {shown[0]}, but {first_name} has {shown[1]}; the files of one source hold the same points: "
                "select them, or make it a source of its own"
            )
    step, expected = (float(of.time[1] - of.time[0]) for of in (part, first))
    if abs(step - expected) > 1e-3 * abs(expected):
        raise ValueError(
            f"{name}: frames {step:g} {part.time_unit} apart, but those of {first_name} {expected:g}; the files of one "
            "source have one time step"
        )


def _episodes(parts: list[Trajectory]) -> np.ndarray:
    numbered = [np.unique(part.episode, return_inverse=True)[1] for part in parts]
    before = np.cumsum([0] + [int(index[-1]) + 1 for index in numbered[:-1]])
    return np.concatenate([index + n for index, n in zip(numbered, before, strict=True)])


def _joined(
    values: list[np.ndarray | None], frames: list[int], fixed_axes: int
) -> np.ndarray | None:
    """What belongs to points: fixed where all parts agree, else with a row for each frame."""
    if values[0] is None:
        return None
    fixed = all(value.ndim == fixed_axes for value in values)
    if fixed and all(np.array_equal(value, values[0]) for value in values):
        return values[0]
    rows = [
        v if v.ndim > fixed_axes else np.broadcast_to(v, (n, *v.shape))
        for v, n in zip(values, frames, strict=True)
    ]
    return np.concatenate(rows)
