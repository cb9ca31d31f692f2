"""Reading of files as one trajectory: each file is read by its format, then all are joined.

The format is the one that the source names, or the one that the suffix of the file belongs to.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from equitraj.data.sources import declared, entry, episodes
from equitraj.data.sources.download import file_sha256
from equitraj.data.trajectory import Trajectory


def read_file(source: dict) -> Trajectory:
    """The trajectory of `source`, whose `path` is a file, a pattern of files, or a list of both.

    Raises:
        ValueError: no such file, or a file that cannot be read as a trajectory.
    """
    paths = entry.paths(source)
    trajectory = read_files(paths, source)
    sums = [file_sha256(path) for path in paths]
    origin: dict[str, object] = {"address": paths, "sha256": sums}
    if len(paths) == 1:
        origin = {"address": paths[0], "sha256": sums[0]}
    topology = source.get("topology")
    if topology:
        origin["topology"] = {"address": topology, "sha256": file_sha256(topology)}
    return replace(trajectory, provenance=trajectory.provenance | origin)


def read_files(paths: list[str], source: dict, names: list[str] | None = None) -> Trajectory:
    """Read `paths` with the keys of `source`, as the episodes of one trajectory.

    Messages use `names` in place of the paths, if they are given.

    Raises:
        ValueError: a file that cannot be read as a trajectory, or one that differs from the first.
    """
    names = names or [str(path) for path in paths]
    reader = import_module(f"equitraj.data.sources.formats.{entry.format_of(source)}")
    parts = []
    for path, name in zip(paths, names, strict=True):
        part = reader.read(Path(path), source, name)
        parts.append(part)
    if not hasattr(reader, "STREAMS"):
        parts = [episodes.cut(part, source) for part in parts]
    joined = episodes.join(parts, names)
    return episodes.chosen(joined, source, declared.name_of(names))
