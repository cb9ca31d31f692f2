"""Trajectory files: what is written is read, here and by MDAnalysis."""

from dataclasses import fields, replace

import h5py
import MDAnalysis
import numpy as np
import pytest

from equitraj.data import trajectory as files
from equitraj.data.trajectory import Trajectory

FRAMES, POINTS = 7, 5
LATE_NAN = np.zeros((FRAMES, POINTS, 3))
LATE_NAN[6, 2, 1] = np.nan


def example(dimension=3, **changes):
    random = np.random.default_rng(2)
    whole = Trajectory(
        position=random.normal(size=(FRAMES, POINTS, dimension)),
        velocity=random.normal(size=(FRAMES, POINTS, dimension)),
        episode=np.array([0, 0, 0, 1, 1, 1, 1]),
        time=np.array([0, 1, 2, 0, 1, 2, 3]) * 0.25,
        species=np.array([0, 1, 0, 1, 1]),
        mass=np.linspace(1, 2, POINTS),
        bonds=np.array([[0, 1], [1, 4]]),
        features={
            "charge": random.normal(size=(POINTS, 1)),
            "colour": random.normal(size=(FRAMES, POINTS, 2)),
        },
        length_unit="nm",
        time_unit="ps",
        provenance={"address": "here", "seed": 3, "options": {"b": 1.5, "a": None}},
    )
    return replace(whole, **changes)


def universe(path, **keywords):
    return MDAnalysis.Universe.empty(POINTS).load_new(str(path), format="H5MD", **keywords)


@pytest.mark.parametrize("dimension", [2, 3])
def test_what_is_written_is_read(tmp_path, dimension):
    written = example(dimension)
    files.write(tmp_path / "a.h5", written)
    read = files.read(tmp_path / "a.h5")
    for field in fields(Trajectory):
        if field.name == "features":
            continue
        np.testing.assert_array_equal(getattr(read, field.name), getattr(written, field.name))
    assert list(read.features) == ["charge", "colour"]
    for name, value in read.features.items():
        np.testing.assert_array_equal(value, written.features[name])
    assert read.position.dtype == np.float64 and {path.name for path in tmp_path.iterdir()} == {
        "a.h5",
        ".a.h5.sha256",
    }


def test_what_is_absent_stays_absent(tmp_path):
    files.write(
        tmp_path / "a.h5", example(velocity=None, species=None, mass=None, bonds=None, features={})
    )
    read = files.read(tmp_path / "a.h5")
    assert read.features == {}
    assert read.velocity is read.species is read.mass is read.bonds is None


def test_what_changes_with_time_is_a_time_series_of_h5md(tmp_path):
    changing = np.random.default_rng(3).normal(size=(FRAMES, POINTS, 1))
    species = np.arange(FRAMES * POINTS).reshape(FRAMES, POINTS)
    written = example(species=species, mass=changing[..., 0] ** 2, features={"charge": changing})
    files.write(tmp_path / "a.h5", written)
    read = files.read(tmp_path / "a.h5")
    np.testing.assert_array_equal(read.species, species)
    np.testing.assert_array_equal(read.mass, written.mass)
    np.testing.assert_array_equal(read.features["charge"], changing)
    with h5py.File(tmp_path / "a.h5") as file:
        for name in ("species", "mass", "charge"):
            series = file["particles/all"][name]
            assert series["value"].shape == (FRAMES, POINTS) and set(series) == {
                "value",
                "step",
                "time",
            }
    assert len(universe(tmp_path / "a.h5").trajectory) == FRAMES


@pytest.mark.parametrize("dimension", [2, 3])
def test_mdanalysis_reads_positions_velocities_and_times(tmp_path, dimension):
    written = example(dimension)
    files.write(tmp_path / "a.h5", written)
    opened = universe(tmp_path / "a.h5", convert_units=False)
    assert len(opened.trajectory) == FRAMES and opened.trajectory[0].dimensions is None
    for i, frame in enumerate(opened.trajectory):
        # MDAnalysis holds coordinates in float32: the same numbers, rounded once.
        np.testing.assert_array_equal(
            frame.positions[:, :dimension], written.position[i].astype(np.float32)
        )
        np.testing.assert_array_equal(
            frame.velocities[:, :dimension], written.velocity[i].astype(np.float32)
        )
        assert frame.time == written.time[i] and not frame.positions[:, dimension:].any()


def test_mdanalysis_converts_our_units(tmp_path):
    files.write(tmp_path / "a.h5", example(length_unit="nm", time_unit="ps"))
    frame = universe(tmp_path / "a.h5").trajectory[0]
    np.testing.assert_allclose(
        frame.positions, 10 * example().position[0], rtol=1e-6
    )  # Angstrom, in float32
    np.testing.assert_allclose(frame.velocities, 10 * example().velocity[0], rtol=1e-6)


@pytest.mark.parametrize("units", [("reduced", "reduced"), ("m", "s"), ("nm", "fs")])
def test_units_that_mdanalysis_does_not_know_are_kept_and_do_no_harm(tmp_path, units):
    files.write(tmp_path / "a.h5", example(length_unit=units[0], time_unit=units[1]))
    read = files.read(tmp_path / "a.h5")
    assert (read.length_unit, read.time_unit) == units
    frame = universe(tmp_path / "a.h5", convert_units=False).trajectory[0]
    np.testing.assert_array_equal(frame.positions, example().position[0].astype(np.float32))


def test_observables_are_read_here_and_by_mdanalysis(tmp_path):
    rotation = np.random.default_rng(0).normal(size=(FRAMES, 3, 3))
    files.write(tmp_path / "a.h5", example(), rotation=rotation)
    np.testing.assert_array_equal(files.read_observables(tmp_path / "a.h5")["rotation"], rotation)
    frame = universe(tmp_path / "a.h5").trajectory[4]
    np.testing.assert_array_equal(frame.data["rotation"], rotation[4])


def test_layout_is_h5md(tmp_path):
    """The elements that section "Standardized data elements" of the H5MD 1.1 specification asks
    for."""
    files.write(tmp_path / "a.h5", example(2))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert {"name"} <= set(file["h5md/author"].attrs) and {"name", "version"} <= set(
            file["h5md/creator"].attrs
        )
        box = file["particles/all/box"].attrs
        assert box["dimension"] == 3 and box["boundary"].tolist() == [b"none"] * 3
        assert file["particles/all/position/value"].shape == (FRAMES, POINTS, 3)
        assert file["particles/all/position/value"].attrs["unit"] == "nm"
        assert file["connectivity/bonds"][()].tolist() == [[0, 1], [1, 4]]
        assert file["particles/all/charge"].shape == (POINTS,) and file[
            "particles/all/mass"
        ].shape == (POINTS,)


def test_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        files.write(tmp_path / name, example())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"position": np.zeros((FRAMES, POINTS, 4))},
            r"shape \(7, 5, 4\); expected \(frames, points, 2 or 3\)",
        ),
        (
            {"position": np.full((FRAMES, POINTS, 3), np.nan)},
            "105 positions are not finite, the first at frame 0",
        ),
        ({"episode": np.array([0, 1, 0, 0, 0, 0, 0])}, "non-decreasing"),
        (
            {"time": np.zeros(6)},
            r"times of shape \(6,\), type float64; expected numbers, \(7 frames\)",
        ),
        (
            {"velocity": np.zeros((FRAMES, POINTS, 2))},
            r"velocities of shape .*expected numbers, \(7 frames, 5 points, 3",
        ),
        (
            {"velocity": LATE_NAN},
            "1 velocities are not finite, the first at frame 6, point 2, axis 1",
        ),
        (
            {"mass": np.array([1, np.inf, 1, 1, 1])},
            r"1 mass are not finite, the first at point 1 \(inf\)",
        ),
        ({"species": np.zeros(POINTS)}, "species of shape .*float64; expected integers"),
        (
            {"features": {"charge": np.zeros((POINTS, 2))}},
            r"expected numbers, \(5 points, 1 features\) or",
        ),
        ({"features": {"charge": np.zeros(POINTS)}}, r"charge of shape \(5,\)"),
        (
            {"features": {"f": LATE_NAN}},
            "1 f are not finite, the first at frame 6, point 2, feature 1",
        ),
        (
            {"features": {"a/b": np.zeros((POINTS, 2))}},
            "a feature is called 'a/b'; expected letters",
        ),
        (
            {"bonds": np.array([[0, 1], [1, 5]])},
            r"bond \[1, 5\]; expected pairs of different points, .*from 0 to 4",
        ),
        ({"bonds": np.array([[2, 2]])}, r"bond \[2, 2\]"),
    ],
)
def test_bad_data_are_refused_and_leave_no_file(tmp_path, changes, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        files.write(tmp_path / "a.h5", example(**changes))
    assert "a.h5" in str(caught.value) and list(tmp_path.iterdir()) == []
