"""A conda channel made from PyPI wheels and from the Python that runs this, for machines on which
no conda is at hand.

It holds what the environment files name and what that needs, in one version each, so that a solver
has real work to do and the files can be used as they are. Conda's own builds are not tested by it.
The commands of wheels are left out.
"""

import asyncio
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from email import message_from_bytes
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import zstandard
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from rattler.index import index_fs

from environments import CONDA_NAME, PYPI_NAME, pins

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
NOT_PACKED = re.compile(
    r"/(site-packages|test|idlelib|tkinter|turtledemo|ensurepip|config-[^/]*|__pycache__)/|\.a$"
)
UNREACHABLE = "Retrying (Retry("  # pip's words when it cannot connect


class Unavailable(Exception):
    """The wheels cannot be had on this machine, for a reason that is not the project's."""


class File(NamedTuple):
    """A member of a package: its path below the prefix, and its content or the file that it links
    to."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    link: str | None = None


def requirements(environments: Iterable[Path]) -> list[str]:
    """The pins of environment files for pip; of torch the build that is installed, because others
    are gigabytes."""
    pinned = {
        PYPI_NAME.get(name, name): pin for path in environments for name, pin in pins(path).items()
    }
    installed = version("torch")
    if installed != f"{pinned['torch']}+cpu":
        raise Unavailable(
            f"torch {installed} is installed, not {pinned['torch']}+cpu: wheels for CUDA are "
            "gigabytes"
        )
    return [
        f"{name}=={pin}"
        for name, pin in (pinned | {"torch": installed}).items()
        if name != "python"
    ]


def download(environments: Iterable[Path], folder: Path) -> list[Path]:
    """Fetch the wheels of environment files and all that they need; the largest first."""
    wanted = requirements(environments)
    options = ["--quiet", "--retries", "1", "--only-binary", ":all:", "--dest", str(folder)]
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *wanted], capture_output=True, text=True
    )
    if pip.returncode and UNREACHABLE in pip.stderr:
        raise Unavailable(
            f"pip cannot reach its package index: {pip.stderr.strip().splitlines()[0][:300]}"
        )
    if pip.returncode and "No matching distribution found for torch==" in pip.stderr:
        raise Unavailable(f"pip finds no CPU build of torch: {pip.stderr.strip().splitlines()[-1]}")
    assert pip.returncode == 0, pip.stderr[-3000:]
    return sorted(folder.glob("*.whl"), key=lambda wheel: -wheel.stat().st_size)


def wheel_files(wheel: zipfile.ZipFile) -> Iterator[File]:
    """The files of a wheel where an installer would put them."""
    for member in wheel.infolist():
        special = re.fullmatch(r"[^/]+\.data/(\w+)/(.*)", member.filename)
        kind, name = special.groups() if special else ("purelib", member.filename)
        if kind in ("purelib", "platlib", "data") and not member.is_dir():
            path = name if kind == "data" else f"{SITE_PACKAGES}/{name}"
            yield File(
                path, wheel.read(member), 0o755 if (member.external_attr >> 16) & 0o111 else 0o644
            )


def wheel_depends(metadata: bytes) -> list[str]:
    """What a wheel needs here, in conda's words."""
    needed = map(Requirement, message_from_bytes(metadata).get_all("Requires-Dist") or ())
    here = [need for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    names = [canonicalize_name(need.name) for need in here]
    specs = [
        f"{CONDA_NAME.get(name, name)} {need.specifier}".strip()
        for name, need in zip(names, here, strict=True)
    ]
    return [f"python {PYTHON}.*", *specs]


def python_files(base: Path) -> Iterator[File]:
    """The interpreter with its standard library. A libpython named by an absolute path is used from
    where it is."""
    patterns = (f"bin/python{PYTHON}", f"lib/libpython{PYTHON}.so*", f"lib/python{PYTHON}/**/*")
    for file in sorted(path for pattern in patterns for path in base.glob(pattern)):
        path = file.relative_to(base).as_posix()
        if file.is_symlink():
            yield File(path, link=str(file.readlink()))
        elif file.is_file() and not NOT_PACKED.search(path):
            yield File(path, file.read_bytes(), file.stat().st_mode & 0o777)
    yield from (File(f"bin/{name}", link=f"python{PYTHON}") for name in ("python", "python3"))


def _add_tar(package: zipfile.ZipFile, name: str, files: Iterable[File]) -> list[dict]:
    """Write a compressed tar into a package; what paths.json says of its members."""
    entries = []
    with (
        package.open(f"{name}.tar.zst", "w", force_zip64=True) as raw,
        zstandard.ZstdCompressor(level=1).stream_writer(raw) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.size, member.mode = len(file.data), file.mode
            if file.link:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
            tar.addfile(member, io.BytesIO(file.data))
            entries.append(
                {
                    "_path": file.path,
                    "path_type": "softlink" if file.link else "hardlink",
                    "size_in_bytes": len(file.data),
                    "sha256": hashlib.sha256(file.data).hexdigest(),
                }
            )
    return entries


def write_package(
    subdir: Path, name: str, version: str, depends: list[str], files: Iterable[File]
) -> None:
    """Write a .conda file: a zip of metadata.json and two compressed tars, of the files and of
    facts about them."""
    stem = f"{name}-{version}-0"
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends}
    index |= {"subdir": subdir.name, "platform": "linux", "arch": "x86_64"}
    with zipfile.ZipFile(subdir / f"{stem}.conda", "w", zipfile.ZIP_STORED) as package:
        package.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        paths = _add_tar(package, f"pkg-{stem}", files)
        info = {
            "index.json": index,
            "paths.json": {"paths": paths, "paths_version": 1},
            "about.json": {},
        }
        _add_tar(
            package,
            f"info-{stem}",
            [File(f"info/{k}", json.dumps(v).encode()) for k, v in info.items()],
        )


def convert(wheel: Path, subdir: Path) -> None:
    """Write the conda package of a wheel."""
    name, version, *_ = parse_wheel_filename(wheel.name)
    with zipfile.ZipFile(wheel) as file:
        metadata = next(
            path for path in file.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)
        )
        depends = wheel_depends(file.read(metadata))
        write_package(
            subdir, CONDA_NAME.get(name, name), version.public, depends, wheel_files(file)
        )


def build(folder: Path, environments: Iterable[Path]) -> Path:
    """Make a channel named conda-forge in `folder` that satisfies the environment files; its
    folder."""
    channel = folder / "conda-forge"
    subdir = channel / "linux-64"
    for name in ("linux-64", "noarch"):  # a channel has both, even if one is empty
        (channel / name).mkdir(parents=True)
    wheels = download(environments, folder / "wheels")
    write_package(
        subdir,
        "python",
        "{}.{}.{}".format(*sys.version_info),
        [],
        python_files(Path(sys.base_prefix)),
    )
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(convert, wheels, [subdir] * len(wheels)))
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    return channel
