"""Trajectory files: HDF5 in the H5MD layout (de Buyl, Colberg, Hoefling, Comput. Phys. Commun. 185,
1546 (2014)).

`/particles/all/position/{value,step,time}` with units, `box` with its `edges` where it is periodic,
optional `velocity`, `species`, `mass`, `charge`, `/connectivity/bonds`; beside them
`/particles/all/episode` (one index per frame), other features of the points in
`/particles/all/feature/{name}`, and the provenance as attributes of `/parameters`. What may change
with time (species, mass, charge, features) is a dataset where it is fixed and a time series
`{value,step,time}` where it changes. MDAnalysis opens these files: `MDAnalysis.Universe(topology,
path, format="H5MD")`, with `convert_units=False` where the units are reduced ones. It reads three
coordinates only, so planar data are stored with z = 0, and `/parameters` says how many coordinates
count (`dimension`).
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import atomic, checked
from equitraj.data.checks import check
from equitraj.data.parts import Stored

CHUNK_FRAMES = 256
STORED_DIMENSION = 3
CHANGING = ("species", "mass")  # have an axis of frames where they change; so do features
# The unit names that both H5MD and MDAnalysis know; others are kept in `/parameters` only, as
# MDAnalysis refuses them.
LENGTH_UNITS = ("Angstrom", "nm", "pm", "fm")
TIME_UNITS = ("fs", "ps", "ns", "s")
VELOCITY_UNITS = ("Angstrom ps-1", "Angstrom fs-1", "nm ps-1", "nm ns-1", "pm ps-1")


@dataclass(frozen=True)
class Trajectory:
    """Positions of N points over T frames of one or many episodes.

    Of a file that is `opened`, what has a value for each frame is `Stored`: an array that is read
    where it is indexed.

    Attributes:
        position: (T, N, D) in `length_unit`; D is 2 or 3 in a raw file and 3 in a lifted one.
        episode: (T,) index of the uninterrupted trajectory that each frame belongs to,
        non-decreasing.
        time: (T,) in `time_unit`.
        velocity: (T, N, D) in `length_unit / time_unit`, or None.
        species: (N,) integers, or (T, N) where they change, or None.
        mass: (N,), or (T, N) where they change, or None.
        bonds: (M, 2) pairs of point indices, or None.
        box: (T, 3, 3) box vectors as rows, in `length_unit`, zeros where nothing is periodic along
        one, or None. The positions are continuous: a point that crosses a face goes on outside of
        the box.
        features: numbers of each point by name, (N, F), or (T, N, F) where they change. `charge`
        has F = 1.
        provenance: where the data came from: source, address, sha256, generator settings, seed.
    """

    position: np.ndarray
    episode: np.ndarray
    time: np.ndarray
    velocity: np.ndarray | None = None
    species: np.ndarray | None = None
    mass: np.ndarray | None = None
    bonds: np.ndarray | None = None
    box: np.ndarray | None = None
    features: dict[str, np.ndarray] = field(default_factory=dict)
    length_unit: str = "reduced"
    time_unit: str = "reduced"
    provenance: dict = field(default_factory=dict)


def at_frames(trajectory: Trajectory, frames: np.ndarray | slice) -> Trajectory:
    """The trajectory at `frames`, with all that belongs to them, in memory."""
    framed = {k: getattr(trajectory, k)[frames] for k in ("position", "episode", "time")}
    for what in ("velocity", "box"):
        if (value := getattr(trajectory, what)) is not None:
            framed[what] = value[frames]
    for what in CHANGING:
        if (value := getattr(trajectory, what)) is not None and value.ndim == 2:
            framed[what] = value[frames]
    features = {k: v[frames] if v.ndim == 3 else v for k, v in trajectory.features.items()}
    return replace(trajectory, features=features, **framed)


def features_at(trajectory: Trajectory, frames: np.ndarray) -> dict[str, np.ndarray]:
    """The features of the points by name, (S, N, F), at S frames, also those that do not change."""
    return {
        k: v[frames] if v.ndim == 3 else np.stack([v] * len(frames))
        for k, v in trajectory.features.items()
    }


def motion(trajectory: Trajectory) -> float:
    """The root mean square displacement between frames that follow each other, per coordinate; 0
    where none do."""
    follows = np.diff(trajectory.episode) == 0
    step = np.diff(trajectory.position, axis=0)[follows]
    return float(np.sqrt(np.mean(np.square(step)))) if step.size else 0.0


def write(path: str | Path, trajectory: Trajectory, **extra: np.ndarray) -> None:
    """Write `trajectory` to `path`; arrays in `extra` (one row per frame) go to
    `/observables/{name}/value`."""
    write_parts(path, [(trajectory, extra)], len(trajectory.position))


def write_parts(
    path: str | Path,
    parts: Iterable[tuple[Trajectory, dict[str, np.ndarray]]],
    n_frames: int,
    **fixed: np.ndarray,
) -> None:
    """Write parts of a trajectory, each with its `extra` of `write`, one after another: `n_frames`
    in all.

    What does not change with time is taken from the first part; arrays in `fixed` are observables
    without an axis of frames.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        done = 0
        for trajectory, extra in parts:
            check(trajectory, str(path))
            if not done:
                _lay_out(file, trajectory, extra, n_frames)
            now = slice(done, done := done + len(trajectory.position))
            _fill(file, trajectory, extra, now)
        for name, value in fixed.items():
            file[f"observables/{name}/value"] = value
            file[f"observables/{name}/step"] = np.arange(len(value))


def _series(trajectory: Trajectory) -> Iterator[tuple[str, np.ndarray, str]]:
    """What has a value for each frame: its place, its values and their unit."""
    yield "position", trajectory.position, trajectory.length_unit
    if trajectory.velocity is not None:
        yield "velocity", trajectory.velocity, f"{trajectory.length_unit} {trajectory.time_unit}-1"
    if trajectory.box is not None:
        yield "box/edges", trajectory.box, trajectory.length_unit
    for place, value, changes in _elements(trajectory):
        if changes:
            yield place, value, ""


def _elements(trajectory: Trajectory) -> Iterator[tuple[str, np.ndarray, bool]]:
    """What belongs to points: its place, its values, and whether they change with time."""
    for name in CHANGING:
        if (value := getattr(trajectory, name)) is not None:
            yield name, value, np.ndim(value) == 2
    for name, value in trajectory.features.items():
        value = np.asarray(value, np.float64)
        if name == "charge":  # H5MD has a place for it, of one number per point
            yield name, value[..., 0], value.ndim == 3
        else:
            yield f"feature/{name}", value, value.ndim == 3


def _lay_out(
    file: h5py.File, trajectory: Trajectory, extra: dict[str, np.ndarray], n_frames: int
) -> None:
    """Write all that does not change with time, and make room for the rest, which is zero until it
    is filled."""
    head = file.create_group("h5md")
    head.attrs["version"] = np.array([1, 1])
    head.create_group("author").attrs["name"] = "equitraj"
    head.create_group("creator").attrs.update({"name": "equitraj", "version": "1"})
    group, step = file.create_group("particles/all"), np.arange(n_frames)
    box = group.create_group("box")
    box.attrs.update(
        {"dimension": STORED_DIMENSION, "boundary": np.array(_boundary(trajectory.box), dtype="S")}
    )
    for place, value, unit in _series(trajectory):
        is_vector = place in ("position", "velocity")
        shape = (*value.shape[1:-1], STORED_DIMENSION) if is_vector else value.shape[1:]
        chunks = (min(CHUNK_FRAMES, n_frames), *shape)
        dtype = np.float64 if is_vector else value.dtype
        _set_unit(
            group.create_dataset(f"{place}/value", (n_frames, *shape), dtype, chunks=chunks), unit
        )
        group[f"{place}/step"] = step
        time = group.create_dataset(f"{place}/time", (n_frames,), trajectory.time.dtype)
        _set_unit(time, trajectory.time_unit)
    for place, value, changes in _elements(trajectory):
        if not changes:
            group[place] = value
    group.create_dataset("episode", (n_frames,), trajectory.episode.dtype)
    if trajectory.bonds is not None:
        file["connectivity/bonds"] = np.asarray(trajectory.bonds, dtype="i8")
    file.create_group("parameters").attrs.update(_parameters(trajectory))
    for name, value in extra.items():
        file.create_dataset(f"observables/{name}/value", (n_frames, *value.shape[1:]), value.dtype)
        file[f"observables/{name}/step"] = step


def _fill(
    file: h5py.File, trajectory: Trajectory, extra: dict[str, np.ndarray], now: slice
) -> None:
    """Write what belongs to the frames `now`."""
    group = file["particles/all"]
    for place, value, _ in _series(trajectory):
        used = (now, ..., slice(value.shape[-1])) if value.ndim > 1 else now
        group[f"{place}/value"][used] = value
        group[f"{place}/time"][now] = trajectory.time
    group["episode"][now] = trajectory.episode
    for name, value in extra.items():
        file[f"observables/{name}/value"][now] = value


def _set_unit(dataset: h5py.Dataset, unit: str) -> None:
    if unit in LENGTH_UNITS + TIME_UNITS + VELOCITY_UNITS:
        dataset.attrs["unit"] = unit


def _boundary(box: np.ndarray | None) -> list[str]:
    """What H5MD calls the boundary along each box vector."""
    periodic = [False] * STORED_DIMENSION if box is None else np.any(box, axis=(0, 2))
    return ["periodic" if along else "none" for along in periodic]


def _parameters(trajectory: Trajectory) -> dict:
    return {
        "dimension": trajectory.position.shape[-1],
        "length_unit": trajectory.length_unit,
        "time_unit": trajectory.time_unit,
        "provenance": json.dumps(trajectory.provenance, sort_keys=True),
    }


@contextmanager
def opened(path: str | Path) -> Iterator[Trajectory]:
    """A trajectory file written by `write`, of which positions and all else that is `Stored` are
    read when needed."""
    with h5py.File(checked(path), "r") as file:
        group, parameters = file["particles/all"], file["parameters"].attrs
        width = int(parameters["dimension"])
        yield Trajectory(
            position=Stored(group["position/value"], width),
            episode=group["episode"][()],
            time=group["position/time"][()],
            velocity=Stored(group["velocity/value"], width) if "velocity" in group else None,
            species=_value(group, "species"),
            mass=_value(group, "mass"),
            bonds=file["connectivity/bonds"][()] if "connectivity" in file else None,
            box=_value(group["box"], "edges"),
            features=dict(_features(group)),
            length_unit=parameters["length_unit"],
            time_unit=parameters["time_unit"],
            provenance=json.loads(parameters["provenance"]),
        )


def read(path: str | Path) -> Trajectory:
    """Read a trajectory file written by `write`, all of it."""
    with opened(path) as trajectory:
        return at_frames(trajectory, slice(None))


def _value(group: h5py.Group, name: str) -> np.ndarray | Stored | None:
    """A fixed element or the values of a changing one."""
    if name not in group:
        return None
    element = group[name]
    return Stored(element["value"]) if isinstance(element, h5py.Group) else element[()]


def _features(group: h5py.Group) -> Iterator[tuple[str, np.ndarray | Stored]]:
    if (charge := _value(group, "charge")) is not None:
        yield (
            "charge",
            Stored(charge.dataset, column=True)
            if isinstance(charge, Stored)
            else charge[..., None],
        )
    for name in group.get("feature", {}):
        yield name, _value(group["feature"], name)


@contextmanager
def opened_observables(path: str | Path) -> Iterator[dict[str, Stored]]:
    """The arrays that `write` stored beside the trajectory, read when needed."""
    with h5py.File(checked(path), "r") as file:
        yield {name: Stored(group["value"]) for name, group in file.get("observables", {}).items()}


def read_observables(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays that `write` stored beside the trajectory."""
    with opened_observables(path) as observables:
        return {name: value[:] for name, value in observables.items()}
