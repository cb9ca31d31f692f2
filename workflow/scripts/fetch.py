"""Make a trajectory file from a download (`kind: download`) or from a user's own file (`kind: file`)."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from equitraj.base import command
from equitraj.base.registry import nearest
from equitraj.data import trajectory as files
from equitraj.data.sources import declared, download
from equitraj.data.sources.arrays import from_array, load_array
from equitraj.data.trajectory import Trajectory


def fetch_download(source: dict, mirror: str | None, output: Path) -> Trajectory:
    """Download an array file beside `output`, read it, remove it."""
    local = output.with_name(f"download-{download.file_name(source['url'])}")
    try:
        address = download.fetch(source["url"], source["sha256"], local, mirror)
        trajectory = from_array(load_array(local, source.get("array"), address), address, source)
    finally:
        local.unlink(missing_ok=True)
    return replace(trajectory, provenance={"address": address, "sha256": source["sha256"].lower()})


def read_own_file(source: dict, mirror: str | None, output: Path) -> Trajectory:
    """Read the file that `path` of the source names."""
    from equitraj.data.sources.file import read_file

    trajectory = read_file(source)
    here = {"address": source["path"], "sha256": download.file_sha256(source["path"])}
    return replace(trajectory, provenance=trajectory.provenance | here)


READERS = {"download": fetch_download, "file": read_own_file}
NEEDED = {"download": ("url", "sha256"), "file": ("path",)}


def check_keys(source: dict) -> None:
    """Raise ValueError unless `source` has a kind that is known here and the keys that this kind needs."""
    kind = source.get("kind")
    if kind not in READERS:
        raise ValueError(f"kind: unknown value {kind!r}; {nearest(kind, list(READERS))}")
    if missing := [key for key in NEEDED[kind] if not source.get(key)]:
        raise ValueError(f"source of kind {kind}: no value for {', '.join(missing)} in {json.dumps(source)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=json.loads, required=True, help="the source of the config, as JSON")
    parser.add_argument("--mirror", default="", help="a folder or an address that is tried first")
    parser.add_argument("--output", type=Path, required=True, help="the trajectory file to write")
    arguments = parser.parse_args()
    source = arguments.source
    check_keys(source)
    trajectory = READERS[source["kind"]](source, arguments.mirror or None, arguments.output)
    trajectory = declared.apply(trajectory, trajectory.provenance["address"], source)
    trajectory = replace(trajectory, provenance=trajectory.provenance | {"source": source})
    files.write(arguments.output, trajectory)
    frames, points, dimension = trajectory.position.shape
    print(f"{arguments.output}: {frames} frames of {points} points in {dimension}-D", file=sys.stderr)


if __name__ == "__main__":
    command.run(main)
