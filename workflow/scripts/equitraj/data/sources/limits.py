"""Limits on files from other people: the size that they unpack to, and content in other files."""

from pathlib import Path

import h5py

# Largest size of a download and of an unpacked file; `max_bytes` of a source replaces it.
MAX_BYTES = 1 << 34
# Below this size a high ratio is harmless: a constant array compresses by a factor of 1000.
SMALL_BYTES = 1 << 28
MAX_RATIO = 100.0


def check_unpacked(name: str, unpacked: int, stored: int, source: dict) -> None:
    """Refuse a file that would unpack to too many bytes, before it is read.

    Args:
        name: of the file, for messages.
        unpacked: bytes after unpacking, according to the header of the file.
        stored: bytes of the file.
        source: may have `max_bytes`.

    Raises:
        ValueError: `unpacked` is more than the source's `max_bytes`, or more than 100 times
            `stored`.
    """
    limit = source.get("max_bytes", MAX_BYTES)
    if unpacked > limit:
        raise ValueError(
            f"{name}: {unpacked} bytes when unpacked, more than `max_bytes: {limit}`; "
            "raise it in the source"
        )
    if unpacked > max(SMALL_BYTES, MAX_RATIO * stored) and "max_bytes" not in source:
        raise ValueError(
            f"{name}: {stored} bytes that unpack to {unpacked}, more than {MAX_RATIO:g} times as "
            "much, as in a decompression bomb; if you trust the file, give the source `max_bytes:`"
        )


def check_self_contained(path: str | Path, name: str | None = None) -> None:
    """Refuse an HDF5 file with content in other files.

    External links, external storage and virtual data sets are such content.

    Raises:
        ValueError: the file is not an HDF5 file, or it names another file.
    """
    name = name or str(path)
    try:
        with h5py.File(path, "r") as file:
            # a visit ends at the first value that is not None, and returns it
            outside = file.visititems_links(_link_outside) or file.visititems(_storage_outside)
    except OSError as error:
        raise ValueError(f"{name}: not a readable HDF5 file ({error})") from error
    if outside:
        raise ValueError(
            f"{name}: {outside}; content in other files is not read: "
            "copy all into one file (h5repack, or h5py's copy with expand_external=True)"
        )


def _link_outside(key: str, link: object) -> str | None:
    if isinstance(link, h5py.ExternalLink):
        return f"{key} is a link into the file {link.filename!r}"
    return None


def _storage_outside(key: str, item: object) -> str | None:
    if not isinstance(item, h5py.Dataset):
        return None
    files = [file for file, *_ in item.external or ()]
    if item.is_virtual:
        files += [source.file_name for source in item.virtual_sources()]
    others = [file for file in files if file != "."]  # "." is the file itself
    return f"the values of {key} lie in the file {others[0]!r}" if others else None
