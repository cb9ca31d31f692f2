"""Trajectories from files."""

from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory


def read(path: str, **keys: object) -> Trajectory:
    """Read the trajectory in a file, or in several files that are one episode each.

    `path` is a file, a list of files or a pattern. `keys` are the keys of a source of kind `file`
    in config.yaml: `array` and `arrays` for NumPy and HDF5 files, `columns` for tables of tracks,
    `topology`, `selection`, `unwrap` for files that MDAnalysis reads.

    Returns an object with `position` (frames, points, 2 or 3), `episode` and `time` (frames,), and,
    where the file has them, `velocity`, `species`, `mass`, `bonds` and `features`; float64, in
    `length_unit` and `time_unit`.

    Raises:
        ValueError: no such file, or a file that cannot be read; the message names what was
        expected.

    >>> import numpy, equitraj
    >>> numpy.save("walk.npy", numpy.random.default_rng(0).normal(size=(100, 5, 3)).cumsum(0))
    >>> equitraj.read("walk.npy").position.shape
    (100, 5, 3)
    """
    return read_file({"kind": "file", "path": path} | keys)
