"""Every format that MDAnalysis reads, with the species, masses, charges and bonds of its topology.

Reference: Gowers et al., MDAnalysis, Proc. 15th Python in Science Conf. (2016), 98.
"""

import warnings
from pathlib import Path

import numpy as np

from equitraj.data.sources import spacing
from equitraj.data.sources.box import Follower, followed_box, frame_range
from equitraj.data.sources.formats import hdf5
from equitraj.data.sources.limits import check_self_contained
from equitraj.data.trajectory import Trajectory

SUFFIXES = ()  # reads all files that no other format reads
STREAMS = True  # applies `start`, `stop` and `stride` itself
KEYS = ("topology", "topology_url", "topology_sha256", "selection", "unwrap", "time_step")


def read(path: Path, source: dict, name: str) -> Trajectory:
    """Every `stride`-th frame from `start` to `stop` of the selected atoms, in Angstrom and ps.

    `selection` is in MDAnalysis' language (default `all`). `topology` is a second file, for formats
    without names or bonds. `unwrap: true` makes molecules whole in the first frame, if there are
    bonds, and follows every atom across the faces of the box; without `unwrap` a jump is an error.
    `time_step` replaces the times of a file that has none. Nothing that the topology lacks is
    guessed.

    Raises:
        ValueError: a file or a selection that MDAnalysis refuses, uneven times, or a jump across
            the box.
    """
    with warnings.catch_warnings():
        # the warnings are about data that a format lacks; the data that are used are checked here
        warnings.simplefilter("ignore")
        universe = _open(path, source, name)
        selection = source.get("selection", "all")
        atoms = _select(universe, selection, name)
        return _follow(atoms, source, name)


def _open(path: Path, source: dict, name: str):
    """The file as an `MDAnalysis.Universe`."""
    import MDAnalysis

    topology = source.get("topology")
    inputs = [topology, str(path)] if topology else [str(path)]
    keywords = {}
    if path.suffix.lower() in hdf5.SUFFIXES:
        keywords["format"] = "H5MD"
        check_self_contained(path, name)
    try:
        return MDAnalysis.Universe(*inputs, to_guess=(), **keywords)
    except Exception as error:  # MDAnalysis' parsers raise all kinds of errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{name}: MDAnalysis cannot open it ({reason}); expected a format of MDAnalysis, or "
            "another `format:`; some of these (xtc, dcd, h5md) need `topology:` in the source"
        ) from error


def _select(universe, selection: str, name: str):
    """The atoms of a selection."""
    try:
        atoms = universe.select_atoms(selection)
    except Exception as error:
        raise ValueError(f"selection: MDAnalysis cannot read {selection!r} ({error})") from error
    if not len(atoms):
        n_atoms = len(universe.atoms)
        raise ValueError(f"selection: {selection!r} selects none of the {n_atoms} atoms of {name}")
    return atoms


def _follow(atoms, source: dict, name: str) -> Trajectory:
    """The chosen frames, with each point followed through the box."""
    frames = atoms.universe.trajectory
    start, stop, stride = frame_range(source)
    numbers = range(len(frames))[start:stop]
    kept = {number: row for row, number in enumerate(numbers[::stride])}
    if not kept:
        raise ValueError(
            f"{name}: no frames from `start: {start}` to `stop: {stop}`; the file has {len(frames)}"
        )
    n_kept = len(kept)
    position = np.empty((n_kept, len(atoms), 3))
    time = np.empty(n_kept)
    boxes = np.zeros((n_kept, 3, 3))
    velocity = np.empty_like(position) if frames[numbers[0]].has_velocities else None
    has_box = frames.ts.dimensions is not None
    follow = Follower(name, source.get("unwrap"))
    whole = _whole(atoms) if has_box and source.get("unwrap") else None
    step = 1 if has_box else stride  # points are followed through all frames
    for frame in frames[start : numbers[-1] + 1 : step]:
        box = frame.triclinic_dimensions
        box = np.zeros((3, 3)) if box is None else box.astype(np.float64)
        followed = follow(atoms.positions.astype(np.float64), box, frame.frame, whole)
        row = kept.get(frame.frame)
        if row is None:
            continue
        position[row] = followed
        time[row] = frame.time
        boxes[row] = box
        if velocity is not None:
            velocity[row] = atoms.velocities
    species, mass, features = _properties(atoms)
    return Trajectory(
        position=position,
        episode=np.zeros(n_kept, dtype=np.int64),
        time=_times(time, source, name),
        velocity=velocity,
        species=species,
        mass=mass,
        bonds=_bonds(atoms),
        box=followed_box(boxes, source),
        features=features,
        length_unit="Angstrom",
        time_unit="ps",
    )


def _whole(atoms) -> np.ndarray | None:
    """Positions of the first frame in which no molecule is cut by the box; None without bonds."""
    if not hasattr(atoms, "bonds") or not len(atoms.universe.bonds):
        return None
    first, *others = atoms.fragments
    molecules = sum(others, first)
    place = _places(molecules)[atoms.indices]
    positions = molecules.unwrap(compound="fragments", reference=None, inplace=False)
    return positions[place].astype(np.float64)


def _places(atoms) -> np.ndarray:
    """The place of each atom of the universe among `atoms`; -1 for an atom that is not there."""
    places = np.full(len(atoms.universe.atoms), -1)
    places[atoms.indices] = np.arange(len(atoms))
    return places


def _times(time: np.ndarray, source: dict, name: str) -> np.ndarray:
    """Times (T,) in ps, without the rounding of the format."""
    index = np.arange(len(time))
    if "time_step" in source:
        return index * float(source["time_step"]) * source.get("stride", 1)
    spacing.check_even(time, name, "ps")
    step = time[1] - time[0] if len(time) > 1 else 1.0
    return time[0] + step * index


def _properties(atoms) -> tuple[np.ndarray | None, np.ndarray | None, dict[str, np.ndarray]]:
    """Species, masses and features of the atoms, if the topology has them."""
    species = getattr(atoms, "elements", getattr(atoms, "types", None))
    if species is not None:
        species = species.astype(str)
    mass = getattr(atoms, "masses", None)
    if mass is not None:
        mass = np.asarray(mass, np.float64)
    features = {}
    if hasattr(atoms, "charges"):
        charge = np.asarray(atoms.charges, np.float64)
        features["charge"] = charge[:, None]
    return species, mass, features


def _bonds(atoms) -> np.ndarray | None:
    """Bonds between selected atoms, by their places in the selection."""
    if not hasattr(atoms, "bonds") or not len(atoms.bonds):
        return None
    places = _places(atoms)
    pairs = places[atoms.bonds.indices]
    is_selected = (pairs >= 0).all(axis=1)
    return pairs[is_selected]
