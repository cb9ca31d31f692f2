"""Trajectories from named arrays: positions, velocities, features and episodes under any keys."""

from dataclasses import replace

import numpy as np

from equitraj.data.sources.box import follow
from equitraj.data.trajectory import Trajectory

POSITIONS = "(frames, points, 2 or 3) or (episodes, frames, points, 2 or 3)"
# Names with a meaning; arrays with other names are features.
RESERVED = ("position", "velocity", "mass", "species", "episode", "bonds", "time")
PER_POINT = ("mass", "species", "charge")  # one number per point
# The allowed shapes of values of points, by the number of axes of the positions. The axes are E
# episodes, T frames, N points and F numbers.
SHAPES = {3: ("N", "NF", "TN", "TNF", "EN", "ENF"), 4: ("N", "NF", "EN", "ENF", "ETN", "ETNF")}
WORDS = {"E": "episodes", "T": "frames", "N": "points", "F": "numbers"}


def mapping(source: dict) -> dict[str, str | None]:
    """The key of each array by the array's name; None stands for the only array of a file.

    The names and keys are `arrays` of a source; `array` is the short form for its `position`.
    """
    keys = {}
    array = source.get("array")
    if array:
        keys["position"] = array
    keys |= source.get("arrays", {})
    return keys or {"position": None}


def from_arrays(arrays: dict[str, np.ndarray], name: str, source: dict) -> Trajectory:
    """The trajectory of `arrays`, which have the names of `arrays` in a source.

    `position` is (T, N, D) or (E, T, N, D), and `velocity` has the same shape. `episode` (T,) cuts
    positions (T, N, D) into episodes. `time` is (T,) or (E, T), and `bonds` is (M, 2). All other
    arrays are values of the points: fixed (N[, F]), per episode (E, N[, F]) or per frame
    ([E, ]T, N[, F]). An array that fits more than one of these shapes is refused.

    `source` may have `time_step` (time between frames, default 1), `length_unit` and `time_unit`
    (default `reduced`), a periodic `box` (three lengths or three vectors) through which the points
    are followed, and `unwrap`. `name` is the file's name for messages.

    Raises:
        ValueError: values that are not numbers, or a shape that does not fit.
    """
    position = _numbers(name, "position", arrays["position"])
    axes = position.ndim
    if axes not in (3, 4) or position.shape[-1] not in (2, 3) or not position.size:
        raise ValueError(f"{name}: positions of shape {position.shape}; expected {POSITIONS}")
    n_frames, n_points = position.shape[-3:-1]
    n_episodes = len(position) if axes == 4 else 1
    episode = _episode(name, arrays.get("episode"), n_episodes, n_frames, axes)
    velocity = arrays.get("velocity")
    if velocity is not None and velocity.shape != position.shape:
        raise ValueError(
            f"{name}: velocities of shape {velocity.shape}; "
            f"expected the shape of the positions {position.shape}"
        )
    time = _time(name, arrays.get("time"), n_episodes, n_frames, source)
    if velocity is not None:
        velocity = _frames(_numbers(name, "velocity", velocity))
    bonds = arrays.get("bonds")
    if bonds is not None:
        bonds = np.asarray(bonds).reshape(-1, 2)
    trajectory = Trajectory(
        position=_frames(position),
        episode=episode,
        time=time,
        velocity=velocity,
        bonds=bonds,
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )
    if "box" in source:
        followed, box = follow(trajectory.position, episode, name, source)
        trajectory = replace(trajectory, position=followed, box=box)
    sizes = {"E": int(episode[-1]) + 1, "T": n_frames, "N": n_points}

    def values_of(key: str) -> np.ndarray:
        return per_point(name, key, arrays[key], sizes, episode, axes)

    features = {key: values_of(key) for key in arrays if key not in RESERVED}
    columns = {key: values_of(key)[..., 0] for key in ("mass", "species") if key in arrays}
    trajectory = replace(
        trajectory, features=features, mass=columns.get("mass"), species=columns.get("species")
    )
    return without_species(trajectory, name, source)


def without_species(trajectory: Trajectory, name: str, source: dict) -> Trajectory:
    """The trajectory without the points, and their bonds, that `omit_species` of the source lists.

    Raises:
        ValueError: species are missing or change with time, or no point is left.
    """
    omitted = source.get("omit_species")
    if not omitted:
        return trajectory
    species = trajectory.species
    if species is None or species.ndim != 1:
        raise ValueError(
            f"omit_species: {name} has no species of its points; name their array under `arrays:`"
        )
    kept = ~np.isin(species.astype(str), [str(each) for each in omitted])
    if not kept.any():
        raise ValueError(f"omit_species: {omitted} leaves none of the {len(kept)} points of {name}")
    velocity = trajectory.velocity
    if velocity is not None:
        velocity = velocity[:, kept]
    mass = trajectory.mass
    if mass is not None:
        mass = mass[..., kept]
    bonds = trajectory.bonds
    if bonds is not None:
        is_whole = kept[bonds].all(axis=1)
        new_index = np.cumsum(kept) - 1
        bonds = new_index[bonds[is_whole]]
    return replace(
        trajectory,
        position=trajectory.position[:, kept],
        velocity=velocity,
        species=species[kept],
        mass=mass,
        features={what: value[..., kept, :] for what, value in trajectory.features.items()},
        bonds=bonds,
    )


def _numbers(name: str, what: str, value: np.ndarray) -> np.ndarray:
    """Real numbers as float64."""
    dtype = value.dtype
    is_real = dtype.kind in "fiu"
    if not is_real:
        raise ValueError(f"{name}: {what} has values of type {dtype}; expected real numbers")
    return value.astype(np.float64, copy=False)


def _frames(value: np.ndarray) -> np.ndarray:
    """(T, N, D) unchanged; (E, T, N, D) as (E T, N, D)."""
    n_points, width = value.shape[-2:]
    return value.reshape(-1, n_points, width)


def _episode(
    name: str, index: np.ndarray | None, n_episodes: int, n_frames: int, axes: int
) -> np.ndarray:
    """The episode of each frame, numbered from 0."""
    if index is None:
        return np.repeat(np.arange(n_episodes), n_frames)
    if axes == 4:
        raise ValueError(
            f"{name}: positions with an axis of episodes and an episode index; "
            "leave one of them out"
        )
    if index.shape != (n_frames,) or (index[1:] < index[:-1]).any():
        raise ValueError(
            f"{name}: an episode index of shape {index.shape}; expected ({n_frames},), "
            "one for each frame, non-decreasing: sort the frames by episode"
        )
    return np.unique(index, return_inverse=True)[1]


def _time(
    name: str, time: np.ndarray | None, n_episodes: int, n_frames: int, source: dict
) -> np.ndarray:
    """Times of all frames (E T,)."""
    if time is None:
        step = float(source.get("time_step", 1.0))
        return np.tile(np.arange(n_frames) * step, n_episodes)
    if "time_step" in source:
        raise ValueError(
            f"{name}: times of its own and a `time_step` in the source; leave one of them out"
        )
    full_shape = (n_episodes, n_frames)
    if time.shape not in ((n_frames,), full_shape):
        raise ValueError(
            f"{name}: times of shape {time.shape}; "
            f"expected ({n_frames},) or ({n_episodes}, {n_frames})"
        )
    numbers = _numbers(name, "time", time)
    return np.broadcast_to(numbers, full_shape).ravel()


def per_point(
    name: str, what: str, value: np.ndarray, sizes: dict[str, int], episode: np.ndarray, axes: int
) -> np.ndarray:
    """Values of points as (N, F), or (all frames, N, F) if they change with time.

    `sizes` has the numbers E, T and N of episodes, frames and points. T counts the frames of each
    episode if the positions have 4 `axes`, else all frames.

    Raises:
        ValueError: no shape fits, or more than one does.
    """
    if what != "species":
        value = _numbers(name, what, value)
    shapes = [shape for shape in SHAPES[axes] if _fits(shape, value.shape, sizes)]
    if what in PER_POINT and value.shape[-1:] != (1,):
        shapes = [shape for shape in shapes if not shape.endswith("F")]
    if sizes["E"] == 1 and len(shapes) > 1:  # with one episode, values per episode are fixed
        shapes = [shape for shape in shapes if "E" not in shape] or shapes[:1]
    if len(shapes) != 1:
        advice = _advice(shapes, sizes, axes)
        raise ValueError(f"{name}: {what} of shape {value.shape} {advice}")
    shape = shapes[0]
    if not shape.endswith("F"):
        value = value[..., None]
    if "T" in shape:
        return _frames(value)
    if "E" in shape and sizes["E"] > 1:
        return value[episode]
    return value.reshape(value.shape[-2:])


def _fits(shape: str, lengths: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether the axes of a shape can have these lengths."""
    if len(shape) != len(lengths):
        return False
    pairs = zip(shape, lengths, strict=True)
    return all(sizes.get(axis, length) == length for axis, length in pairs)


def _advice(shapes: list[str], sizes: dict[str, int], axes: int) -> str:
    """The end of a message about an array that fits no shape, or several."""
    if not shapes:
        expected = " or ".join(_in_words(shape, sizes) for shape in SHAPES[axes])
        return f"fits no points; expected {expected}"
    readings = " or as ".join(_in_words(shape, sizes) for shape in shapes)
    full = _in_words("ETNF"[4 - axes :], sizes)
    return f"can be read as {readings}; save it as {full}, which has one reading"


def _in_words(shape: str, sizes: dict[str, int]) -> str:
    """A shape in words, such as (20 frames, 5 points, numbers)."""
    words = []
    for axis in shape:
        size = f"{sizes[axis]} " if axis in sizes else ""
        word = size + WORDS[axis]
        words.append(word)
    return f"({', '.join(words)})"
