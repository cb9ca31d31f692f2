"""Trajectories from files."""

from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory


def read(path: str, **keys: object) -> Trajectory:
    """The trajectory in a file, a list of files, or a pattern of files, each of which is an
    episode.

    `keys` are those of a source of kind `file` in config.yaml: `array` and `arrays` for NumPy and
    HDF5 files, `columns` for tables of tracks, `topology`, `selection`, `unwrap` for what
    MDAnalysis reads.

    Returns an object with `position` (frames, points, 2 or 3), `episode` and `time` (frames,), and,
    where the file has them, `velocity`, `species`, `mass`, `bonds` and `features`; float64, in
    `length_unit` and `time_unit`.

    Raises:
        ValueError: no such file, or one that cannot be read; the message says what was expected.

    >>> import numpy, equitraj
    >>> numpy.save("walk.npy", numpy.random.default_rng(0).normal(size=(100, 5, 3)).cumsum(0))
    >>> equitraj.read("walk.npy").position.shape
    (100, 5, 3)
    """
    return read_file({"kind": "file", "path": path} | keys)
