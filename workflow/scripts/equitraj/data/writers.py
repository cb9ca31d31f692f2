"""Trajectories for other programs: XTC, extended XYZ, and a PDB file with names and bonds.

Lengths are written in Angstrom and times in ps, the units of MDAnalysis and ASE (XTC itself counts
in nm). A unit that is not known here, such as a reduced one, counts as one Angstrom or one ps.
"""

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from equitraj.base.files import atomic
from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory

ANGSTROM = {"Angstrom": 1.0, "nm": 10.0, "pm": 1e-2, "fm": 1e-5}
PICOSECOND = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "s": 1e12}
MOTION_LOST = 0.01  # upper bound of the rounding error, relative to the motion between frames
XTC_PRECISION = 1e3  # steps per nm that XTC files have unless more are needed
XTC_LARGEST = 2.0**30  # coordinates times precision: the format counts them in 32-bit integers
# Relative rounding error of a coordinate that is cast, scaled and scaled back in single precision.
SINGLE = 4 * 2.0**-24
PDB_LARGEST = 999.0  # a larger coordinate does not fit into its column


def in_angstrom(trajectory: Trajectory, position: np.ndarray) -> np.ndarray:
    """Lengths of `trajectory` in Angstrom."""
    return position * _unit_length(trajectory)


def _unit_length(trajectory: Trajectory) -> float:
    """The length unit in Angstrom."""
    unit = trajectory.length_unit
    return ANGSTROM.get(unit, 1.0)


def _unit_time(trajectory: Trajectory) -> float:
    """The time unit in ps."""
    unit = trajectory.time_unit
    return PICOSECOND.get(unit, 1.0)


def writer_for(path: Path) -> Callable[..., str]:
    """The function that writes the format with the suffix of `path`.

    Raises:
        ValueError: an unknown suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise ValueError(
            f"{path}: unknown suffix {path.suffix!r}; {nearest(path.suffix, list(WRITERS))}"
        )
    return WRITERS[suffix]


def precision_for(largest: float, motion: float) -> float:
    """Steps per nm of an XTC file, a power of ten, that keep the motion between frames.

    `largest` is the largest coordinate and `motion` the root mean square displacement, in nm.

    Raises:
        ValueError: the coordinates are too large for any precision.
    """
    if not motion:
        return XTC_PRECISION
    precision = math.inf
    room = MOTION_LOST * motion - SINGLE * largest
    if room > 0:
        digits = math.ceil(math.log10(0.5 / room))
        precision = max(XTC_PRECISION, 10.0**digits)
    if largest * precision > XTC_LARGEST:
        raise ValueError(
            f"XTC keeps coordinates of {10 * largest:.4g} Angstrom in single precision, "
            f"which takes more than {MOTION_LOST:.0%} of a motion of {10 * motion:.2g} "
            "between frames; write .xyz, or centre the data"
        )
    return precision


def write_xtc(
    path: Path, trajectory: Trajectory, step: np.ndarray, motion: float, **per_point: np.ndarray
) -> str:
    """Write XTC, with frame numbers `step` (T,) and without `per_point`, for which it has no place.

    `motion`, the root mean square displacement between frames per coordinate, determines the
    precision. Returns a description of the rounding.

    Raises:
        ValueError: the motion would be lost in rounding.
    """
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    position = 0.1 * in_angstrom(trajectory, trajectory.position)
    motion_nm = 0.1 * (motion * _unit_length(trajectory))
    largest = float(np.abs(position).max())
    precision = precision_for(largest, motion_nm)
    times = trajectory.time * _unit_time(trajectory)
    no_box = np.zeros((3, 3), np.float32)
    with atomic(path, recorded=False) as temporary, XTCFile(str(temporary), "w") as file:
        for frame, number, time in zip(position, step, times, strict=True):
            file.write(frame.astype(np.float32), no_box, int(number), time, precision)
    rounding = f"coordinates rounded to {10 / precision:.0e} Angstrom"
    if motion_nm:
        rounding += f", {0.5 / precision / motion_nm:.1g} of the motion between frames"
    return rounding


def words(trajectory: Trajectory) -> np.ndarray | None:
    """The names of the points (T, N) or (N,), if the original file had names for their species."""
    names = trajectory.provenance.get("species")
    if not names or trajectory.species is None:
        return None
    return np.array(names)[trajectory.species]


def symbols(trajectory: Trajectory) -> np.ndarray:
    """Chemical symbols (T, N), which readers of extended XYZ expect; X where there are none."""
    from ase.data import atomic_numbers

    names = words(trajectory)
    if names is None or not all(name.capitalize() in atomic_numbers for name in np.unique(names)):
        names = np.array(["X"])
    return np.broadcast_to(names, trajectory.position.shape[:2])


def columns_of(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """The properties of the points, (T, N, F) each, by their names in ASE."""
    columns = {"pos": in_angstrom(trajectory, trajectory.position)}
    if trajectory.velocity is not None:
        columns["velocity"] = in_angstrom(trajectory, trajectory.velocity) / _unit_time(trajectory)
    if trajectory.mass is not None:
        columns["masses"] = trajectory.mass[..., None]
    if trajectory.species is not None and words(trajectory) is None:
        columns["species_number"] = trajectory.species[..., None]
    for name, value in trajectory.features.items():
        if name == "charge":
            name = "initial_charges"
        columns[name] = value
    points = trajectory.position.shape[:2]
    for name, value in columns.items():
        columns[name] = np.broadcast_to(value, (*points, value.shape[-1]))
    return columns


def write_xyz(
    path: Path, trajectory: Trajectory, step: np.ndarray, motion: float, **per_point: np.ndarray
) -> str:
    """Write extended XYZ with every digit, and with `per_point` (T, N) as additional columns.

    ASE's own writer keeps eight decimals, which is too few for small errors. Returns a description
    of the rounding.
    """
    columns = columns_of(trajectory)
    for name, value in per_point.items():
        columns[name] = value[..., None]
    properties = "species:S:1"
    for name, value in columns.items():
        properties += f":{name}:R:{value.shape[-1]}"
    table = np.concatenate(list(columns.values()), axis=-1)
    times = trajectory.time * _unit_time(trajectory)
    names = symbols(trajectory)
    with atomic(path, recorded=False) as temporary, temporary.open("w", encoding="utf-8") as file:
        for i, rows in enumerate(table):
            head = f"time={times[i]} step={step[i]} episode={trajectory.episode[i]}"
            file.write(f'{len(rows)}\nProperties={properties} {head} pbc="F F F"\n')
            for name, row in zip(names[i], rows.tolist(), strict=True):
                numbers = " ".join(map(repr, row))
                file.write(f"{name} {numbers}\n")
    return "every digit kept"


def write_topology(path: Path, trajectory: Trajectory) -> None:
    """Write names and bonds as a PDB file.

    It has the first frame where the coordinates fit into their columns, and zeros otherwise.
    """
    import MDAnalysis
    from MDAnalysis.coordinates.PDB import PDBWriter

    n_points = trajectory.position.shape[1]
    universe = MDAnalysis.Universe.empty(n_points, trajectory=True)
    names = words(trajectory)
    names = np.array(["X"]) if names is None else np.atleast_2d(names)[0]
    universe.add_TopologyAttr("names", np.broadcast_to(names, n_points).tolist())
    bonds = [] if trajectory.bonds is None else np.asarray(trajectory.bonds).tolist()
    universe.add_TopologyAttr("bonds", bonds)
    first = in_angstrom(trajectory, trajectory.position[0])
    fits = np.abs(first).max() < PDB_LARGEST
    universe.atoms.positions = first if fits else np.zeros_like(first)
    with warnings.catch_warnings(), atomic(path, recorded=False) as temporary:
        warnings.simplefilter("ignore")  # about columns that have no value here
        with PDBWriter(str(temporary), bonds="all") as file:
            file.write(universe.atoms)


WRITERS = {".xtc": write_xtc, ".xyz": write_xyz, ".extxyz": write_xyz}
