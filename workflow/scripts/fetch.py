"""Make a trajectory file from a download (`kind: download`) or from a user's own file (`kind:
file`)."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from equitraj.base import addresses, command
from equitraj.base.files import file_sha256
from equitraj.data import trajectory as files
from equitraj.data.sources import declared, download, entry
from equitraj.data.sources.limits import MAX_BYTES
from equitraj.data.sources.reading import read_file, read_files
from equitraj.data.trajectory import Trajectory


def fetch_download(source: dict, mirror: str | None, output: Path) -> Trajectory:
    """Download the files of a source into the folder of `output`, read them, and remove them."""
    urls = entry.listed(source["url"])
    topologies = entry.listed(source.get("topology_url") or [])
    pinned = entry.sums(source["sha256"], urls)
    pinned += entry.sums(source.get("topology_sha256", []), topologies)
    wanted = list(zip(urls + topologies, pinned, strict=True))
    paths = []
    for i, (url, _) in enumerate(wanted):
        number = f"{i}-" if len(wanted) > 1 else ""
        paths.append(output.with_name(f"download-{number}{download.file_name(url)}"))
    limit = source.get("max_bytes", MAX_BYTES)
    origins, sums = [], []
    try:
        for (url, sha256), path in zip(wanted, paths, strict=True):
            address = addresses.whole(url)
            origins.append(download.fetch(address, sha256, path, mirror, max_bytes=limit))
        for (url, sha256), path in zip(wanted, paths, strict=True):
            sums.append(sha256 or _unpinned(url, path))
        local = source | ({"topology": str(paths[-1])} if topologies else {})
        positions = [str(path) for path in paths[: len(urls)]]
        trajectory = read_files(positions, local, origins[: len(urls)])
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
    provenance: dict[str, object] = {"address": origins[: len(urls)], "sha256": sums[: len(urls)]}
    if len(urls) == 1:
        provenance = {"address": origins[0], "sha256": sums[0]}
    if topologies:
        provenance["topology"] = {"address": origins[-1], "sha256": sums[-1]}
    return replace(trajectory, provenance=trajectory.provenance | provenance)


def _unpinned(url: str, path: Path) -> str:
    """Return the sha256 of a file whose source states none, and print it for the user to pin."""
    sha256 = file_sha256(path)
    shown = addresses.without_secrets(url)
    print(
        f"{shown}: not checked, its source has no sha256; to pin what was fetched: sha256: "
        f"{sha256}",
        file=sys.stderr,
    )
    return sha256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=json.loads, required=True, help="the source of the config, as JSON"
    )
    parser.add_argument("--mirror", default="", help="a folder or an address that is tried first")
    parser.add_argument("--output", type=Path, required=True, help="the trajectory file to write")
    arguments = parser.parse_args()
    source = arguments.source
    entry.check(source)
    if source["kind"] == "download":
        mirror = addresses.whole(arguments.mirror) or None
        trajectory = fetch_download(source, mirror, arguments.output)
    else:
        trajectory = read_file(source)
    name = declared.name_of(trajectory.provenance["address"])
    trajectory = declared.apply(trajectory, name, source)
    provenance = trajectory.provenance | {"source": addresses.hidden(source)}
    trajectory = replace(trajectory, provenance=provenance)
    files.write(arguments.output, trajectory)
    frames, points, dimension = trajectory.position.shape
    print(
        f"{arguments.output}: {frames} frames of {points} points in {dimension}-D", file=sys.stderr
    )


if __name__ == "__main__":
    command.run(main)
