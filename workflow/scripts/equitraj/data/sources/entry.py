"""The entry of a source in the configuration: which files it names, which format reads them, which
keys it may have."""

from glob import glob
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from equitraj.base.registry import LIBRARY, constant, names, nearest
from equitraj.data.sources.simulation import check_options

FORMATS = "data/sources/formats"
OTHERS = "molecules"  # reads what no other format claims
NEEDED = {"download": ("url", "sha256"), "simulate": ("system",), "file": ("path",)}
COMMON = ("kind", "name", "frames", "bonds", "lift", "lift_seed")
READ = ("format", "start", "stop", "stride", "episodes", "max_bytes")
KEYS = {"download": ("url", "sha256", *READ), "file": ("path", *READ)}
KEYS["simulate"] = ("system", "options")
GLOB = set("*?[")


def listed(value: str | list[str]) -> list[str]:
    """A value that may be a list, as a list."""
    return [value] if isinstance(value, str) else list(value)


def sums(value: str | list[str | None] | None, addresses: list[str]) -> list[str | None]:
    """The checksum of each address in lower case, None where none is known; one None stands for
    all."""
    return (
        [None] * len(addresses)
        if value is None
        else [each and each.lower() for each in listed(value)]
    )


def paths(source: dict) -> list[str]:
    """The files of a source of kind `file`, in the order of its episodes: as listed, a pattern's
    files sorted.

    Raises:
        ValueError: a pattern that nothing matches, or a file that is not there.
    """
    found: list[str] = []
    for path in listed(source["path"]):
        is_pattern = bool(GLOB & set(path)) and not Path(path).exists()
        matching = (
            sorted(p for p in glob(path, recursive=True) if Path(p).is_file())
            if is_pattern
            else [path]
        )
        if not matching:
            raise ValueError(
                f"path: no file matches {path!r}; paths are relative to the working directory"
            )
        found += matching
    for key, path in [("path", p) for p in found] + [("topology", source.get("topology"))]:
        if path and not Path(path).is_file():
            raise ValueError(
                f"{key}: no file {path!r}; paths are relative to the working directory"
            )
    return found


def is_web(address: str) -> bool:
    """Whether this is an address of the web: http or https, with a host, and without blanks."""
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False
    return known and not any(
        character.isspace() or not character.isprintable() for character in address
    )


def suffix(address: str) -> str:
    """The suffix of a path or of an address, or of the name behind its `#`, in lower case."""
    parts = urlsplit(address)
    is_web = parts.scheme in ("http", "https")
    return PurePosixPath(parts.fragment or parts.path if is_web else address).suffix.lower()


def format_of(source: dict) -> str:
    """The file in `formats/` that reads a source: the one it names, or by its keys and the suffix
    of its first file.

    Raises:
        ValueError: no such format.
    """
    if (chosen := source.get("format")) is not None:
        if chosen not in names(FORMATS):
            raise ValueError(f"format: unknown {chosen!r}; {nearest(chosen, names(FORMATS))}")
        return chosen
    ending = suffix(listed(source.get("path") or source["url"])[0])
    claims = next(
        (name for name in names(FORMATS) if ending in format_constant(name, "SUFFIXES")), OTHERS
    )
    asked = [key for key in ("topology", "topology_url", "selection") if source.get(key)]
    return claims if set(asked) <= set(format_constant(claims, "KEYS")) else OTHERS


def format_constant(name: str, what: str) -> tuple[str, ...]:
    """`SUFFIXES` or `KEYS` of a format, or `NEEDS`, which it may leave out, read without importing
    it."""
    return constant(LIBRARY / FORMATS / f"{name}.py", what, () if what == "NEEDS" else None)


def check(source: dict) -> None:
    """Check that a source has what its kind and its format need, and nothing that they ignore.

    Raises:
        ValueError: a key that is missing or has no effect, an unknown system or format, a file that
        is not there.
    """
    kind = source.get("kind")
    if kind not in NEEDED:
        raise ValueError(f"kind: unknown value {kind!r}; {nearest(str(kind), list(NEEDED))}")
    if missing := [
        key for key in NEEDED[kind] if not source.get(key) and not _is_unpinned(source, key)
    ]:
        unknown = ", or null where nobody tells it" if missing[0] == "sha256" else ""
        raise ValueError(f"{missing[0]}: no value; kind {kind} needs it{unknown}")
    allowed = [*COMMON, *KEYS[kind]]
    reader = f"kind {kind}"
    if kind == "simulate":
        check_options(source["system"], source.get("options", {}))
    else:
        chosen = format_of(source)
        reader = f"kind {kind}, format {chosen} (formats/{chosen}.py)"
        unused = {"topology_url", "topology_sha256"} if kind == "file" else {"topology"}
        allowed += [key for key in format_constant(chosen, "KEYS") if key not in unused]
        for key in format_constant(chosen, "NEEDS"):
            if not source.get(key := f"{key}_url" if kind == "download" else key):
                raise ValueError(f"{key}: no value; {reader} needs it")
    for key in source:
        if key not in allowed:
            raise ValueError(f"{key}: has no effect on {reader}; {nearest(key, allowed)}")
    if kind == "file":
        paths(source)
    if kind == "download":
        _check_addresses(source)
    _check_values(source)


def _is_unpinned(source: dict, key: str) -> bool:
    """Whether this is a checksum that the source says nobody knows."""
    return key == "sha256" and key in source and source[key] is None


def _check_addresses(source: dict) -> None:
    for url, sha256 in (("url", "sha256"), ("topology_url", "topology_sha256")):
        addresses = listed(source.get(url) or [])
        given = len(sums(source.get(sha256, []), addresses))
        if len(addresses) != given:
            raise ValueError(
                f"{url}: {len(addresses)} addresses, {sha256}: {given} checksums; give one for each, null for unknown"
            )
        for address in addresses:
            if not is_web(address) or not PurePosixPath(urlsplit(address).path).name:
                raise ValueError(f"{url}: {address!r}; expected the http(s) address of a file")


def _check_values(source: dict) -> None:
    start, stop = source.get("start", 0), source.get("stop")
    if stop is not None and stop - start < 2:
        raise ValueError(
            f"stop: {stop} leaves {max(stop - start, 0)} frames after start: {start}; expected at least 2"
        )
    if (source.get("gaps") == "interpolate") != ("gap_frames" in source):
        raise ValueError(
            "gap_frames: the longest gap that is bridged; it goes with `gaps: interpolate` and only with it"
        )
    if (
        "unwrap" in source
        and "box" not in source
        and "box" in format_constant(format_of(source), "KEYS")
    ):
        raise ValueError("unwrap: has no effect without a `box:`; give it, or leave `unwrap:` out")
    if (
        "arrays" in source
        and "position" not in source["arrays"]
        and "array" not in source
        and _named(source)
    ):
        raise ValueError("arrays: no position; give the name of the array that holds the positions")


def _named(source: dict) -> bool:
    """Whether the positions of a source are an array with a name."""
    return "array" in format_constant(format_of(source), "KEYS")
