"""Extended XYZ files, read by ASE: species, positions and whatever their `Properties=` name.

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
STREAMS = True  # takes `start`, `stop` and `stride` itself
KEYS = ("arrays", "unwrap", "omit_species", "time_step", "length_unit", "time_unit")
# Names that programs give to columns, in order of preference; all are in the file's own units.
COLUMNS = {
    "velocity": ("velocities", "velocity", "velo", "vel"),
    "charge": ("initial_charges", "charges", "charge"),
}
COLUMNS |= {"mass": ("masses", "mass")}
GIVEN = ("position", "species")  # columns that every file has


def read(path: Path, source: dict, name: str) -> Trajectory:
    """All frames of a file, of the same atoms in the same order.

    `arrays` of the source names columns: a velocity, a mass, a charge, features; without it the
    usual names of velocities, masses and charges are found. Momenta give velocities in Angstrom per
    ps.

    Raises:
        ValueError: not such a file, no such column, or atoms that change.
    """
    follow, frames, boxes = Follower(name, source.get("unwrap")), [], []
    for number, atoms, kept in strided(_frames(path, name), source):
        columns = _columns(atoms)
        _check_same(name, number, columns, frames)
        box = np.asarray(atoms.cell) * atoms.pbc[:, None]
        columns["position"] = follow(columns["position"], box, number)
        if kept:
            frames.append(columns)
            boxes.append(box)
    if not frames:
        raise ValueError(
            f"{name}: no frames from `start` to `stop`; expected extended XYZ with at least 2"
        )
    chosen = _chosen(name, source, frames[0])
    arrays = {
        what: np.stack([frame[column] for frame in frames]) for what, column in chosen.items()
    }
    arrays = {
        what: value[0]
        if what not in ("position", "velocity") and (value == value[0]).all()
        else value
        for what, value in arrays.items()
    }
    units = {"length_unit": "Angstrom", "time_unit": "ps", "time_step": 1.0} | source
    units["time_step"] *= source.get("stride", 1)
    return replace(from_arrays(arrays, name, units), box=followed_box(boxes, source))


def _frames(path: Path, name: str) -> Iterator:
    """The frames as ASE's Atoms, one at a time; its parser raises every kind of error."""
    from ase.io import read as read_frame

    # frame by frame, because ASE's search for the last one reads as many lines as the file claims,
    # past its end
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                rows = [line, *islice(lines, int(line) + 1)]
                if len(rows) < int(line) + 2:
                    raise EOFError(f"{len(rows) - 2} of {line.strip()} atoms before the end")
                atoms = read_frame(StringIO("".join(rows)), format="extxyz")
            except Exception as error:
                raise ValueError(
                    f"{name}: ASE cannot read it as extended XYZ ({type(error).__name__}: {error}); expected chemical "
                    "symbols (X for anything else) and the number of atoms before each frame; or `format: molecules`"
                ) from error
            yield atoms


def _columns(atoms) -> dict[str, np.ndarray]:
    """The per-atom arrays of a frame by name; momenta as velocities in Angstrom per ps."""
    from ase import units

    n_atoms, columns = len(atoms), dict(atoms.arrays)
    results = atoms.calc.results if atoms.calc else {}
    columns |= {k: v for k, v in results.items() if np.shape(v)[:1] == (n_atoms,)}
    columns.pop("numbers", None)
    if atoms.has("momenta"):
        columns.setdefault(
            "velocities", atoms.get_velocities() * 1000 * units.fs
        )  # ASE's time is 10.18 fs
    return columns | {
        "position": columns.pop("positions"),
        "species": np.array(atoms.get_chemical_symbols()),
    }


def _check_same(name: str, number: int, columns: dict, frames: list[dict]) -> None:
    """Refuse a frame whose atoms or columns are not those of the first one."""
    if not frames:
        return
    first = frames[0]
    if len(first["species"]) != len(columns["species"]):
        raise ValueError(
            f"{name}: frame {number} has {len(columns['species'])} atoms, the first {len(first['species'])}; expected "
            "the same atoms in every frame: one file for each set of atoms, one source for each"
        )
    if changed := np.flatnonzero(first["species"] != columns["species"]).tolist():
        raise ValueError(
            f"{name}: atom {changed[0]} is {columns['species'][changed[0]]} in frame {number} and "
            f"{first['species'][changed[0]]} in the first; expected the same atoms in the same order"
        )
    if missing := sorted(set(first) - set(columns)):
        raise ValueError(
            f"{name}: frame {number} has no column {missing[0]!r}, which the first frame has"
        )


def _chosen(name: str, source: dict, columns: dict) -> dict[str, str]:
    """Names to columns."""
    usual = {
        what: next((c for c in known if c in columns), None) for what, known in COLUMNS.items()
    }
    chosen = {"position": "position", "species": "species"} | {k: v for k, v in usual.items() if v}
    for what, column in source.get("arrays", {}).items():
        if column not in columns:
            raise ValueError(
                f"{name}: no column {column!r} for {what}; correct `arrays:`; {nearest(column, list(columns))}"
            )
        chosen[what] = column
    return chosen
