"""The arrays of a file, and their roles by name and shape, before any of them is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import h5py
from numpy.lib import format as npy

from equitraj.data.sources.formats.hdf5 import SUFFIXES as HDF5

# Names that arrays often have, by role, the most certain first.
NAMES = {
    role: names.split()
    for role, names in {
        "position": "positions position pos coordinates coords trajectory traj xyz xy loc x r arr",
        "velocity": "velocities velocity vel v",
        "mass": "mass masses m",
        "charge": "charge charges q",
        "species": "species types type atomic_numbers numbers elements z",
        "bonds": "bonds edges",
        "episode": "episode episodes trial trials",
        "time": "time times t",
    }.items()
}
INTEGERS = ("int", "uint")


@dataclass(frozen=True)
class Array:
    """An array of a file: its name, shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def word(self) -> str:
        """The name in small letters, without its folder and the `value` of an H5MD series."""
        path = self.name.removesuffix("/value")
        name = path.rpartition("/")[2]
        return name.lower()

    @property
    def is_integer(self) -> bool:
        """Whether the values are integers."""
        return self.dtype.startswith(INTEGERS)


def arrays(path: Path) -> list[Array]:
    """The arrays of a .npz or HDF5 file, from their headers alone; none for other files.

    Links to other files are not followed, and Python objects are not read.

    Raises:
        ValueError: the file is damaged.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".npz":
            return _archived(path)
        return _stored(path) if suffix in HDF5 else []
    except (OSError, BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); save it again") from error


def needs_names(path: Path) -> bool:
    """Whether a source must name the arrays of the file.

    It must for a .npz file with several arrays, and for an HDF5 file that this workflow did not
    write.
    """
    suffix = path.suffix.lower()
    if suffix in HDF5:
        with h5py.File(path, "r") as file:
            parameters = file.get("parameters", file)
            return "provenance" not in parameters.attrs
    if suffix == ".npz":
        return len(arrays(path)) > 1
    return False


def _archived(path: Path) -> list[Array]:
    members = []
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as file:
                is_first_version = npy.read_magic(file) == (1, 0)
                read = npy.read_array_header_1_0 if is_first_version else npy.read_array_header_2_0
                shape, _, dtype = read(file)
            members.append(Array(name.removesuffix(".npy"), shape, str(dtype)))
    return members


def _stored(path: Path) -> list[Array]:
    datasets = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            datasets.append(Array(name, item.shape, str(item.dtype)))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return datasets


def guessed(arrays: list[Array]) -> dict[str, Array]:
    """The arrays by role: `position`, and the other keys of `NAMES` where name and shape fit.

    Raises:
        ValueError: no array has the shape of positions.
    """
    numeric = [array for array in arrays if array.is_integer or array.dtype.startswith("float")]
    likely = [array for array in numeric if _can_be_positions(array)]
    if not likely:
        others = ", ".join(described(arrays, {}))
        raise ValueError(
            "no array of positions, (frames, points, 2 or 3); "
            f"the file has: {others or 'no arrays'}"
        )
    position = min(likely, key=_rank)
    numeric.remove(position)
    roles = {"position": position}
    for role, fits in _fitting(position.shape).items():
        names = NAMES[role]
        named = [array for array in numeric if array.word in names and fits(array)]
        if named:
            roles[role] = min(named, key=lambda array: names.index(array.word))
    return roles


def _can_be_positions(array: Array) -> bool:
    shape = array.shape
    if len(shape) not in (3, 4):
        return False
    return shape[-1] in (2, 3)


def _rank(array: Array) -> int:
    """A number that is low for names of positions, and high for names of other arrays."""
    known = NAMES["position"]
    if array.word in known:
        return known.index(array.word)
    if any(array.word in names for names in NAMES.values()):
        return 198
    return 99


def _fitting(shape: tuple[int, ...]) -> dict[str, Callable[[Array], bool]]:
    """For each role, whether an array can have it if the positions have this `shape`."""

    def like_positions(array: Array) -> bool:
        return array.shape == shape

    def per_point(array: Array) -> bool:
        n_points = shape[-2]
        return array.shape[-1:] == (n_points,) or array.shape[-2:] == (n_points, 1)

    def per_frame(array: Array) -> bool:
        return array.shape in (shape[:1], shape[:-2])

    def pairs(array: Array) -> bool:
        return len(array.shape) == 2 and array.shape[1] == 2 and array.is_integer

    return {
        "velocity": like_positions,
        "mass": per_point,
        "charge": per_point,
        "species": per_point,
        "bonds": pairs,
        "episode": per_frame,
        "time": per_frame,
    }


def described(arrays: list[Array], roles: dict[str, Array]) -> list[str]:
    """A line for each array, with its role."""
    role_of = {array.name: role for role, array in roles.items()}
    lines = []
    for array in arrays:
        line = f"{array.name} {array.shape} {array.dtype}"
        role = role_of.get(array.name)
        if role:
            line += f", taken for {role}"
        lines.append(line)
    return lines
