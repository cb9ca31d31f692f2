"""HDF5 files: those written by this workflow, and others with the paths of their data sets."""

from pathlib import Path

import h5py
import numpy as np

from equitraj.base.registry import nearest
from equitraj.data import trajectory as files
from equitraj.data.sources.limits import check_self_contained, check_unpacked
from equitraj.data.sources.named import from_arrays, mapping, without_species
from equitraj.data.trajectory import Trajectory

SUFFIXES = (".h5", ".hdf5", ".h5md")
KEYS = ("array", "arrays", "box", "unwrap", "omit_species", "time_step", "length_unit", "time_unit")


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The data sets that `array` or `arrays` of the source name; a file of this workflow needs no
    key.

    Raises:
        ValueError: the file is damaged, or its content lies in other files, or there is no such
        data set.
    """
    check_self_contained(path, name)
    with h5py.File(path, "r") as file:
        found = [key for key in _datasets(file)]
        unpacked = sum(file[key].size * file[key].dtype.itemsize for key in found)
        check_unpacked(name, unpacked, path.stat().st_size, source)
        if not (source.get("array") or source.get("arrays")):
            if "provenance" in file.get("parameters", file).attrs:
                return without_species(files.read(path), name, source)
            raise ValueError(
                f"{name}: not written by this workflow; name its data sets in `arrays:` of the source, as in "
                f"arrays: {{ position: {found[0] if found else 'PATH'} }}, or give a `topology:` where it is H5MD; "
                f"data sets: {', '.join(found[:20]) or 'none'}"
            )
        wanted = {
            what: _dataset(file, name, what, key, found) for what, key in mapping(source).items()
        }
        return from_arrays(wanted, name, source)


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda key, item: found.append(key) if isinstance(item, h5py.Dataset) else None)
    return found


def _dataset(file: h5py.File, name: str, what: str, key: str, found: list[str]) -> np.ndarray:
    item = file.get(key)
    if not isinstance(item, h5py.Dataset):
        raise ValueError(
            f"{name}: no data set {key!r} for {what}; correct `arrays:`; {nearest(key, found[:50])}"
        )
    text = h5py.check_string_dtype(item.dtype)
    if item.dtype.hasobject and not text:
        raise ValueError(f"{name}: {key} has values of type {item.dtype}; expected numbers")
    return np.asarray(item.asstr()[()], dtype=str) if text else item[()]
