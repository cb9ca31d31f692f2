"""The entry of a source in the configuration: its files, its format, and its allowed keys."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from equitraj.base.registry import LIBRARY, constant, names, nearest
from equitraj.data.sources.simulation import check_options

FORMATS = "data/sources/formats"
OTHERS = "molecules"  # the format for files that no other format reads
NEEDED = {"download": ("url", "sha256"), "simulate": ("system",), "file": ("path",)}
COMMON = ("kind", "name", "frames", "bonds", "lift", "lift_seed")
READ = ("format", "start", "stop", "stride", "episodes", "max_bytes")
KEYS = {
    "download": ("url", "sha256", *READ),
    "file": ("path", *READ),
    "simulate": ("system", "options"),
}
TOPOLOGY_KEYS = ("topology", "topology_url", "selection")
NOT_OF_KIND = {"download": ("topology",), "file": ("topology_url", "topology_sha256")}
CHECKSUMS = {"url": "sha256", "topology_url": "topology_sha256"}
GLOB = set("*?[")


def listed(value: str | Iterable[str]) -> list[str]:
    """A value, or a list of values, as a list."""
    if isinstance(value, str):
        return [value]
    return list(value)


def sums(value: str | list[str | None] | None, addresses: list[str]) -> list[str | None]:
    """The checksum of each address in lower case, None for an unknown one.

    The value None means that no checksum is known.
    """
    if value is None:
        return [None] * len(addresses)
    checksums = [value] if isinstance(value, str) else value
    return [checksum and checksum.lower() for checksum in checksums]


def paths(source: dict) -> list[str]:
    """The files of a source of kind `file`, in the order of its episodes.

    Files have the order of the list; the files that match a pattern are sorted.

    Raises:
        ValueError: a pattern without a matching file, or a file that does not exist.
    """
    files = []
    for path in listed(source["path"]):
        files.extend(_matching(path))
    needed = [("path", path) for path in files]
    needed.append(("topology", source.get("topology") or ""))
    for key, path in needed:
        if path and not Path(path).is_file():
            raise ValueError(
                f"{key}: no file {path!r}; paths are relative to the working directory"
            )
    return files


def _matching(path: str) -> list[str]:
    """The files that a path stands for: itself, or all files that match it as a pattern."""
    is_pattern = bool(GLOB & set(path)) and not Path(path).exists()
    if not is_pattern:
        return [path]
    files = sorted(match for match in glob(path, recursive=True) if Path(match).is_file())
    if not files:
        raise ValueError(
            f"path: no file matches {path!r}; paths are relative to the working directory"
        )
    return files


def is_web(address: str) -> bool:
    """Whether this is a web address: http or https, with a host, and without blanks."""
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, or brackets that are not closed
        return False
    if parts.scheme not in ("http", "https") or not has_host:
        return False
    return not any(sign.isspace() or not sign.isprintable() for sign in address)


def suffix(address: str) -> str:
    """The suffix of a path or an address in lower case; a name after `#` counts as the address."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        address = parts.fragment or parts.path
    path = PurePosixPath(address)
    return path.suffix.lower()


def format_of(source: dict) -> str:
    """The name of the file in `formats/` that reads a source.

    It is the source's `format`, or the format with the suffix of the source's first file. If that
    format does not have the source's keys, it is the format for all other files.

    Raises:
        ValueError: no such format.
    """
    formats = names(FORMATS)
    named = source.get("format")
    if named is not None and named not in formats:
        raise ValueError(f"format: unknown {named!r}; {nearest(named, formats)}")
    if named is not None:
        return named
    files = listed(source.get("path") or source["url"])
    ending = suffix(files[0])
    readers = [name for name in formats if ending in format_constant(name, "SUFFIXES")]
    reader = readers[0] if readers else OTHERS
    used = {key for key in TOPOLOGY_KEYS if source.get(key)}
    return reader if used <= set(format_constant(reader, "KEYS")) else OTHERS


def format_constant(name: str, what: str) -> tuple[str, ...]:
    """`SUFFIXES`, `KEYS` or `NEEDS` of a format, read without importing it.

    A format may have no `NEEDS`.
    """
    path = LIBRARY / FORMATS / f"{name}.py"
    default = () if what == "NEEDS" else None
    return constant(path, what, default)


def check(source: dict) -> None:
    """Check that a source has what its kind and its format need, and no key that they ignore.

    Raises:
        ValueError: a key that is missing or has no effect, an unknown system or format, or a file
            that does not exist.
    """
    kind = source.get("kind")
    if kind not in NEEDED:
        raise ValueError(f"kind: unknown value {kind!r}; {nearest(str(kind), list(NEEDED))}")
    for key in NEEDED[kind]:
        is_unpinned = key == "sha256" and source.get(key, "") is None  # null for unknown
        if not source.get(key) and not is_unpinned:
            unknown = ", or null if it is unknown" if key == "sha256" else ""
            raise ValueError(f"{key}: no value; kind {kind} needs it{unknown}")
    reader = f"kind {kind}"
    allowed = [*COMMON, *KEYS[kind]]
    if kind == "simulate":
        check_options(source["system"], source.get("options", {}))
    else:
        chosen = format_of(source)
        reader += f", format {chosen} (formats/{chosen}.py)"
        allowed += _format_keys(source, chosen, reader)
    for key in source:
        if key not in allowed:
            raise ValueError(f"{key}: has no effect on {reader}; {nearest(key, allowed)}")
    if kind == "file":
        paths(source)
    if kind == "download":
        _check_addresses(source)
    _check_values(source)


def _format_keys(source: dict, chosen: str, reader: str) -> list[str]:
    """The keys of the chosen format, after a check that the source has those that it needs."""
    kind = source["kind"]
    for key in format_constant(chosen, "NEEDS"):
        if kind == "download":
            key = f"{key}_url"
        if not source.get(key):
            raise ValueError(f"{key}: no value; {reader} needs it")
    unused = NOT_OF_KIND[kind]
    return [key for key in format_constant(chosen, "KEYS") if key not in unused]


def _check_addresses(source: dict) -> None:
    for url, sha256 in CHECKSUMS.items():
        addresses = listed(source.get(url) or [])
        checksums = sums(source.get(sha256, []), addresses)
        if len(addresses) != len(checksums):
            raise ValueError(
                f"{url}: {len(addresses)} addresses, {sha256}: {len(checksums)} checksums; "
                "give one for each, null for unknown"
            )
        for address in addresses:
            if not is_web(address) or not PurePosixPath(urlsplit(address).path).name:
                raise ValueError(f"{url}: {address!r}; expected the http(s) address of a file")


def _check_values(source: dict) -> None:
    start = source.get("start", 0)
    stop = source.get("stop")
    if stop is not None and stop - start < 2:
        n_frames = max(stop - start, 0)
        raise ValueError(
            f"stop: {stop} leaves {n_frames} frames after start: {start}; expected at least 2"
        )
    if (source.get("gaps") == "interpolate") != ("gap_frames" in source):
        raise ValueError(
            "gap_frames: the longest gap that is interpolated; "
            "`gaps: interpolate` needs it, and it has no effect otherwise"
        )
    if "unwrap" in source and "box" not in source and _has_key(source, "box"):
        raise ValueError("unwrap: has no effect without a `box:`; give it, or leave `unwrap:` out")
    has_position = "array" in source or "position" in source.get("arrays", {})
    if "arrays" in source and not has_position and _has_key(source, "array"):
        raise ValueError("arrays: no position; give the name of the array that holds the positions")


def _has_key(source: dict, key: str) -> bool:
    """Whether the format of a source has a key."""
    keys = format_constant(format_of(source), "KEYS")
    return key in keys
