"""Extended XYZ as ASE writes it, and as other programs do."""

import ase
import ase.io
import numpy as np
import pytest
from ase import units

from equitraj.data.sources.reading import read_file

FRAMES, SYMBOLS = 5, ["H", "O", "H", "C"]
RANDOM = np.random.default_rng(7)
POSITION, MOMENTA = RANDOM.normal(size=(2, FRAMES, 4, 3))


def written(path, **changes):
    frames = []
    for i in range(FRAMES):
        atoms = ase.Atoms(SYMBOLS, POSITION[i], **changes)
        atoms.set_momenta(MOMENTA[i])
        atoms.set_initial_charges([0.5, -1, 0.5, 0])
        atoms.new_array("rgb", RANDOM.normal(size=(4, 3)))
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
    return frames


@pytest.mark.parametrize("suffix", ["xyz", "extxyz"])
def test_what_ase_writes_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    frames = written(path)
    read = read_file({"path": str(path), "arrays": {"colour": "rgb"}, "time_step": 0.5})
    np.testing.assert_allclose(read.position, POSITION, atol=1e-8)  # ASE writes eight digits
    masses = ase.Atoms(SYMBOLS).get_masses()
    per_ps = (
        MOMENTA / masses[:, None] * 1000 * units.fs
    )  # ASE's unit of time is Angstrom sqrt(amu / eV)
    np.testing.assert_allclose(read.velocity, per_ps, atol=1e-5)
    np.testing.assert_allclose(
        read.features["colour"], [f.arrays["rgb"] for f in frames], atol=1e-8
    )
    assert read.features["charge"][:, 0].tolist() == [0.5, -1, 0.5, 0] and read.provenance[
        "species"
    ] == ["C", "H", "O"]
    assert read.species.tolist() == [1, 2, 1, 0] and read.time.tolist() == [0, 0.5, 1, 1.5, 2]
    assert (read.length_unit, read.time_unit) == ("Angstrom", "ps")


def test_a_lattice_is_followed(tmp_path):
    path = np.cumsum(np.full((9, 2, 3), [0.9, -0.3, 0.0]), axis=0) + np.array(
        [[1.0, 1, 1], [2, 2, 2]]
    )
    frames = [ase.Atoms("H2", p, cell=[4, 5, 6], pbc=[True, True, False]) for p in path]
    for atoms in frames:
        atoms.wrap()
    ase.io.write(tmp_path / "a.xyz", frames, format="extxyz")
    with pytest.raises(
        ValueError, match="point 1 jumps by more than half the periodic box between frames 1 and 2"
    ):
        read_file({"path": str(tmp_path / "a.xyz")})
    read = read_file({"path": str(tmp_path / "a.xyz"), "unwrap": True, "stride": 2})
    np.testing.assert_allclose(read.position, path[::2], atol=1e-7)
    assert (read.box == np.diag([4.0, 5, 0])).all() and len(
        read.box
    ) == 5  # nothing is periodic along z
    assert read_file({"path": str(tmp_path / "a.xyz"), "unwrap": False}).box is None
    assert read.time.tolist() == [0, 2, 4, 6, 8]


def test_plain_xyz_and_velocity_columns(tmp_path):
    lines = [
        f"1\nProperties=species:S:1:pos:R:3:vel:R:3:m:R:1\nO {i} 0 1 0.5 {i} 0 16\n"
        for i in range(3)
    ]
    (tmp_path / "a.xyz").write_text("".join(lines))
    read = read_file({"path": str(tmp_path / "a.xyz"), "arrays": {"mass": "m"}})
    assert read.velocity[:, 0].tolist() == [
        [0.5, 0, 0],
        [0.5, 1, 0],
        [0.5, 2, 0],
    ] and read.mass.tolist() == [16]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n\nH 0 0 0\n2\n\nH 0 0 0\nH 1 1 1\n", "frame 1 has 2 atoms, the first 1"),
        ("1\n\nH 0 0 0\n1\n\nO 0 0 0\n", "atom 0 is O in frame 1 and H in the first"),
        ("1\n\nBead 0 0 0\n", "ASE cannot read it as extended XYZ"),
        (
            "1\n\nH 0 0 0\n1\n\nH 0 nan 0\n",
            "1 positions are not finite, the first at frame 1, point 0, axis 1",
        ),
        ("9999999999\n\nH 0 0 0\n", "ASE cannot read it"),
        ("", "no frames|ASE cannot read it"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, expected):
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(ValueError, match=f"a.xyz: .*({expected})|a.xyz: ({expected})"):
        read_file({"path": str(tmp_path / "a.xyz")})


def test_an_unknown_column_is_named(tmp_path):
    written(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="no column 'rbg' for colour; .*Did you mean 'rgb'"):
        read_file({"path": str(tmp_path / "a.xyz"), "arrays": {"colour": "rbg"}})
