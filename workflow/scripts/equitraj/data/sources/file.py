"""A user's own file as a trajectory: NumPy arrays, our own files, and every format that MDAnalysis reads.

Reference: Gowers et al., MDAnalysis, Proc. 15th Python in Science Conf. (2016), 98.
"""

import warnings
from pathlib import Path

import h5py
import numpy as np

from equitraj.data import trajectory as files
from equitraj.data.sources.arrays import from_array, load_array
from equitraj.data.trajectory import Trajectory

ARRAYS = (".npy", ".npz")
HDF5 = (".h5", ".hdf5", ".h5md")


def read_file(source: dict) -> Trajectory:
    """The trajectory of `source`, whose key `path` names the file.

    `.npy` and `.npz` take the keys of `arrays.from_array` and `array`. Files written by this workflow need no key. All
    others go to MDAnalysis, with `topology` (a second file, where the format has no names or bonds) and `selection`
    (a selection of its atoms, default `all`); lengths are then in Angstrom and times in ps. Positions are taken as
    they stand: unwrap a periodic trajectory first.

    Raises:
        ValueError: no such file, or a file that cannot be read as a trajectory.
    """
    path = Path(source["path"])
    for key in ("path", "topology"):
        if source.get(key) and not Path(source[key]).is_file():
            raise ValueError(f"{key}: {source[key]}: no such file; correct `{key}:` of the source")
    if path.suffix.lower() in ARRAYS:
        return from_array(load_array(path, source.get("array")), str(path), source)
    if path.suffix.lower() in HDF5 and _is_ours(path):
        return files.read(path)
    return _read_foreign(path, source)


def _is_ours(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return "provenance" in file["parameters"].attrs if "parameters" in file else False
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from error


def _read_foreign(path: Path, source: dict) -> Trajectory:
    import MDAnalysis

    topology, selection = source.get("topology"), source.get("selection", "all")
    inputs = [topology, str(path)] if topology else [str(path)]
    keywords = {"format": "H5MD"} if path.suffix.lower() in HDF5 else {}
    # MDAnalysis lets every parser raise its own kind of error.
    try:
        universe = MDAnalysis.Universe(*inputs, **keywords)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path}: MDAnalysis cannot open it ({reason}); expected .npy, .npz, a file of this workflow, or a format "
            "of MDAnalysis; some of these (h5md for one) need `topology:` in the source"
        ) from error
    try:
        atoms = universe.select_atoms(selection)
    except Exception as error:
        raise ValueError(f"selection: MDAnalysis cannot read {selection!r} ({error})") from error
    if not len(atoms):
        raise ValueError(f"selection: {selection!r} selects none of the {len(universe.atoms)} atoms of {path}")
    return _from_atoms(atoms, path)


def _from_atoms(atoms, path: Path) -> Trajectory:
    frames = atoms.universe.trajectory
    trajectory = Trajectory(
        position=frames.timeseries(atomgroup=atoms, order="fac").astype(np.float64),
        episode=np.zeros(len(frames), dtype=np.int64),
        time=_times(frames, path),
        species=_species(atoms),
        bonds=_bonds(atoms),
        length_unit="Angstrom",
        time_unit="ps",
    )
    files.check(trajectory, str(path))
    return trajectory


def _times(frames, path: Path) -> np.ndarray:
    """Times (T,) in ps. Frames must be evenly spaced, because a task predicts a number of frames ahead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a format without times counts frames as 1 ps
        first, second, last = (float(frames[i].time) for i in (0, min(1, len(frames) - 1), -1))
    step = second - first  # of the frames: `frames.dt` is 1 ps for formats that give times but no interval
    time = first + step * np.arange(len(frames))
    # Formats keep times to about six digits.
    if abs(last - time[-1]) > 1e-5 * abs(last) + 1e-3 * abs(step):
        raise ValueError(
            f"{path}: the last of {len(frames)} frames is at {last} ps, but steps of {step} ps end at {time[-1]} ps; "
            "expected evenly spaced frames: write it again at a fixed interval"
        )
    return time


def _species(atoms) -> np.ndarray | None:
    if not hasattr(atoms, "types"):
        return None
    return np.unique(atoms.types.astype(str), return_inverse=True)[1]


def _bonds(atoms) -> np.ndarray | None:
    """Bonds between selected atoms, by their place in the selection."""
    if not hasattr(atoms, "bonds") or not len(atoms.bonds):
        return None
    place = np.full(len(atoms.universe.atoms), -1)
    place[atoms.indices] = np.arange(len(atoms))
    pairs = place[atoms.bonds.indices]
    return pairs[(pairs >= 0).all(axis=1)]
