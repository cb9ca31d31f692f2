"""Trajectory files: HDF5 in the H5MD layout (de Buyl, Colberg, Hoefling, Comput. Phys. Commun. 185, 1546 (2014)).

`/particles/all/position/{value,step,time}` with units, `box` without boundaries, optional `velocity`, `species`,
`mass`, `/connectivity/bonds`; beside them `/particles/all/episode` (one index per frame) and the provenance as
attributes of `/parameters`. MDAnalysis opens these files: `MDAnalysis.Universe(topology, path, format="H5MD")`, with
`convert_units=False` where the units are reduced ones. It reads three coordinates only, so planar data are stored with
z = 0, and `/parameters` says how many coordinates count (`dimension`).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from equitraj.base.files import atomic

CHUNK_FRAMES = 256
STORED_DIMENSION = 3
# The unit names that both H5MD and MDAnalysis know; others are kept in `/parameters` only, as MDAnalysis refuses them.
LENGTH_UNITS = ("Angstrom", "nm", "pm", "fm")
TIME_UNITS = ("fs", "ps", "ns", "s")
VELOCITY_UNITS = ("Angstrom ps-1", "Angstrom fs-1", "nm ps-1", "nm ns-1", "pm ps-1")


@dataclass(frozen=True)
class Trajectory:
    """Positions of N points over T frames of one or many episodes.

    Attributes:
        position: (T, N, D) in `length_unit`; D is 2 or 3 in a raw file and 3 in a lifted one.
        episode: (T,) index of the uninterrupted trajectory that each frame belongs to, non-decreasing.
        time: (T,) in `time_unit`.
        velocity: (T, N, D) in `length_unit / time_unit`, or None.
        species: (N,) integers, or None.
        mass: (N,), or None.
        bonds: (M, 2) pairs of point indices, or None.
        provenance: where the data came from: source, address, sha256, generator settings, seed.
    """

    position: np.ndarray
    episode: np.ndarray
    time: np.ndarray
    velocity: np.ndarray | None = None
    species: np.ndarray | None = None
    mass: np.ndarray | None = None
    bonds: np.ndarray | None = None
    length_unit: str = "reduced"
    time_unit: str = "reduced"
    provenance: dict = field(default_factory=dict)


def check(trajectory: Trajectory, name: str) -> None:
    """Raise ValueError that names `name` unless shapes agree and every position is finite."""
    position = trajectory.position
    if position.ndim != 3 or position.shape[-1] not in (2, 3) or not position.size:
        raise ValueError(f"{name}: positions of shape {position.shape}; expected (frames, points, 2 or 3)")
    if len(trajectory.episode) != len(position) or (np.diff(trajectory.episode) < 0).any():
        raise ValueError(
            f"{name}: the episode index must have one non-decreasing entry for each of {len(position)} frames"
        )
    bad = np.argwhere(~np.isfinite(position))
    if len(bad):
        frame, point, axis = bad[0]
        raise ValueError(
            f"{name}: {len(bad)} positions are not finite, the first at frame {frame}, point {point}, axis {axis} "
            f"({position[frame, point, axis]}); repair or cut these frames and run again"
        )


def motion(trajectory: Trajectory) -> float:
    """The root mean square displacement between frames that follow each other, per coordinate; 0 where none do."""
    follows = np.diff(trajectory.episode) == 0
    step = np.diff(trajectory.position, axis=0)[follows]
    return float(np.sqrt(np.mean(np.square(step)))) if step.size else 0.0


def _set_unit(dataset: h5py.Dataset, unit: str) -> None:
    if unit in LENGTH_UNITS + TIME_UNITS + VELOCITY_UNITS:
        dataset.attrs["unit"] = unit


def _series(group: h5py.Group, name: str, value: np.ndarray, time: np.ndarray, unit: str, time_unit: str) -> None:
    element = group.create_group(name)
    value = np.pad(value, [(0, 0), (0, 0), (0, STORED_DIMENSION - value.shape[-1])])
    chunks = (min(CHUNK_FRAMES, len(value)), *value.shape[1:])
    _set_unit(element.create_dataset("value", data=value, dtype="f8", chunks=chunks), unit)
    element["step"] = np.arange(len(value))
    element["time"] = time
    _set_unit(element["time"], time_unit)


def write(path: str | Path, trajectory: Trajectory, **extra: np.ndarray) -> None:
    """Write `trajectory` to `path`; arrays in `extra` (one row per frame) go to `/observables/{name}/value`."""
    check(trajectory, str(path))
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        head = file.create_group("h5md")
        head.attrs["version"] = np.array([1, 1])
        head.create_group("author").attrs["name"] = "equitraj"
        head.create_group("creator").attrs.update({"name": "equitraj", "version": "1"})
        all_points = file.create_group("particles/all")
        box = all_points.create_group("box")
        box.attrs.update({"dimension": STORED_DIMENSION, "boundary": np.array(["none"] * STORED_DIMENSION, dtype="S4")})
        _series(
            all_points, "position", trajectory.position, trajectory.time, trajectory.length_unit, trajectory.time_unit
        )
        if trajectory.velocity is not None:
            unit = f"{trajectory.length_unit} {trajectory.time_unit}-1"
            _series(all_points, "velocity", trajectory.velocity, trajectory.time, unit, trajectory.time_unit)
        for name in ("species", "mass"):
            if (value := getattr(trajectory, name)) is not None:
                all_points[name] = value
        all_points["episode"] = trajectory.episode
        if trajectory.bonds is not None:
            file["connectivity/bonds"] = np.asarray(trajectory.bonds, dtype="i8")
        file.create_group("parameters").attrs.update(_parameters(trajectory))
        for name, value in extra.items():
            file[f"observables/{name}/value"] = value
            file[f"observables/{name}/step"] = np.arange(len(value))


def _parameters(trajectory: Trajectory) -> dict:
    return {
        "dimension": trajectory.position.shape[-1],
        "length_unit": trajectory.length_unit,
        "time_unit": trajectory.time_unit,
        "provenance": json.dumps(trajectory.provenance, sort_keys=True),
    }


def read(path: str | Path) -> Trajectory:
    """Read a trajectory file written by `write`."""
    with h5py.File(path, "r") as file:
        group, parameters = file["particles/all"], file["parameters"].attrs
        used = (..., slice(int(parameters["dimension"])))

        def optional(name: str, index: tuple = ()) -> np.ndarray | None:
            return group[name][index] if name in group else None

        return Trajectory(
            position=group["position/value"][used],
            episode=group["episode"][()],
            time=group["position/time"][()],
            velocity=optional("velocity/value", used),
            species=optional("species"),
            mass=optional("mass"),
            bonds=file["connectivity/bonds"][()] if "connectivity" in file else None,
            length_unit=parameters["length_unit"],
            time_unit=parameters["time_unit"],
            provenance=json.loads(parameters["provenance"]),
        )


def read_observables(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays that `write` stored beside the trajectory."""
    with h5py.File(path, "r") as file:
        return {name: group["value"][()] for name, group in file.get("observables", {}).items()}
