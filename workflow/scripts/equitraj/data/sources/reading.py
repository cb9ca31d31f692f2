"""Files as one trajectory: each read by the format that a source names or its suffix tells, and
joined as episodes."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from equitraj.data.sources import declared, entry, episodes
from equitraj.data.sources.download import file_sha256
from equitraj.data.trajectory import Trajectory


def read_file(source: dict) -> Trajectory:
    """The trajectory of `source`, whose key `path` names a file, a pattern of files, or a list of
    both.

    Raises:
        ValueError: no such file, or a file that cannot be read as a trajectory.
    """
    paths = entry.paths(source)
    trajectory = read_files(paths, source)
    addresses, sums = paths, [file_sha256(path) for path in paths]
    here = (
        {"address": addresses, "sha256": sums}
        if len(paths) > 1
        else {"address": paths[0], "sha256": sums[0]}
    )
    if source.get("topology"):
        here["topology"] = {
            "address": source["topology"],
            "sha256": file_sha256(source["topology"]),
        }
    return replace(trajectory, provenance=trajectory.provenance | here)


def read_files(paths: list[str], source: dict, names: list[str] | None = None) -> Trajectory:
    """The episodes of `paths`, read as `source` says; `names` stand for the files in messages.

    Raises:
        ValueError: a file that cannot be read as a trajectory, or one that differs from the first.
    """
    names = names or [str(path) for path in paths]
    format_ = entry.format_of(source)
    reader = import_module(f"equitraj.data.sources.formats.{format_}")
    parts = [reader.read(Path(path), source, name) for path, name in zip(paths, names, strict=True)]
    if not hasattr(reader, "STREAMS"):
        parts = [episodes.cut(part, source) for part in parts]
    return episodes.chosen(episodes.join(parts, names), source, declared.name_of(names))
