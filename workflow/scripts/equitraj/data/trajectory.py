"""Trajectory files: HDF5 in the H5MD layout.

The layout (de Buyl, Colberg, Hoefling, Comput. Phys. Commun. 185, 1546 (2014)) has
`/particles/all/position/{value,step,time}` with units, `box` with its `edges` where it is periodic,
optional `velocity`, `species`, `mass`, `charge`, and `/connectivity/bonds`. In addition there are
`/particles/all/episode` (one index per frame), other features of the points in
`/particles/all/feature/{name}`, and the provenance as attributes of `/parameters`. Species, mass,
charge and features are datasets where they are fixed and time series `{value,step,time}` where they
change with time.

MDAnalysis opens these files: `MDAnalysis.Universe(topology, path, format="H5MD")`, with
`convert_units=False` where the units are reduced. It reads three coordinates only, so planar data
are stored with z = 0, and `dimension` in `/parameters` is the number of coordinates.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import h5py
import numpy as np

from equitraj.base.files import atomic, checked
from equitraj.data.checks import check
from equitraj.data.parts import Stored

CHUNK_FRAMES = 256
STORED_DIMENSION = 3
FRAMED = ("position", "episode", "time", "velocity", "box")  # have a value for each frame
CHANGING = ("species", "mass")  # have an axis of frames where they change; so do features
# The unit names that both H5MD and MDAnalysis know. Others are kept in `/parameters` only, because
# MDAnalysis refuses them.
LENGTH_UNITS = ("Angstrom", "nm", "pm", "fm")
TIME_UNITS = ("fs", "ps", "ns", "s")
VELOCITY_UNITS = ("Angstrom ps-1", "Angstrom fs-1", "nm ps-1", "nm ns-1", "pm ps-1")
UNITS = (*LENGTH_UNITS, *TIME_UNITS, *VELOCITY_UNITS)


@dataclass(frozen=True)
class Trajectory:
    """Positions of N points over T frames of one or many episodes.

    In a file that is `opened`, arrays with a value for each frame are `Stored`: they are read where
    they are indexed.

    Attributes:
        position: (T, N, D) in `length_unit`; D is 2 or 3 in a raw file and 3 in a lifted one.
        episode: (T,) index of the uninterrupted trajectory that each frame belongs to,
        non-decreasing.
        time: (T,) in `time_unit`.
        velocity: (T, N, D) in `length_unit / time_unit`, or None.
        species: (N,) integers, or (T, N) where they change, or None.
        mass: (N,), or (T, N) where they change, or None.
        bonds: (M, 2) pairs of point indices, or None.
        box: (T, 3, 3) box vectors as rows, in `length_unit`, with rows of zeros where nothing is
        periodic, or None. The positions are continuous: a point that crosses a face goes on outside
        of the box.
        features: numbers of each point by name, (N, F), or (T, N, F) where they change. `charge`
        has F = 1.
        provenance: origin of the data: source, address, sha256, generator settings, seed.
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

    @property
    def same_episode(self) -> np.ndarray:
        """(T - 1,) bool, whether a frame and the next one belong to the same episode."""
        return np.diff(self.episode) == 0


def at_frames(trajectory: Trajectory, frames: np.ndarray | slice) -> Trajectory:
    """The trajectory at `frames`, with everything that belongs to them, in memory."""
    selected = {}
    for name in FRAMED + CHANGING:
        value = getattr(trajectory, name)
        if value is not None and (name in FRAMED or value.ndim == 2):
            selected[name] = value[frames]
    features = dict(trajectory.features)
    for name, value in features.items():
        if value.ndim == 3:
            features[name] = value[frames]
    return replace(trajectory, features=features, **selected)


def features_at(trajectory: Trajectory, frames: np.ndarray) -> dict[str, np.ndarray]:
    """The features of the points by name, (S, N, F), at S frames.

    Features that do not change are repeated.
    """
    features = {}
    for name, value in trajectory.features.items():
        if value.ndim == 3:
            features[name] = value[frames]
        else:
            features[name] = np.stack([value] * len(frames))
    return features


def motion(trajectory: Trajectory) -> float:
    """The root mean square displacement between consecutive frames, per coordinate; 0 for none."""
    displacement = np.diff(trajectory.position, axis=0)
    return root_mean_square(displacement[trajectory.same_episode])


def root_mean_square(value: np.ndarray) -> float:
    """The root mean square of an array; 0 for an empty one."""
    if not value.size:
        return 0.0
    mean_square = np.mean(np.square(value))
    return float(np.sqrt(mean_square))


def write(path: str | Path, trajectory: Trajectory, **extra: np.ndarray) -> None:
    """Write `trajectory` to `path`.

    Arrays in `extra` (one row per frame) go to `/observables/{name}/value`.
    """
    parts = [(trajectory, extra)]
    n_frames = len(trajectory.position)
    write_parts(path, parts, n_frames)


def write_parts(
    path: str | Path,
    parts: Iterable[tuple[Trajectory, dict[str, np.ndarray]]],
    n_frames: int,
    **fixed: np.ndarray,
) -> None:
    """Write parts of a trajectory one after another, `n_frames` in all.

    Each part comes with the `extra` of `write`. Data that do not change with time are taken from
    the first part. Arrays in `fixed` are observables without an axis of frames.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        start = 0
        for trajectory, extra in parts:
            check(trajectory, str(path))
            if not start:
                _lay_out(file, trajectory, extra, n_frames)
            stop = start + len(trajectory.position)
            _fill(file, trajectory, extra, slice(start, stop))
            start = stop
        for name, value in fixed.items():
            file[f"observables/{name}/value"] = value
            file[f"observables/{name}/step"] = np.arange(len(value))


def _series(trajectory: Trajectory) -> Iterator[tuple[str, np.ndarray, str]]:
    """The arrays with a value for each frame: place, values and unit."""
    length_unit = trajectory.length_unit
    yield "position", trajectory.position, length_unit
    if trajectory.velocity is not None:
        yield "velocity", trajectory.velocity, f"{length_unit} {trajectory.time_unit}-1"
    if trajectory.box is not None:
        yield "box/edges", trajectory.box, length_unit
    for place, value, changes in _elements(trajectory):
        if changes:
            yield place, value, ""


def _elements(trajectory: Trajectory) -> Iterator[tuple[str, np.ndarray, bool]]:
    """The properties of the points: place, values, and whether they change with time."""
    for name in CHANGING:
        value = getattr(trajectory, name)
        if value is not None:
            yield name, value, np.ndim(value) == 2
    for name, value in trajectory.features.items():
        value = np.asarray(value, np.float64)
        changes = value.ndim == 3
        if name == "charge":  # H5MD has a place for it, with one number per point
            yield name, value[..., 0], changes
        else:
            yield f"feature/{name}", value, changes


def _lay_out(
    file: h5py.File, trajectory: Trajectory, extra: dict[str, np.ndarray], n_frames: int
) -> None:
    """Write everything that does not change with time, and zeros for the rest."""
    _write_head(file)
    group = file.create_group("particles/all")
    box = group.create_group("box")
    box.attrs["dimension"] = STORED_DIMENSION
    box.attrs["boundary"] = np.array(_boundary(trajectory.box), dtype="S")
    for place, value, unit in _series(trajectory):
        _lay_out_series(group, place, value, n_frames, unit)
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
        shape = (n_frames, *value.shape[1:])
        file.create_dataset(f"observables/{name}/value", shape, value.dtype)
        file[f"observables/{name}/step"] = np.arange(n_frames)


def _write_head(file: h5py.File) -> None:
    head = file.create_group("h5md")
    head.attrs["version"] = np.array([1, 1])
    author = head.create_group("author")
    author.attrs["name"] = "equitraj"
    creator = head.create_group("creator")
    creator.attrs["name"] = "equitraj"
    creator.attrs["version"] = "1"


def _lay_out_series(
    group: h5py.Group, place: str, value: np.ndarray, n_frames: int, unit: str
) -> None:
    """Make room for the values of a time series, and write its steps."""
    shape = value.shape[1:]
    dtype = value.dtype
    if place in ("position", "velocity"):
        shape = (*value.shape[1:-1], STORED_DIMENSION)
        dtype = np.dtype(np.float64)
    chunks = (min(CHUNK_FRAMES, n_frames), *shape)
    values = group.create_dataset(f"{place}/value", (n_frames, *shape), dtype, chunks=chunks)
    _set_unit(values, unit)
    group[f"{place}/step"] = np.arange(n_frames)


def _fill(
    file: h5py.File, trajectory: Trajectory, extra: dict[str, np.ndarray], now: slice
) -> None:
    """Write the arrays of the frames `now`."""
    group = file["particles/all"]
    for place, value, _ in _series(trajectory):
        used = (now, ..., slice(value.shape[-1])) if value.ndim > 1 else now
        group[f"{place}/value"][used] = value
        group[f"{place}/time"][now] = trajectory.time
    group["episode"][now] = trajectory.episode
    for name, value in extra.items():
        file[f"observables/{name}/value"][now] = value


def _set_unit(dataset: h5py.Dataset, unit: str) -> None:
    if unit in UNITS:
        dataset.attrs["unit"] = unit


def _boundary(box: np.ndarray | None) -> list[str]:
    """The name in H5MD of the boundary along each box vector."""
    if box is None:
        return ["none"] * STORED_DIMENSION
    periodic = np.any(box, axis=(0, 2))
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
    """Open a trajectory file written by `write`.

    Arrays with a value for each frame are `Stored`: they are read when needed.
    """
    with h5py.File(checked(path), "r") as file:
        group = file["particles/all"]
        parameters = file["parameters"].attrs
        width = int(parameters["dimension"])
        yield Trajectory(
            position=_stored(group["position/value"], width),
            episode=group["episode"][()],
            time=group["position/time"][()],
            velocity=_stored(group["velocity/value"], width) if "velocity" in group else None,
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


def _stored(dataset: h5py.Dataset, width: int | None = None, column: bool = False) -> np.ndarray:
    """A `Stored` array, typed as the array that it stands for: it is indexed like one."""
    return cast(np.ndarray, Stored(dataset, width, column))


def _value(group: h5py.Group, name: str) -> np.ndarray | None:
    """The values of an element that a file may have."""
    if name not in group:
        return None
    return _element(group[name])


def _element(element: h5py.Group | h5py.Dataset) -> np.ndarray:
    """The values of an element: stored ones where they change, in memory where they are fixed."""
    if isinstance(element, h5py.Group):
        return _stored(element["value"])
    return element[()]


def _features(group: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    charge = group.get("charge")
    if isinstance(charge, h5py.Group):
        yield "charge", _stored(charge["value"], column=True)
    elif charge is not None:
        yield "charge", charge[()][..., None]
    for name, element in group.get("feature", {}).items():
        yield name, _element(element)


@contextmanager
def opened_observables(path: str | Path) -> Iterator[dict[str, Stored]]:
    """Open the observables of a trajectory file (the `extra` of `write`), read when needed."""
    with h5py.File(checked(path), "r") as file:
        observables = {}
        groups = file.get("observables", {})
        for name, group in groups.items():
            observables[name] = Stored(group["value"])
        yield observables


def read_observables(path: str | Path) -> dict[str, np.ndarray]:
    """Read the observables of a trajectory file (the `extra` of `write`)."""
    with opened_observables(path) as observables:
        return {name: value[:] for name, value in observables.items()}
