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
    """Download the files of a source beside `output`, read them, remove them."""
    urls, topologies = entry.listed(source["url"]), entry.listed(source.get("topology_url") or [])
    sums = entry.sums(source["sha256"], urls) + entry.sums(
        source.get("topology_sha256", []), topologies
    )
    wanted = list(zip(urls + topologies, sums, strict=True))
    numbered = len(wanted) > 1
    locals_ = [
        output.with_name(f"download-{f'{i}-' if numbered else ''}{download.file_name(url)}")
        for i, (url, _) in enumerate(wanted)
    ]
    limit = source.get("max_bytes", MAX_BYTES)
    try:
        givers = [
            download.fetch(addresses.whole(url), sha256, local, mirror, max_bytes=limit)
            for (url, sha256), local in zip(wanted, locals_, strict=True)
        ]
        found = [
            given or _unpinned(url, path)
            for (url, given), path in zip(wanted, locals_, strict=True)
        ]
        here = source | ({"topology": str(locals_[-1])} if topologies else {})
        trajectory = read_files(
            [str(path) for path in locals_[: len(urls)]], here, givers[: len(urls)]
        )
    finally:
        for path in locals_:
            path.unlink(missing_ok=True)
    which = 0 if len(urls) == 1 else slice(len(urls))
    provenance = {"address": givers[which], "sha256": found[which]}
    if topologies:
        provenance["topology"] = {"address": givers[-1], "sha256": found[-1]}
    return replace(trajectory, provenance=trajectory.provenance | provenance)


def _unpinned(url: str, path: Path) -> str:
    """The sha256 of a file whose source gives none, said so that it can be pinned."""
    found = file_sha256(path)
    shown = addresses.without_secrets(url)
    print(
        f"{shown}: not checked, its source has no sha256; to pin what was fetched: sha256: {found}",
        file=sys.stderr,
    )
    return found


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
        trajectory = fetch_download(
            source, addresses.whole(arguments.mirror) or None, arguments.output
        )
    else:
        trajectory = read_file(source)
    trajectory = declared.apply(
        trajectory, declared.name_of(trajectory.provenance["address"]), source
    )
    trajectory = replace(
        trajectory, provenance=trajectory.provenance | {"source": addresses.hidden(source)}
    )
    files.write(arguments.output, trajectory)
    frames, points, dimension = trajectory.position.shape
    print(
        f"{arguments.output}: {frames} frames of {points} points in {dimension}-D", file=sys.stderr
    )


if __name__ == "__main__":
    command.run(main)
