"""Arrays by name as trajectories: positions, velocities, features, episodes, under whatever keys
they were saved."""

from dataclasses import replace

import numpy as np

from equitraj.data.sources.box import follow
from equitraj.data.trajectory import Trajectory

POSITIONS = "(frames, points, 2 or 3) or (episodes, frames, points, 2 or 3)"
RESERVED = (
    "position",
    "velocity",
    "mass",
    "species",
    "episode",
    "bonds",
    "time",
)  # other names are features
PER_POINT = ("mass", "species", "charge")  # one number per point
# The shapes of what belongs to points, by how many axes the positions have: E episodes, T frames, N
# points, F numbers.
SHAPES = {3: ("N", "NF", "TN", "TNF", "EN", "ENF"), 4: ("N", "NF", "EN", "ENF", "ETN", "ETNF")}
WORDS = {"E": "episodes", "T": "frames", "N": "points", "F": "numbers"}


def mapping(source: dict) -> dict[str, str | None]:
    """Names to keys: `arrays` of a source, with `array` as the short form of its `position`."""
    short = {"position": source["array"]} if source.get("array") else {}
    return (short | source.get("arrays", {})) or {"position": None}


def from_arrays(arrays: dict[str, np.ndarray], name: str, source: dict) -> Trajectory:
    """The trajectory of `arrays`, whose names are those of `arrays` in a source.

    `position` is (T, N, D) or (E, T, N, D); `velocity` has the same shape; `episode` (T,) cuts the
    frames of the first into episodes; `time` is (T,) or (E, T); `bonds` (M, 2); all others belong
    to the points: fixed (N[, F]), per episode (E, N[, F]) or per frame ([E, ]T, N[, F]), where an
    array with more than one reading is refused. `source` may give `time_step` (time between frames,
    default 1), `length_unit` and `time_unit` (default `reduced`), and a periodic `box` (three
    lengths, or three vectors) through which the points are followed, with `unwrap`. `name` stands
    in the messages.

    Raises:
        ValueError: no numbers, or a shape that does not fit.
    """
    position = _numbers(name, "position", arrays["position"])
    if position.ndim not in (3, 4) or position.shape[-1] not in (2, 3) or not position.size:
        raise ValueError(f"{name}: positions of shape {position.shape}; expected {POSITIONS}")
    n_episodes, n_frames = position.shape[:2] if position.ndim == 4 else (1, len(position))
    episode = _episode(name, arrays.get("episode"), n_episodes, n_frames, position.ndim)
    sizes = {"E": int(episode[-1]) + 1, "T": n_frames, "N": position.shape[-2]}
    velocity = arrays.get("velocity")
    if velocity is not None and velocity.shape != position.shape:
        raise ValueError(
            f"{name}: velocities of shape {velocity.shape}; expected that of the positions {position.shape}"
        )
    time = arrays.get("time")
    trajectory = Trajectory(
        position=_frames(position),
        episode=episode,
        time=_time(name, time, n_episodes, n_frames, source),
        velocity=None if velocity is None else _frames(_numbers(name, "velocity", velocity)),
        bonds=None if (bonds := arrays.get("bonds")) is None else np.asarray(bonds).reshape(-1, 2),
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )
    if "box" in source:
        followed, box = follow(trajectory.position, episode, name, source)
        trajectory = replace(trajectory, position=followed, box=box)
    points = {
        k: per_point(name, k, v, sizes, episode, position.ndim)
        for k, v in arrays.items()
        if k not in RESERVED
    }
    own = {
        k: per_point(name, k, arrays[k], sizes, episode, position.ndim)[..., 0]
        for k in PER_POINT[:2]
        if k in arrays
    }
    return without_species(replace(trajectory, features=points, **own), name, source)


def without_species(trajectory: Trajectory, name: str, source: dict) -> Trajectory:
    """The trajectory without the points whose species `omit_species` of the source lists, and
    without their bonds.

    Raises:
        ValueError: no species that belong to the points for good, or nothing that is left.
    """
    if not (omitted := source.get("omit_species")):
        return trajectory
    if trajectory.species is None or trajectory.species.ndim != 1:
        raise ValueError(
            f"omit_species: {name} has no species of its points; name their array under `arrays:`"
        )
    kept = ~np.isin(trajectory.species.astype(str), [str(each) for each in omitted])
    if not kept.any():
        raise ValueError(f"omit_species: {omitted} leaves none of the {len(kept)} points of {name}")
    bonds = (
        None if trajectory.bonds is None else trajectory.bonds[kept[trajectory.bonds].all(axis=1)]
    )
    return replace(
        trajectory,
        position=trajectory.position[:, kept],
        velocity=None if trajectory.velocity is None else trajectory.velocity[:, kept],
        species=trajectory.species[kept],
        mass=None if trajectory.mass is None else trajectory.mass[..., kept],
        features={what: value[..., kept, :] for what, value in trajectory.features.items()},
        bonds=None if bonds is None else (np.cumsum(kept) - 1)[bonds],
    )


def _numbers(name: str, what: str, value: np.ndarray) -> np.ndarray:
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{name}: {what} has values of type {value.dtype}; expected real numbers")
    return value.astype(np.float64, copy=False)


def _frames(value: np.ndarray) -> np.ndarray:
    """(T, N, D) as it is; (E, T, N, D) as (E T, N, D)."""
    return value.reshape(-1, *value.shape[-2:])


def _episode(
    name: str, index: np.ndarray | None, n_episodes: int, n_frames: int, axes: int
) -> np.ndarray:
    """The episodes, numbered from 0, of all frames."""
    if index is None:
        return np.repeat(np.arange(n_episodes), n_frames)
    if axes == 4:
        raise ValueError(
            f"{name}: positions with an axis of episodes and an episode index; leave one of them out"
        )
    if index.shape != (n_frames,) or (index[1:] < index[:-1]).any():
        raise ValueError(
            f"{name}: an episode index of shape {index.shape}; expected ({n_frames},), one for each frame, "
            "non-decreasing: sort the frames by episode"
        )
    return np.unique(index, return_inverse=True)[1]


def _time(
    name: str, time: np.ndarray | None, n_episodes: int, n_frames: int, source: dict
) -> np.ndarray:
    """Times of all frames (E T,)."""
    if time is None:
        return np.tile(np.arange(n_frames) * float(source.get("time_step", 1.0)), n_episodes)
    if "time_step" in source:
        raise ValueError(
            f"{name}: times of its own and a `time_step` in the source; leave one of them out"
        )
    if time.shape not in ((n_frames,), (n_episodes, n_frames)):
        raise ValueError(
            f"{name}: times of shape {time.shape}; expected ({n_frames},) or ({n_episodes}, {n_frames})"
        )
    return np.broadcast_to(_numbers(name, "time", time), (n_episodes, n_frames)).ravel()


def per_point(
    name: str, what: str, value: np.ndarray, sizes: dict[str, int], episode: np.ndarray, axes: int
) -> np.ndarray:
    """What belongs to points as (N, F), or (all frames, N, F) where it changes.

    `sizes` has the numbers E, T, N of episodes, frames (of each episode, where the positions have 4
    `axes`) and points.

    Raises:
        ValueError: no shape fits, or more than one does.
    """
    if what != "species":
        value = _numbers(name, what, value)
    shapes = [
        s
        for s in SHAPES[axes]
        if tuple(sizes.get(a, n) for a, n in zip(s, value.shape, strict=False)) == value.shape
    ]
    shapes = [s for s in shapes if len(s) == value.ndim]
    if what in PER_POINT:
        shapes = [s for s in shapes if not s.endswith("F") or value.shape[-1] == 1]
    if sizes["E"] == 1 and len(shapes) > 1:  # per episode of one episode is fixed
        shapes = [s for s in shapes if "E" not in s] or shapes[:1]
    if len(shapes) != 1:
        raise ValueError(f"{name}: {what} of shape {value.shape} " + _advice(shapes, sizes, axes))
    shape = shapes[0]
    value = value if shape.endswith("F") else value[..., None]
    if "T" in shape:
        return _frames(value)
    return value[episode] if "E" in shape and sizes["E"] > 1 else value.reshape(value.shape[-2:])


def _advice(shapes: list[str], sizes: dict[str, int], axes: int) -> str:
    def words(shape: str) -> str:
        return (
            "("
            + ", ".join(f"{sizes[a]} {WORDS[a]}" if a in sizes else WORDS[a] for a in shape)
            + ")"
        )

    if not shapes:
        return f"fits no points; expected {' or '.join(map(words, SHAPES[axes]))}"
    full = "ETNF"[4 - axes :]
    return f"can be read as {' or as '.join(map(words, shapes))}; save it as {words(full)}, which has one reading"
