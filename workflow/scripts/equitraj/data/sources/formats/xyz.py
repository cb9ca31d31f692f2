"""Extended XYZ files, read by ASE: species, positions and the columns that `Properties=` names.

Reference: Larsen et al., J. Phys. Condens. Matter 29, 273002 (2017), and
https://github.com/libAtoms/extxyz.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.sources.box import Follower, followed_box, strided
from equitraj.data.sources.named import from_arrays
from equitraj.data.trajectory import Trajectory

SUFFIXES = (".xyz", ".extxyz")
STREAMS = True  # applies `start`, `stop` and `stride` itself
KEYS = ("arrays", "unwrap", "omit_species", "time_step", "length_unit", "time_unit")
# Names that programs give to columns, in order of preference. All are in the units of the file.
COLUMNS = {
    "velocity": ("velocities", "velocity", "velo", "vel"),
    "charge": ("initial_charges", "charges", "charge"),
    "mass": ("masses", "mass"),
}


def read(path: Path, source: dict, name: str) -> Trajectory:
    """All frames of a file; each has the same atoms in the same order.

    `arrays` of the source names columns for velocities, masses, charges and features. Velocities,
    masses and charges that it does not name are read from columns with their usual names. Momenta
    give velocities in Angstrom per ps.

    Raises:
        ValueError: the file has another format, a column does not exist, or the atoms change.
    """
    follow = Follower(name, source.get("unwrap"))
    frames = []
    boxes = []
    first = None
    for number, atoms, is_kept in strided(_frames(path, name), source):
        columns = _columns(atoms)
        first = first or columns
        _check_same(name, number, columns, first)
        box = np.asarray(atoms.cell) * atoms.pbc[:, None]
        position = follow(columns["position"], box, number)
        columns["position"] = position
        if is_kept:
            frames.append(columns)
            boxes.append(box)
    if first is None:
        raise ValueError(
            f"{name}: no frames from `start` to `stop`; expected extended XYZ with at least 2"
        )
    arrays = {}
    for what, column in _chosen(name, source, first).items():
        values = np.stack([frame[column] for frame in frames])
        if what not in ("position", "velocity") and (values == values[0]).all():
            values = values[0]
        arrays[what] = values
    units = {"length_unit": "Angstrom", "time_unit": "ps", "time_step": 1.0} | source
    stride = source.get("stride", 1)
    units["time_step"] *= stride
    trajectory = from_arrays(arrays, name, units)
    return replace(trajectory, box=followed_box(boxes, source))


def _frames(path: Path, name: str) -> Iterator:
    """Yield the frames as ASE's Atoms, one at a time."""
    from ase.io import read as read_frame

    # Frame by frame: ASE's search for the last frame reads as many lines as the file announces,
    # even after its end.
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                n_atoms = int(line)
                rows = [line, *islice(lines, n_atoms + 1)]
                if len(rows) < n_atoms + 2:
                    raise EOFError(f"{len(rows) - 2} of {line.strip()} atoms before the end")
                atoms = read_frame(StringIO("".join(rows)), format="extxyz")
            except Exception as error:  # ASE's parser raises all kinds of errors
                raise ValueError(
                    f"{name}: ASE cannot read it as extended XYZ ({type(error).__name__}: {error});"
                    " expected chemical symbols (X for anything else) and the number of atoms "
                    "before each frame; or `format: molecules`"
                ) from error
            yield atoms


def _columns(atoms) -> dict[str, np.ndarray]:
    """The per-atom arrays of a frame by name; momenta as velocities in Angstrom per ps."""
    from ase import units

    columns = dict(atoms.arrays)
    results = atoms.calc.results if atoms.calc else {}
    for name, value in results.items():
        shape = np.shape(value)
        if shape[:1] == (len(atoms),):
            columns[name] = value
    columns.pop("numbers", None)
    if atoms.has("momenta"):
        velocity = atoms.get_velocities() * 1000 * units.fs  # ASE's unit of time is 10.18 fs
        columns.setdefault("velocities", velocity)
    columns["position"] = columns.pop("positions")
    columns["species"] = np.array(atoms.get_chemical_symbols())
    return columns


def _check_same(
    name: str, number: int, columns: dict[str, np.ndarray], first: dict[str, np.ndarray]
) -> None:
    """Check that a frame has the atoms and columns of the first frame."""
    species = columns["species"]
    expected = first["species"]
    if len(expected) != len(species):
        raise ValueError(
            f"{name}: frame {number} has {len(species)} atoms, the first {len(expected)}; "
            "expected the same atoms in every frame: "
            "one file for each set of atoms, one source for each"
        )
    changed = np.flatnonzero(expected != species)
    if len(changed):
        atom = changed[0]
        raise ValueError(
            f"{name}: atom {atom} is {species[atom]} in frame {number} and {expected[atom]} in the "
            "first; expected the same atoms in the same order"
        )
    missing = sorted(set(first) - set(columns))
    if missing:
        raise ValueError(
            f"{name}: frame {number} has no column {missing[0]!r}, which the first frame has"
        )


def _chosen(name: str, source: dict, columns: dict[str, np.ndarray]) -> dict[str, str]:
    """The column of each array, by the array's name."""
    chosen = {"position": "position", "species": "species"}
    for what, usual in COLUMNS.items():
        present = [column for column in usual if column in columns]
        if present:
            chosen[what] = present[0]
    named = source.get("arrays", {})
    for what, column in named.items():
        if column not in columns:
            near = nearest(column, list(columns))
            raise ValueError(f"{name}: no column {column!r} for {what}; correct `arrays:`; {near}")
        chosen[what] = column
    return chosen
