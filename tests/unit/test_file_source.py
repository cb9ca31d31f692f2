"""A user's own files: NumPy arrays, our files, and formats that MDAnalysis reads."""

import hashlib
import json
import warnings
from pathlib import Path

import h5py
import MDAnalysis
import numpy as np
import pytest

from called import called
from equitraj.data import trajectory as files
from equitraj.data.sources import declared
from equitraj.data.sources.named import from_arrays
from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory

CHAPTER_DATA = Path(__file__).parents[3] / "shared/data/paths.npz"
PLANAR = np.random.default_rng(1).normal(size=(9, 4, 2))
SPACE = np.random.default_rng(1).normal(size=(6, 4, 3)) * 5


@pytest.fixture
def molecule(tmp_path):
    """Four atoms with bonds in a PDB file, and six frames of them, 2.5 ps apart, in a DCD file."""
    universe = MDAnalysis.Universe.empty(4, trajectory=True, atom_resindex=[0] * 4)
    universe.add_TopologyAttr("names", ["C1", "C2", "C3", "O1"])
    universe.add_TopologyAttr("types", ["C", "C", "C", "O"])
    universe.add_TopologyAttr("elements", ["C", "C", "C", "O"])
    universe.add_TopologyAttr("bonds", [(0, 1), (1, 2), (2, 3)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe.atoms.positions = SPACE[0]
        universe.atoms.write(tmp_path / "four.pdb", bonds="all")
        with MDAnalysis.Writer(str(tmp_path / "four.dcd"), 4, dt=2.5) as writer:
            for frame in SPACE:
                universe.atoms.positions = frame
                writer.write(universe.atoms)
    return {"path": str(tmp_path / "four.dcd"), "topology": str(tmp_path / "four.pdb")}


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_numpy_files(tmp_path, name):
    np.save(tmp_path / name, PLANAR) if name.endswith("npy") else np.savez(
        tmp_path / name, arr=PLANAR
    )
    read = read_file(
        {"path": str(tmp_path / name), "time_step": 0.5, "length_unit": "nm", "time_unit": "ps"}
    )
    np.testing.assert_array_equal(read.position, PLANAR)
    np.testing.assert_array_equal(read.time, np.arange(9) * 0.5)
    assert (read.length_unit, read.time_unit, read.bonds) == (
        "nm",
        "ps",
        None,
    ) and not read.episode.any()


def test_integers_become_floats(tmp_path):
    assert (
        from_arrays({"position": np.ones((2, 3, 2), dtype=np.int32)}, "a", {}).position.dtype
        == np.float64
    )


def test_key_of_several_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", first=PLANAR, second=PLANAR + 1)
    source = {"path": str(tmp_path / "a.npz")}
    np.testing.assert_array_equal(read_file(source | {"array": "second"}).position, PLANAR + 1)
    for wrong in ({}, {"array": "secnd"}, {"arrays": {"position": "first", "velocity": "secnd"}}):
        with pytest.raises(ValueError, match="a.npz.*allowed: first, second"):
            read_file(source | wrong)


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut off", b"", b"<html>", b"\x93NUMPY\x01\x00"])
@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_damaged_numpy_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: not a"):
        read_file({"path": str(tmp_path / name)})


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(
        ValueError, match="holds Python objects, which are never unpickled; save trials .*np.stack"
    ):
        read_file({"path": str(tmp_path / "a.npy")})


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (
            np.where(np.arange(9)[:, None, None] == 4, np.nan, PLANAR),
            "npy: 8 positions are not finite.*frame 4",
        ),
        (np.zeros((9, 4)), r"npy: positions of shape \(9, 4\); expected"),
        (np.zeros((9, 4, 5)), r"npy: positions of shape \(9, 4, 5\); expected"),
        (np.zeros((0, 4, 2)), r"npy: positions of shape \(0, 4, 2\); expected"),
        (np.zeros(()), r"npy: positions of shape \(\); expected"),
        (np.zeros((1, 4, 2)), "npy: 1 frame; expected at least 2"),
        (PLANAR + 1j, "npy: position has values of type complex128; expected real numbers"),
        (np.full((9, 4, 2), "x"), "npy: position has values of type <U1; expected real numbers"),
    ],
)
def test_bad_arrays(tmp_path, position, expected):
    np.save(tmp_path / "a.npy", position)
    with pytest.raises(ValueError, match=expected):
        read_file({"path": str(tmp_path / "a.npy")})


def test_declared_bonds_and_frames():
    own = Trajectory(PLANAR, np.zeros(9, int), np.arange(9.0), bonds=np.array([[0, 3]]))
    assert declared.apply(own, "a", {}).bonds.tolist() == [[0, 3]]
    assert declared.apply(own, "a", {"bonds": "none"}).bonds is None
    assert declared.apply(own, "a", {"bonds": "chain", "frames": 9}).bonds.tolist() == [
        [0, 1],
        [1, 2],
        [2, 3],
    ]
    with pytest.raises(ValueError, match="a: 9 frames, but the source declares `frames: 10`"):
        declared.apply(own, "a", {"frames": 10})
    with pytest.raises(ValueError, match="Did you mean 'chain'"):
        declared.apply(own, "a", {"bonds": "chan"})


def test_our_own_file_keeps_everything(tmp_path):
    written = Trajectory(
        PLANAR,
        np.repeat([0, 1], [4, 5]),
        np.arange(9.0),
        velocity=PLANAR * 2,
        species=np.arange(4),
        mass=np.ones(4),
    )
    files.write(tmp_path / "a.h5", written)
    read = read_file({"path": str(tmp_path / "a.h5")})
    for name in ("position", "velocity", "episode", "species", "mass"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_mdanalysis_trajectory_with_topology(molecule):
    read = read_file(molecule)
    np.testing.assert_array_equal(read.position, SPACE.astype(np.float32))  # DCD holds float32
    np.testing.assert_allclose(
        read.time, np.arange(6) * 2.5, rtol=1e-5
    )  # DCD holds the step in float32, AKMA units
    assert (read.length_unit, read.time_unit) == ("Angstrom", "ps")
    assert read.bonds.tolist() == [[0, 1], [1, 2], [2, 3]] and read.species.tolist() == [0, 0, 0, 1]


def test_selection_renumbers_bonds(molecule):
    read = read_file(molecule | {"selection": "name C2 C3 O1"})
    np.testing.assert_array_equal(read.position, SPACE[:, 1:].astype(np.float32))
    assert read.bonds.tolist() == [[0, 1], [1, 2]]


def test_format_that_needs_no_topology(tmp_path):
    lines = [f"2\n\nH {a} 0 0\nO 0 {a} 1\n" for a in (0.5, 1.5, 2.5)]
    (tmp_path / "a.xyz").write_text("".join(lines))
    read = read_file({"path": str(tmp_path / "a.xyz")})
    np.testing.assert_array_equal(read.position[:, 0, 0], [0.5, 1.5, 2.5])
    assert read.position.shape == (3, 2, 3) and read.bonds is None


def test_foreign_h5md_file(molecule, tmp_path):
    time = np.arange(6) * 0.25
    written = Trajectory(SPACE, np.zeros(6, int), time, length_unit="nm", time_unit="ps")
    files.write(tmp_path / "a.h5", written)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["parameters"]
    read = read_file({"path": str(tmp_path / "a.h5"), "topology": molecule["topology"]})
    np.testing.assert_allclose(read.position, 10 * SPACE, rtol=1e-6)  # Angstrom, in float32
    np.testing.assert_allclose(read.time, time, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"path": "missing.dcd"}, "path: no file 'missing.dcd'"),
        ({"topology": "missing.pdb"}, "topology: no file 'missing.pdb'"),
        ({"selection": "name XX"}, "'name XX' selects none of the 4 atoms of .*four.dcd"),
        ({"selection": "nam C1"}, "MDAnalysis cannot read 'nam C1'"),
    ],
)
def test_bad_sources(molecule, changes, expected):
    with pytest.raises(ValueError, match=expected):
        read_file(molecule | changes)


@pytest.mark.parametrize("name", ["a.md", "a.pdb", "a.xyz", "a.csv", "a.parquet"])
def test_files_that_are_no_trajectory(tmp_path, name):
    (tmp_path / name).write_text("# notes\n")
    with pytest.raises(ValueError, match=f"{name}: .*expected"):
        read_file({"path": str(tmp_path / name)})


def test_damaged_hdf5_file(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="a.h5: not a readable HDF5 file"):
        read_file({"path": str(tmp_path / "a.h5")})


def test_uneven_frames_are_refused(tmp_path, molecule):
    time = np.array([0, 1, 2, 3, 4, 7.0])
    files.write(
        tmp_path / "a.h5",
        Trajectory(SPACE, np.zeros(6, int), time, length_unit="nm", time_unit="ps"),
    )
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["parameters"]
    with pytest.raises(ValueError, match="expected evenly spaced frames"):
        read_file({"path": str(tmp_path / "a.h5"), "topology": molecule["topology"]})


def run_script(source, output):
    return called("fetch.py", "--source", json.dumps(source), "--output", output)


def test_script_records_where_the_file_came_from(tmp_path):
    np.savez(tmp_path / "a.npz", arr=PLANAR)
    source = {"kind": "file", "path": str(tmp_path / "a.npz"), "bonds": "chain"}
    done = run_script(source, tmp_path / "raw.h5")
    assert done.returncode == 0, done.stderr
    read = files.read(tmp_path / "raw.h5")
    assert read.provenance == {
        "source": source,
        "address": source["path"],
        "sha256": hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest(),
    }
    assert len(read.bonds) == 3


def test_script_reports_an_error_without_traceback(tmp_path):
    np.savez(tmp_path / "a.npz", arr=np.full((3, 4, 2), np.inf))
    done = run_script({"kind": "file", "path": str(tmp_path / "a.npz")}, tmp_path / "raw.h5")
    assert (
        done.returncode == 1
        and done.stderr.splitlines()[1].startswith("error: ")
        and "a.npz: 24 positions" in done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.skipif(
    not CHAPTER_DATA.exists(), reason=f"the chapters' data are not at {CHAPTER_DATA}"
)
def test_the_chapters_trajectory():
    read = read_file({"path": str(CHAPTER_DATA), "array": "arr"})
    in_space = np.pad(read.position, [(0, 0), (0, 0), (0, 1)])
    step = np.diff(in_space[1637:], axis=0)
    assert f"{(step**2).mean():.4e}" == "2.4315e-05"  # persistence, as published to five digits
