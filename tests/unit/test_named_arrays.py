"""Arrays by name, from .npz and HDF5: every shape that has one reading, and no other."""

import h5py
import numpy as np
import pytest

from equitraj.data.sources.named import from_arrays
from equitraj.data.sources.reading import read_file

EPISODES, FRAMES, POINTS = 3, 7, 4
RANDOM = np.random.default_rng(5)
ONE = RANDOM.normal(size=(FRAMES, POINTS, 2))
MANY = RANDOM.normal(size=(EPISODES, FRAMES, POINTS, 3))


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=float).reshape(shape)


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_every_name_from_npz_and_hdf5(tmp_path, kind):
    data = {"x": MANY, "v": MANY * 2, "q": numbers(EPISODES, POINTS), "m": numbers(POINTS) + 1}
    data |= {
        "z": np.array([1, 8, 1, 6]),
        "b": np.array([[0, 1], [2, 3]]),
        "t": np.arange(FRAMES) * 0.5,
    }
    data |= {"rgb": numbers(EPISODES, FRAMES, POINTS, 3), "unused": np.zeros(5)}
    names = {
        "position": "x",
        "velocity": "v",
        "charge": "q",
        "mass": "m",
        "species": "z",
        "bonds": "b",
        "time": "t",
    }
    names |= {"colour": "rgb"}
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, **data)
    else:
        with h5py.File(path, "w") as file:
            for key, value in data.items():
                file[f"run/{key}"] = value
        names = {name: f"run/{key}" for name, key in names.items()}
    read = read_file({"path": str(path), "arrays": names, "length_unit": "nm", "time_unit": "ps"})
    frames = EPISODES * FRAMES
    np.testing.assert_array_equal(read.position, MANY.reshape(frames, POINTS, 3))
    np.testing.assert_array_equal(read.velocity, 2 * read.position)
    np.testing.assert_array_equal(read.episode, np.repeat([0, 1, 2], FRAMES))
    np.testing.assert_array_equal(read.time, np.tile(data["t"], EPISODES))
    np.testing.assert_array_equal(
        read.features["charge"][..., 0], np.repeat(data["q"], FRAMES, axis=0)
    )
    np.testing.assert_array_equal(read.features["colour"], data["rgb"].reshape(frames, POINTS, 3))
    assert read.mass.tolist() == [1, 2, 3, 4] and read.species.tolist() == [1, 8, 1, 6]
    assert read.bonds.tolist() == [[0, 1], [2, 3]] and (read.length_unit, read.time_unit) == (
        "nm",
        "ps",
    )


def read_one(position=ONE, **arrays):
    return from_arrays({"position": position} | arrays, "a", {})


@pytest.mark.parametrize(
    ("position", "shape", "expected"),
    [
        (ONE, (POINTS,), (POINTS, 1)),
        (ONE, (POINTS, 3), (POINTS, 3)),
        (ONE, (FRAMES, POINTS), (FRAMES, POINTS, 1)),
        (ONE, (FRAMES, POINTS, 3), (FRAMES, POINTS, 3)),
        (ONE, (1, POINTS), (POINTS, 1)),
        (ONE, (1, POINTS, 3), (POINTS, 3)),
        (MANY, (POINTS,), (POINTS, 1)),
        (MANY, (EPISODES, POINTS), (EPISODES * FRAMES, POINTS, 1)),
        (MANY, (EPISODES, POINTS, 2), (EPISODES * FRAMES, POINTS, 2)),
        (MANY, (EPISODES, FRAMES, POINTS), (EPISODES * FRAMES, POINTS, 1)),
        (MANY, (EPISODES, FRAMES, POINTS, 2), (EPISODES * FRAMES, POINTS, 2)),
    ],
)
def test_shapes_of_features(position, shape, expected):
    assert read_one(position, heat=numbers(*shape)).features["heat"].shape == expected


def test_features_per_episode_follow_the_episode_index():
    read = read_one(episode=np.array([5, 5, 5, 8, 8, 8, 8]), charge=numbers(2, POINTS))
    assert read.episode.tolist() == [0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(
        read.features["charge"][[0, 2, 3, 6], :, 0], numbers(2, POINTS)[[0, 0, 1, 1]]
    )


def test_masses_and_species_may_change():
    read = read_one(mass=numbers(FRAMES, POINTS) + 1, species=np.full((FRAMES, POINTS), "A"))
    assert read.mass.shape == read.species.shape == (FRAMES, POINTS)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (
            {"velocity": ONE[1:]},
            r"velocities of shape \(6, 4, 2\); expected the shape of the positions \(7, 4, 2\)",
        ),
        ({"heat": np.zeros(9)}, r"heat of shape \(9,\) fits no points; expected \(4 points\) or"),
        ({"charge": np.zeros((POINTS, 2))}, "charge of shape .* fits no points"),
        ({"heat": np.zeros((FRAMES, 3))}, "heat of shape .* fits no points"),
        ({"heat": np.full(POINTS, "x")}, "heat has values of type <U1; expected real numbers"),
        (
            {"episode": np.array([0, 1, 0, 0, 0, 0, 0])},
            "non-decreasing: sort the frames by episode",
        ),
        ({"episode": np.zeros(3)}, r"an episode index of shape \(3,\); expected \(7,\)"),
        ({"time": np.zeros(3)}, r"times of shape \(3,\); expected \(7,\)"),
        ({"position": MANY, "episode": np.zeros(FRAMES)}, "leave one of them out"),
    ],
)
def test_shapes_that_do_not_fit(arrays, expected):
    with pytest.raises(ValueError, match=f"^a: {expected}|^a: .*{expected}"):
        read_one(**arrays)


def test_a_shape_with_two_readings_is_refused_with_the_one_to_use():
    square = RANDOM.normal(size=(POINTS, POINTS, 3))  # as many frames as points
    with pytest.raises(
        ValueError,
        match="can be read as .4 points, numbers. or as .4 frames, 4 points.; save it as",
    ):
        read_one(square, heat=numbers(POINTS, POINTS))
    assert read_one(square, heat=numbers(POINTS, POINTS, 1)).features["heat"].shape == (
        POINTS,
        POINTS,
        1,
    )
    assert read_one(square, charge=numbers(POINTS, POINTS)).features["charge"].shape == (
        POINTS,
        POINTS,
        1,
    )
    equal = RANDOM.normal(size=(POINTS, FRAMES, POINTS, 3))  # as many episodes as points
    with pytest.raises(ValueError, match="save it as .4 episodes, 7 frames, 4 points, numbers."):
        read_one(equal, heat=numbers(POINTS, POINTS))


def test_a_time_step_beside_times_is_refused():
    with pytest.raises(ValueError, match="leave one of them out"):
        from_arrays({"position": ONE, "time": np.arange(FRAMES)}, "a", {"time_step": 0.1})


def test_a_wrong_data_set_of_hdf5_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/position"] = ONE
    with pytest.raises(
        ValueError, match="no data set 'run/positio' for position.*Did you mean 'run/position'"
    ):
        read_file({"path": str(tmp_path / "a.h5"), "array": "run/positio"})
    with pytest.raises(
        ValueError, match="not written by this workflow; .* arrays: { position: run/position }"
    ):
        read_file({"path": str(tmp_path / "a.h5")})
