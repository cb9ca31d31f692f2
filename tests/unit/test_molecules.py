"""Molecular formats: what the topology holds, frames and atoms chosen, and the periodic box
removed."""

import warnings

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.transformations import NoJump

from equitraj.data.sources.reading import read_file

BOX = np.array([10.0, 12.0, 14.0])
FRAMES = 40
PSF = """PSF

       1 !NTITLE
 REMARKS three diatomic molecules

       6 !NATOM
       1 A    1    MOL  C1   CT    -0.250000       12.0110           0
       2 A    1    MOL  O1   OT     0.250000       15.9990           0
       3 A    2    MOL  C1   CT    -0.250000       12.0110           0
       4 A    2    MOL  O1   OT     0.250000       15.9990           0
       5 A    3    MOL  C1   CT    -0.250000       12.0110           0
       6 A    3    MOL  O1   OT     0.250000       15.9990           0

       3 !NBOND: bonds
       1       2       3       4       5       6

"""


def true_positions():
    """Three diatomic molecules that drift through the faces of the box, the first one cut by a face
    at the start."""
    random = np.random.default_rng(4)
    centre = (
        np.cumsum(random.normal(scale=0.8, size=(FRAMES, 3, 3)), axis=0)
        + [[[9.8, 6, 7]], [[1, 1, 1]], [[5, 11, 3]]][0]
    )
    bond = np.array([0.6, 0.5, 0.4])
    return np.stack([centre - bond, centre + bond], axis=2).reshape(FRAMES, 6, 3)


@pytest.fixture(scope="module", params=["orthorhombic", "triclinic"])
def periodic(tmp_path_factory, request):
    """A topology, a wrapped XTC, the unwrapped positions (to the precision of XTC) and the box
    vectors."""
    folder = tmp_path_factory.mktemp("periodic")
    (folder / "top.psf").write_text(PSF)
    angles = [90, 90, 90] if request.param == "orthorhombic" else [75, 80, 65]
    dimensions = np.array([*BOX, *angles], dtype=np.float32)
    vectors = MDAnalysis.lib.mdamath.triclinic_vectors(dimensions).astype(float)
    truth = true_positions()
    fractional = truth @ np.linalg.inv(vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(str(folder / "top.psf"), truth[None, 0].astype(np.float32))
        with MDAnalysis.Writer(str(folder / "run.xtc"), 6) as writer:
            for i in range(FRAMES):
                universe.atoms.positions = (fractional[i] - np.floor(fractional[i])) @ vectors
                universe.trajectory.ts.dimensions, universe.trajectory.ts.time = dimensions, 2.0 * i
                writer.write(universe.atoms)
    return {"path": str(folder / "run.xtc"), "topology": str(folder / "top.psf")}, truth, vectors


def test_a_jump_across_the_box_is_refused_with_the_mend(periodic):
    with pytest.raises(
        ValueError, match=r"run.xtc: point \d jumps by more than half .* box .*set `unwrap: true`"
    ):
        read_file(periodic[0])


def test_unwrapping_gives_the_true_motion_and_whole_molecules(periodic):
    source, truth, vectors = periodic
    read = read_file(source | {"unwrap": True})
    assert read.position.shape == (FRAMES, 6, 3) and read.bonds.tolist() == [[0, 1], [2, 3], [4, 5]]
    # XTC keeps 0.01 Angstrom: half of it for each of two ends, and as much of float32
    np.testing.assert_allclose(np.diff(read.position, axis=0), np.diff(truth, axis=0), atol=0.011)
    np.testing.assert_allclose(
        read.position[:, 1::2] - read.position[:, ::2], truth[:, 1::2] - truth[:, ::2], atol=0.011
    )
    shift = (read.position[0] - truth[0]) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(shift, np.round(shift), atol=2e-3)
    np.testing.assert_allclose(
        read.box, np.broadcast_to(vectors, (FRAMES, 3, 3)), atol=2e-5
    )  # of float32


def test_unwrapping_is_that_of_mdanalysis(periodic):
    source, *_ = periodic
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(source["topology"], source["path"])
        universe.trajectory.add_transformations(NoJump())
        theirs = np.stack([frame.positions.copy() for frame in universe.trajectory])
    ours = read_file(source | {"unwrap": True}).position
    np.testing.assert_allclose(
        np.diff(ours, axis=0), np.diff(theirs, axis=0), atol=1e-4
    )  # NoJump is in float32


def test_positions_as_they_are(periodic):
    source, *_ = periodic
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = MDAnalysis.Universe(source["topology"], source["path"]).trajectory.timeseries(
            order="fac"
        )
    read = read_file(source | {"unwrap": False})
    np.testing.assert_array_equal(read.position, raw)
    assert read.box is None


def test_frames_and_atoms_are_chosen_and_followed_through_the_frames_between(periodic):
    source, *_ = periodic
    every = read_file(source | {"unwrap": True})
    read = read_file(
        source | {"unwrap": True, "selection": "name C1", "start": 3, "stop": 33, "stride": 6}
    )
    moved = every.position[3:33:6, ::2]
    np.testing.assert_allclose(np.diff(read.position, axis=0), np.diff(moved, axis=0), atol=1e-5)
    np.testing.assert_allclose(read.time, every.time[3:33:6])
    assert read.mass.tolist() == [12.011] * 3 and read.bonds is None or not len(read.bonds)


def test_what_the_topology_holds_is_carried_along(periodic):
    read = read_file(periodic[0] | {"unwrap": True})
    np.testing.assert_allclose(read.mass, [12.011, 15.999] * 3)
    np.testing.assert_allclose(read.features["charge"][:, 0], [-0.25, 0.25] * 3)
    assert read.species.tolist() == [0, 1] * 3 and read.provenance["species"] == ["CT", "OT"]


def test_nothing_is_guessed(tmp_path):
    (tmp_path / "a.gro").write_text("two\n 2\n    1MOL     C1    1   1.000   1.000   1.000\n"
                                    "    1MOL     O1    2   1.100   1.000   1.000\n   9.0 9.0 9.0\n")  # fmt: skip
    np.save(tmp_path / "x.npy", np.zeros((2, 2, 3)))
    universe = MDAnalysis.Universe(str(tmp_path / "a.gro"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MDAnalysis.Writer(str(tmp_path / "a.trr"), 2) as writer:
            for _ in range(3):
                universe.trajectory.ts.velocities = universe.atoms.positions * 0 + [1, 2, 3]
                writer.write(universe.atoms)
                universe.trajectory.ts.time += 1
    read = read_file(
        {"path": str(tmp_path / "a.trr"), "topology": str(tmp_path / "a.gro"), "time_step": 0.5}
    )
    assert read.mass is read.species is read.bonds is None and read.features == {}
    np.testing.assert_allclose(read.velocity[1], [[1, 2, 3], [1, 2, 3]], rtol=1e-6)
    assert read.time.tolist() == [0, 0.5, 1]
