"""What a file from others may not do: unpack to something far larger than itself, or name other
files as content."""

from pathlib import Path

import h5py

MAX_BYTES = (
    1 << 34
)  # of a download or of what a file unpacks to; the key `max_bytes` of a source raises it
SMALL_BYTES = (
    1 << 28
)  # below this a high ratio harms nobody: constant arrays do compress a thousandfold
MAX_RATIO = 100.0


def check_unpacked(name: str, unpacked: int, stored: int, source: dict) -> None:
    """Refuse to unpack, before anything is read, what its own header says to be too large.

    Raises:
        ValueError: `unpacked` bytes are more than the source's `max_bytes`, or more than 100 times
        the `stored` ones.
    """
    limit = source.get("max_bytes", MAX_BYTES)
    if unpacked > limit:
        raise ValueError(
            f"{name}: {unpacked} bytes when unpacked, more than `max_bytes: {limit}`; raise it in the source"
        )
    if unpacked > max(SMALL_BYTES, MAX_RATIO * stored) and "max_bytes" not in source:
        raise ValueError(
            f"{name}: {stored} bytes that unpack to {unpacked}, more than {MAX_RATIO:g} times as much, as in a "
            "decompression bomb; if the file is what you want, give the source `max_bytes:`"
        )


def check_self_contained(path: str | Path, name: str | None = None) -> None:
    """Refuse an HDF5 file whose content lies in other files: external links, external storage,
    virtual data sets.

    Raises:
        ValueError: not an HDF5 file, or one that names another file.
    """
    name = name or str(path)
    outside: list[str] = []
    try:
        with h5py.File(path, "r") as file:
            file.visititems_links(lambda key, link: outside.extend(_link_outside(key, link)))
            file.visititems(lambda key, item: outside.extend(_storage_outside(key, item)))
    except OSError as error:
        raise ValueError(f"{name}: not a readable HDF5 file ({error})") from error
    if outside:
        raise ValueError(
            f"{name}: {outside[0]}; a data set from others is not followed into other files: copy it into one file "
            "(h5repack, or h5py's copy with expand_external=True)"
        )


def _link_outside(key: str, link) -> list[str]:
    return (
        [f"{key} is a link into the file {link.filename!r}"]
        if isinstance(link, h5py.ExternalLink)
        else []
    )


def _storage_outside(key: str, item) -> list[str]:
    if not isinstance(item, h5py.Dataset):
        return []
    virtual = [source.file_name for source in item.virtual_sources()] if item.is_virtual else []
    files = [file for file, *_ in item.external or ()] + [file for file in virtual if file != "."]
    return [f"the values of {key} lie in the file {files[0]!r}"] if files else []
