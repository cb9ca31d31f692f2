"""The entry of a source: what reads it, what it needs, and the keys that would have no effect."""

import numpy as np
import pytest

from equitraj.base.registry import names
from equitraj.data.sources import entry

SHA256 = "0" * 64
WEB = {"kind": "download", "url": "https://host/a.npz", "sha256": SHA256}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "b.npz", "a.csv", "a.xyz", "a.h5", "a.xtc", "a.gro", "a.txt", "a.amc"):
        (tmp_path / name).touch()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"path": "a.npz"}, "arrays"),
        ({"path": ["A.NPY", "b.npz"]}, "arrays"),
        ({"path": "a.csv"}, "tracks"),
        ({"path": "a.xyz"}, "xyz"),
        ({"path": "a.xyz", "selection": "name C"}, "molecules"),
        ({"path": "a.h5"}, "hdf5"),
        ({"path": "a.h5", "topology": "a.gro"}, "molecules"),
        ({"path": "a.xtc"}, "molecules"),
        ({"path": "a.txt", "format": "tracks"}, "tracks"),
        ({"path": "a.amc", "topology": "a.asf"}, "mocap"),
        ({"url": "https://host/files/86720#a.csv"}, "tracks"),
        ({"url": "https://host/data/a.csv?version=2"}, "tracks"),
        ({"url": ["https://host/1/a.xtc"], "topology_url": "https://host/a.gro"}, "molecules"),
    ],
)
def test_what_reads_a_source(source, expected):
    assert entry.format_of(source) == expected and expected in names(entry.FORMATS)


def test_every_format_says_what_it_reads():
    suffixes = [
        suffix
        for name in names(entry.FORMATS)
        for suffix in entry.format_constant(name, "SUFFIXES")
    ]
    assert len(suffixes) == len(set(suffixes)) and all(
        entry.format_constant(name, "KEYS") for name in names(entry.FORMATS)
    )


@pytest.mark.parametrize(
    "source",
    [
        {
            "kind": "file",
            "path": "a.npz",
            "arrays": {"position": "x", "heat": "h"},
            "bonds": "none",
            "lift": "zeros",
        },
        {"kind": "file", "path": "*.npz", "array": "x", "stride": 2},
        {
            "kind": "file",
            "path": "a.csv",
            "gaps": "interpolate",
            "gap_frames": 2,
            "columns": {"x": "X"},
        },
        {
            "kind": "file",
            "path": "a.xtc",
            "topology": "a.gro",
            "unwrap": True,
            "selection": "all",
            "start": 3,
            "stop": 9,
        },
        {"kind": "file", "path": "a.xyz", "arrays": {"velocity": "v"}},
        WEB | {"array": "x"},
        WEB | {"sha256": None, "episodes": [1, 0], "omit_species": [1]},
        WEB | {"url": ["https://h/1/a.npz", "https://h/2#a.npz"], "sha256": [SHA256, None]},
        WEB
        | {
            "url": ["https://h/1/a.npz", "https://h/2/a.npz"],
            "sha256": [SHA256] * 2,
            "max_bytes": 10,
        },
        WEB
        | {
            "url": "https://h/a.xtc",
            "topology_url": "https://h/a.gro",
            "topology_sha256": SHA256,
            "unwrap": True,
        },
        {"kind": "simulate", "system": "bead_chain", "frames": 20, "bonds": "chain"},
    ],
)
def test_good_entries(here, source):
    entry.check(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "file"}, "path: no value; kind file needs it"),
        (
            {"kind": "download", "url": "https://host/a.npz"},
            "sha256: no value; kind download needs it, or null",
        ),
        (
            {"kind": "file", "path": "a.amc"},
            "topology: no value; kind file, format mocap .* needs it",
        ),
        (WEB | {"sha256": []}, "sha256: no value"),
        ({"kind": "file", "path": "c.npz"}, "path: no file 'c.npz'"),
        ({"kind": "file", "path": "c*.npz"}, "path: no file matches 'c.*npz'"),
        ({"kind": "file", "path": []}, "path: no value"),
        ({"kind": "file", "path": "a.xtc", "topology": "b.gro"}, "topology: no file 'b.gro'"),
        (
            {"kind": "file", "path": "a.npz", "unwrap": True},
            r"unwrap: has no effect without a `box:`",
        ),
        ({"kind": "file", "path": "a.npz", "gaps": "drop"}, "gaps: has no effect"),
        (
            {"kind": "file", "path": "a.csv", "arrays": {"x": "y"}},
            "arrays: has no effect on kind file, format tracks",
        ),
        ({"kind": "file", "path": "a.npz", "sha256": SHA256}, "sha256: has no effect"),
        (
            {"kind": "file", "path": "a.npz", "format": "array"},
            "format: unknown 'array'; .*Did you mean 'arrays'",
        ),
        ({"kind": "file", "path": "a.npz", "arrays": {"velocity": "v"}}, "arrays: no position"),
        ({"kind": "file", "path": "a.csv", "gap_frames": 3}, "gap_frames: the longest gap"),
        ({"kind": "file", "path": "a.csv", "gaps": "interpolate"}, "gap_frames: the longest gap"),
        (
            {"kind": "file", "path": "a.npz", "start": 5, "stop": 6},
            "stop: 6 leaves 1 frames after start: 5",
        ),
        (
            {"kind": "file", "path": "a.xtc", "topology_url": "https://h/a.gro"},
            "topology_url: has no effect",
        ),
        (
            WEB | {"url": "ftp://host/a.npz"},
            "url: 'ftp://host/a.npz'; expected the http.s. address of a file",
        ),
        (WEB | {"url": "https:///a.npz"}, "url: 'https:///a.npz'; expected"),
        (
            WEB | {"url": ["https://h/a.npz"] * 2},
            "url: 2 addresses, sha256: 1 checksums; give one for each",
        ),
        (
            WEB | {"url": "https://h/a.xtc", "topology_url": "https://h/a.gro"},
            "topology_url: 1 addresses, .* 0 checksums",
        ),
        (
            {"kind": "simulate", "system": "bead_chain", "array": "x"},
            "array: has no effect on kind simulate",
        ),
        ({"kind": "files"}, "kind: unknown value 'files'; .*Did you mean 'file'"),
    ],
)
def test_bad_entries(here, source, expected):
    with pytest.raises(ValueError, match=f"^{expected}"):
        entry.check(source)


def test_numbers_in_names_do_not_sort_by_value(tmp_path):
    """As a shell sorts: pad numbers with zeros, or list the files."""
    for i in (1, 2, 10):
        np.save(tmp_path / f"t{i}.npy", np.zeros(1))
    assert [path[-6:] for path in entry.paths({"path": str(tmp_path / "*.npy")})] == [
        "t1.npy",
        "10.npy",
        "t2.npy",
    ]
