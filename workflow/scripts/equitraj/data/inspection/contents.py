"""Which arrays a file holds, and which of them is what, by name and shape, before any is read."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import h5py
from numpy.lib import format as npy

from equitraj.data.sources.formats.hdf5 import SUFFIXES as HDF5

# Names that arrays go by, the surest first.
NAMES = {
    "position": "positions position pos coordinates coords trajectory traj xyz xy loc x r arr",
    "velocity": "velocities velocity vel v",
    "mass": "mass masses m",
    "charge": "charge charges q",
    "species": "species types type atomic_numbers numbers elements z",
    "bonds": "bonds edges",
    "episode": "episode episodes trial trials",
    "time": "time times t",
}


@dataclass(frozen=True)
class Array:
    """Attributes: name, shape and type of an array of a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def word(self) -> str:
        """The name in small letters, without its folder, and without the `value` of a series of
        H5MD."""
        return self.name.removesuffix("/value").rsplit("/", 1)[-1].lower()


def arrays(path: Path) -> list[Array]:
    """The arrays of a .npz or HDF5 file, from their heads alone; none for other files. Links to
    other files are not followed, and Python objects not read.

    Raises:
        ValueError: the file is damaged.
    """
    reader = {".npz": _archived} | dict.fromkeys(HDF5, _stored)
    try:
        return reader.get(path.suffix.lower(), lambda _: [])(path)
    except (OSError, BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); save it again") from error


def needs_names(path: Path) -> bool:
    """Whether a source must name arrays of the file: a .npz file of several, or HDF5 not written by
    this workflow."""
    if path.suffix.lower() in HDF5:
        with h5py.File(path, "r") as file:
            return "provenance" not in file.get("parameters", file).attrs
    return path.suffix.lower() == ".npz" and len(arrays(path)) > 1


def _archived(path: Path) -> list[Array]:
    found = []
    with ZipFile(path) as archive:
        for name in (n for n in archive.namelist() if n.endswith(".npy")):
            with archive.open(name) as file:
                version = npy.read_magic(file)
                head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = head(file)
            found.append(Array(name.removesuffix(".npy"), shape, str(dtype)))
    return found


def _stored(path: Path) -> list[Array]:
    found = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(Array(name, item.shape, str(item.dtype)))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def guessed(found: list[Array]) -> dict[str, Array]:
    """Which array is what: `position` and, where names and shapes agree with it, the keys of
    `NAMES`.

    Raises:
        ValueError: no array has the shape of positions.
    """
    numbers = [a for a in found if a.dtype.startswith(("float", "int", "uint"))]
    likely = [a for a in numbers if len(a.shape) in (3, 4) and a.shape[-1] in (2, 3)]
    known = NAMES["position"].split()
    others = {name for role, names in NAMES.items() if role != "position" for name in names.split()}
    ranked = sorted(
        likely,
        key=lambda a: known.index(a.word) if a.word in known else 99 + 99 * (a.word in others),
    )
    if not ranked:
        shapes = ", ".join(f"{a.name} {a.shape} {a.dtype}" for a in found)
        raise ValueError(
            f"no array of positions, (frames, points, 2 or 3); found: {shapes or 'no arrays'}"
        )
    roles = {"position": ranked[0]}
    numbers.remove(ranked[0])
    for role, fits in _fitting(ranked[0].shape).items():
        names = NAMES[role].split()
        named = sorted(
            (a for a in numbers if a.word in names and fits(a)), key=lambda a: names.index(a.word)
        )
        roles |= {role: named[0]} if named else {}
    return roles


def _fitting(shape: tuple[int, ...]) -> dict:
    """For each kind of array, whether an array can be one of positions of `shape`."""
    per_point = lambda a: a.shape[-1:] == shape[-2:-1] or a.shape[-2:] == (shape[-2], 1)  # noqa: E731
    per_frame = lambda a: a.shape in (shape[:1], shape[:-2])  # noqa: E731
    return {
        "velocity": lambda a: a.shape == shape,
        "mass": per_point,
        "charge": per_point,
        "species": per_point,
        "bonds": lambda a: len(a.shape) == 2
        and a.shape[1] == 2
        and a.dtype.startswith(("int", "uint")),
        "episode": per_frame,
        "time": per_frame,
    }


def described(found: list[Array], roles: dict[str, Array]) -> list[str]:
    """The arrays and what they are taken for."""
    taken = {array.name: role for role, array in roles.items()}
    return [
        f"{a.name} {a.shape} {a.dtype}"
        + (f", taken for {taken[a.name]}" if a.name in taken else "")
        for a in found
    ]
