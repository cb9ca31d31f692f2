"""Trajectories for other programs: XTC, extended XYZ, and a PDB file with names and bonds to stand
beside them.

Lengths are written in Angstrom and times in ps, which MDAnalysis and ASE take them for (XTC itself
counts in nm). A unit that is not known here, a reduced one, is written as it stands: one unit reads
as one Angstrom, or as one ps.
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
MOTION_LOST = 0.01  # the largest part of the motion between frames that rounding may take
XTC_PRECISION = 1e3  # steps per nm that XTC files have unless more are needed
XTC_LARGEST = 2.0**30  # coordinates times precision: the format counts them in 32-bit integers
SINGLE = (
    4 * 2.0**-24
)  # relative rounding of a coordinate that is cast, scaled and scaled back in single precision
PDB_LARGEST = 999.0  # beyond it a coordinate leaves its column


def in_angstrom(trajectory: Trajectory, position: np.ndarray | float) -> np.ndarray | float:
    """Lengths of `trajectory` in Angstrom."""
    return position * ANGSTROM.get(trajectory.length_unit, 1.0)


def in_ps(trajectory: Trajectory, time: np.ndarray) -> np.ndarray:
    """Times of `trajectory` in ps."""
    return time * PICOSECOND.get(trajectory.time_unit, 1.0)


def writer_for(path: Path) -> Callable[..., str]:
    """The function that writes the format of which `path` has the suffix.

    Raises:
        ValueError: there is none.
    """
    if path.suffix.lower() not in WRITERS:
        raise ValueError(
            f"{path}: unknown suffix {path.suffix!r}; {nearest(path.suffix, list(WRITERS))}"
        )
    return WRITERS[path.suffix.lower()]


def precision_for(largest: float, motion: float) -> float:
    """Steps per nm of an XTC file, a power of ten, that leave the motion (nm, root mean square
    between frames) visible.

    Raises:
        ValueError: no precision does, because the coordinates, of which the largest is `largest`
        nm, are too large.
    """
    if not motion:
        return XTC_PRECISION
    room = MOTION_LOST * motion - SINGLE * largest
    precision = (
        max(XTC_PRECISION, 10.0 ** math.ceil(math.log10(0.5 / room))) if room > 0 else math.inf
    )
    if largest * precision > XTC_LARGEST:
        raise ValueError(
            f"XTC keeps coordinates of {10 * largest:.4g} Angstrom in single precision, which takes more than "
            f"{MOTION_LOST:.0%} of a motion of {10 * motion:.2g} between frames; write .xyz, or centre the data"
        )
    return precision


def write_xtc(
    path: Path, trajectory: Trajectory, step: np.ndarray, motion: float, **per_point: np.ndarray
) -> str:
    """Write XTC, with frame numbers `step` (T,); what `per_point` holds has no place in it.

    `motion`, the root mean square displacement between frames per coordinate, decides the
    precision. Returns words.

    Raises:
        ValueError: the motion would be lost in rounding.
    """
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    position = 0.1 * in_angstrom(trajectory, trajectory.position)
    motion_nm = 0.1 * in_angstrom(trajectory, motion)
    precision = precision_for(float(np.abs(position).max()), motion_nm)
    no_box = np.zeros((3, 3), np.float32)
    with atomic(path, recorded=False) as temporary, XTCFile(str(temporary), "w") as file:
        for frame, number, time in zip(
            position, step, in_ps(trajectory, trajectory.time), strict=True
        ):
            file.write(frame.astype(np.float32), no_box, int(number), time, precision)
    part = f", {0.5 / precision / motion_nm:.1g} of the motion between frames" if motion_nm else ""
    return f"coordinates rounded to {10 / precision:.0e} Angstrom{part}"


def words(trajectory: Trajectory) -> np.ndarray | None:
    """What the points are called (T, N) or (N,), where their species had words in the file that
    they came from."""
    known = trajectory.provenance.get("species")
    return np.array(known)[trajectory.species] if known and trajectory.species is not None else None


def symbols(trajectory: Trajectory) -> np.ndarray:
    """Chemical symbols (T, N), which readers of extended XYZ expect; X where the points have none."""
    from ase.data import atomic_numbers

    called = words(trajectory)
    if called is None or not {word.capitalize() for word in np.unique(called)} <= set(
        atomic_numbers
    ):
        called = np.array(["X"])
    return np.broadcast_to(called, trajectory.position.shape[:2])


def columns_of(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """What the points have beside a name, by the names that ASE knows: (T, N, F) each."""
    columns = {"pos": in_angstrom(trajectory, trajectory.position)}
    if trajectory.velocity is not None:
        columns["velocity"] = in_angstrom(trajectory, trajectory.velocity) / in_ps(trajectory, 1.0)
    if trajectory.mass is not None:
        columns["masses"] = trajectory.mass[..., None]
    if trajectory.species is not None and words(trajectory) is None:
        columns["species_number"] = trajectory.species[..., None]
    columns |= {
        "initial_charges" if name == "charge" else name: value
        for name, value in trajectory.features.items()
    }
    points = trajectory.position.shape[:2]
    return {
        name: np.broadcast_to(value, (*points, value.shape[-1])) for name, value in columns.items()
    }


def write_xyz(
    path: Path, trajectory: Trajectory, step: np.ndarray, motion: float, **per_point: np.ndarray
) -> str:
    """Write extended XYZ with every digit; `per_point` are columns (T, N) more. Returns words on
    it.

    ASE's own writer keeps eight decimals, fewer than small errors have.
    """
    columns = columns_of(trajectory) | {name: value[..., None] for name, value in per_point.items()}
    properties = "".join(f":{name}:R:{value.shape[-1]}" for name, value in columns.items())
    time, names = in_ps(trajectory, trajectory.time), symbols(trajectory)
    with atomic(path, recorded=False) as temporary, temporary.open("w", encoding="utf-8") as file:
        for i, rows in enumerate(np.concatenate(list(columns.values()), axis=-1)):
            head = f"time={time[i]} step={step[i]} episode={trajectory.episode[i]}"
            file.write(f'{len(rows)}\nProperties=species:S:1{properties} {head} pbc="F F F"\n')
            pairs = zip(names[i], rows.tolist(), strict=True)
            file.writelines(f"{name} {' '.join(map(repr, row))}\n" for name, row in pairs)
    return "every digit kept"


def write_topology(path: Path, trajectory: Trajectory) -> None:
    """Write names and bonds as a PDB file, with the first frame where its coordinates fit into
    their columns."""
    import MDAnalysis
    from MDAnalysis.coordinates.PDB import PDBWriter

    n_points, called = trajectory.position.shape[1], words(trajectory)
    universe = MDAnalysis.Universe.empty(n_points, trajectory=True)
    names = np.array(["X"]) if called is None else np.atleast_2d(called)[0]
    universe.add_TopologyAttr("names", np.broadcast_to(names, n_points).tolist())
    universe.add_TopologyAttr(
        "bonds", [] if trajectory.bonds is None else np.asarray(trajectory.bonds).tolist()
    )
    first = in_angstrom(trajectory, trajectory.position[0])
    universe.atoms.positions = first if np.abs(first).max() < PDB_LARGEST else np.zeros_like(first)
    with warnings.catch_warnings(), atomic(path, recorded=False) as temporary:
        warnings.simplefilter("ignore")  # of columns that have no value here
        with PDBWriter(str(temporary), bonds="all") as file:
            file.write(universe.atoms)


WRITERS = {".xtc": write_xtc, ".xyz": write_xyz, ".extxyz": write_xyz}
