"""HDF5 files: files written by this workflow, and other files with the paths of their data sets."""

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
    """The trajectory of the data sets that `array` or `arrays` of the source name.

    A file written by this workflow needs neither.

    Raises:
        ValueError: the file is damaged, its content lies in other files, or a data set does not
            exist.
    """
    check_self_contained(path, name)
    with h5py.File(path, "r") as file:
        datasets = _datasets(file)
        unpacked = sum(dataset.size * dataset.dtype.itemsize for dataset in datasets.values())
        check_unpacked(name, unpacked, path.stat().st_size, source)
        paths = list(datasets)
        if source.get("array") or source.get("arrays"):
            keys = mapping(source)
            arrays = {what: _values(file, name, what, key, paths) for what, key in keys.items()}
            return from_arrays(arrays, name, source)
        if "provenance" in file.get("parameters", file).attrs:
            return without_species(files.read(path), name, source)
        example = paths[0] if paths else "PATH"
        raise ValueError(
            f"{name}: not written by this workflow; name its data sets in `arrays:` of the source, "
            f"as in arrays: {{ position: {example} }}, or give a `topology:` where it is H5MD; "
            f"data sets: {', '.join(paths[:20]) or 'none'}"
        )


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All data sets of a file, by path."""
    datasets = {}

    def collect(path: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[path] = item

    file.visititems(collect)
    return datasets


def _values(file: h5py.File, name: str, what: str, key: str | None, paths: list[str]) -> np.ndarray:
    """The values of the data set at the path `key`."""
    item = file.get(key)
    if not isinstance(item, h5py.Dataset):
        near = nearest(key, paths[:50])
        raise ValueError(f"{name}: no data set {key!r} for {what}; correct `arrays:`; {near}")
    dtype = item.dtype
    if h5py.check_string_dtype(dtype):
        return np.asarray(item.asstr()[()], dtype=str)
    if dtype.hasobject:
        raise ValueError(f"{name}: {key} has values of type {dtype}; expected numbers")
    return item[()]
