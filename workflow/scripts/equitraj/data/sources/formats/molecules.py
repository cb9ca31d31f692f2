"""Every format that MDAnalysis reads, with what its topology holds: species, masses, charges,
bonds.

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

SUFFIXES = ()  # all that no other format claims
STREAMS = True  # takes `start`, `stop` and `stride` itself
KEYS = ("topology", "topology_url", "topology_sha256", "selection", "unwrap", "time_step")


def read(path: Path, source: dict, name: str) -> Trajectory:
    """Frames `start` to `stop`, each `stride`-th, of the atoms of `selection` (default `all`), in
    Angstrom and ps.

    `topology` is a second file, where the format has no names or bonds. `unwrap: true` makes
    molecules whole in the first frame, where there are bonds, and follows every atom across the
    faces of the box; without the key a jump is refused. `time_step` stands for the times of a file
    that has none. Only what the topology holds is taken: nothing is guessed.

    Raises:
        ValueError: a file or a selection that MDAnalysis refuses, uneven times, a jump across the
        box.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of what a format lacks; what is taken from it is checked here
        universe = _open(path, source, name)
        atoms = _select(universe, source.get("selection", "all"), name)
        return _follow(atoms, source, name)


def _open(path: Path, source: dict, name: str):
    import MDAnalysis

    topology = source.get("topology")
    inputs = [topology, str(path)] if topology else [str(path)]
    keywords = {"format": "H5MD"} if path.suffix.lower() in hdf5.SUFFIXES else {}
    if keywords:
        check_self_contained(path, name)
    # MDAnalysis lets every parser raise its own kind of error.
    try:
        return MDAnalysis.Universe(*inputs, to_guess=(), **keywords)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{name}: MDAnalysis cannot open it ({reason}); expected a format of MDAnalysis, or "
            "another `format:`; some of these (xtc, dcd, h5md) need `topology:` in the source"
        ) from error


def _select(universe, selection: str, name: str):
    try:
        atoms = universe.select_atoms(selection)
    except Exception as error:
        raise ValueError(f"selection: MDAnalysis cannot read {selection!r} ({error})") from error
    if not len(atoms):
        raise ValueError(
            f"selection: {selection!r} selects none of the {len(universe.atoms)} atoms of {name}"
        )
    return atoms


def _follow(atoms, source: dict, name: str) -> Trajectory:
    """The chosen frames, each point followed through the box."""
    frames, (start, stop, stride) = atoms.universe.trajectory, frame_range(source)
    numbers = range(len(frames))[start:stop]
    kept = {number: i for i, number in enumerate(numbers[::stride])}
    if not kept:
        raise ValueError(
            f"{name}: no frames from `start: {start}` to `stop: {stop}`; the file has {len(frames)}"
        )
    position, time, boxes = (
        np.empty((len(kept), len(atoms), 3)),
        np.empty(len(kept)),
        np.zeros((len(kept), 3, 3)),
    )
    velocity = np.empty_like(position) if frames[numbers[0]].has_velocities else None
    follow = Follower(name, source.get("unwrap"))
    whole = _whole(atoms) if source.get("unwrap") and frames.ts.dimensions is not None else None
    for frame in frames[
        start : numbers[-1] + 1 : 1 if frames.ts.dimensions is not None else stride
    ]:
        box = frame.triclinic_dimensions
        box = np.zeros((3, 3)) if box is None else box.astype(np.float64)
        now = follow(atoms.positions.astype(np.float64), box, frame.frame, whole)
        if (i := kept.get(frame.frame)) is not None:
            position[i], time[i], boxes[i] = now, frame.time, box
            if velocity is not None:
                velocity[i] = atoms.velocities
    return Trajectory(
        position=position,
        episode=np.zeros(len(kept), dtype=np.int64),
        time=_times(time, source, name),
        velocity=velocity,
        box=followed_box(boxes, source),
        length_unit="Angstrom",
        time_unit="ps",
        **_topology(atoms),
    )


def _whole(atoms) -> np.ndarray | None:
    """The positions of the first frame with no molecule cut by the box, where there are bonds to
    follow."""
    if not hasattr(atoms, "bonds") or not len(atoms.universe.bonds):
        return None
    molecules = sum(atoms.fragments[1:], atoms.fragments[0])
    place = np.full(len(atoms.universe.atoms), -1)
    place[molecules.indices] = np.arange(len(molecules))
    return molecules.unwrap(compound="fragments", reference=None, inplace=False)[
        place[atoms.indices]
    ].astype(np.float64)


def _times(time: np.ndarray, source: dict, name: str) -> np.ndarray:
    """Times (T,) in ps, without the rounding of the format."""
    if "time_step" in source:
        return np.arange(len(time)) * float(source["time_step"]) * source.get("stride", 1)
    spacing.check_even(time, name, "ps")
    return time[0] + (time[1] - time[0] if len(time) > 1 else 1.0) * np.arange(len(time))


def _topology(atoms) -> dict:
    """Species, mass, charge and bonds, each where the topology has it."""
    species = next(
        (getattr(atoms, a).astype(str) for a in ("elements", "types") if hasattr(atoms, a)), None
    )
    charge = (
        {"charge": np.asarray(atoms.charges, np.float64)[:, None]}
        if hasattr(atoms, "charges")
        else {}
    )
    mass = np.asarray(atoms.masses, np.float64) if hasattr(atoms, "masses") else None
    return {"species": species, "mass": mass, "features": charge, "bonds": _bonds(atoms)}


def _bonds(atoms) -> np.ndarray | None:
    """Bonds between selected atoms, by their place in the selection."""
    if not hasattr(atoms, "bonds") or not len(atoms.bonds):
        return None
    place = np.full(len(atoms.universe.atoms), -1)
    place[atoms.indices] = np.arange(len(atoms))
    pairs = place[atoms.bonds.indices]
    return pairs[(pairs >= 0).all(axis=1)]
