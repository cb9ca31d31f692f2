"""Several files as episodes: lists and patterns, different lengths, the first file that differs
named."""

import json

import numpy as np
import pytest

from called import called
from equitraj.data import trajectory as files
from equitraj.data.sources import entry
from equitraj.data.sources.reading import read_file

LENGTHS = (5, 3, 8)
ARRAYS = {"position": "x", "velocity": "v", "charge": "q"}


@pytest.fixture
def trials(tmp_path):
    """Files of different lengths with velocities and charges; the arrays of each by its path."""
    random, written = np.random.default_rng(0), {}
    for i, n in enumerate(LENGTHS):
        arrays = {
            "x": random.normal(size=(n, 4, 2)),
            "v": random.normal(size=(n, 4, 2)),
            "q": random.normal(size=4),
        }
        path = str(tmp_path / f"trial_{i}.npz")
        np.savez(path, **arrays)
        written[path] = arrays
    return written


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_listed_files_are_episodes_in_that_order(trials, order):
    paths = [list(trials)[i] for i in order]
    read = read_file({"path": paths, "arrays": ARRAYS, "time_step": 0.5})
    assert np.unique(read.episode, return_counts=True)[1].tolist() == [LENGTHS[i] for i in order]
    np.testing.assert_array_equal(
        read.position, np.concatenate([trials[path]["x"] for path in paths])
    )
    np.testing.assert_array_equal(
        read.velocity, np.concatenate([trials[path]["v"] for path in paths])
    )
    charges = np.concatenate(
        [np.tile(trials[path]["q"], (len(trials[path]["x"]), 1)) for path in paths]
    )
    np.testing.assert_array_equal(read.features["charge"][..., 0], charges)
    np.testing.assert_array_equal(
        read.time, np.concatenate([np.arange(LENGTHS[i]) * 0.5 for i in order])
    )
    assert read.provenance["address"] == paths and len(set(read.provenance["sha256"])) == 3


def test_a_pattern_is_its_files_in_sorted_order(trials, tmp_path):
    source = {"path": str(tmp_path / "trial_*.npz"), "arrays": ARRAYS}
    assert entry.paths(source) == list(trials)
    listed = read_file(source | {"path": list(trials)})
    np.testing.assert_array_equal(read_file(source).position, listed.position)
    assert entry.paths({"path": [str(tmp_path / "trial_2*"), list(trials)[0]]}) == [
        list(trials)[2],
        list(trials)[0],
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    (tmp_path / "a[1].npz").touch()
    (tmp_path / "a1.npz").touch()
    assert entry.paths({"path": str(tmp_path / "a[1].npz")}) == [str(tmp_path / "a[1].npz")]


def test_what_is_the_same_in_all_files_stays_fixed(trials):
    for path, arrays in trials.items():
        np.savez(path, **arrays | {"q": np.arange(4.0)})
    read = read_file({"path": list(trials), "arrays": ARRAYS | {"mass": "q"}})
    assert read.features["charge"].shape == (4, 1) and read.mass.shape == (4,)


def test_frames_are_taken_of_every_episode(trials):
    paths = [list(trials)[0], list(trials)[2]]
    read = read_file(
        {"path": paths, "arrays": ARRAYS, "start": 1, "stop": 5, "stride": 2, "time_step": 0.5}
    )
    np.testing.assert_array_equal(
        read.position, np.concatenate([trials[path]["x"][1:5:2] for path in paths])
    )
    np.testing.assert_array_equal(
        read.features["charge"][:, 0, 0], np.repeat([trials[p]["q"][0] for p in paths], 2)
    )
    assert read.episode.tolist() == [0, 0, 1, 1] and read.time.tolist() == [0.5, 1.5] * 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"x": np.zeros((6, 5, 2)), "v": np.zeros((6, 5, 2)), "q": np.zeros(5)},
            "points 5, but .*trial_0.npz has 4",
        ),
        (
            {"x": np.zeros((6, 4, 3)), "v": np.zeros((6, 4, 3))},
            "dimensions 3, but .*trial_0.npz has 2",
        ),
        ({"q": None}, "no array 'q' for charge"),
        ({"x": np.zeros((1, 4, 2)), "v": np.zeros((1, 4, 2))}, "1 frame; expected at least 2"),
        ({"x": np.full((3, 4, 2), np.nan)}, "24 positions are not finite, the first at frame 0"),
        ({"x": np.array([[{}]])}, "holds Python objects"),
    ],
)
def test_the_file_that_differs_is_named(trials, change, expected):
    path = list(trials)[1]
    np.savez(
        path,
        allow_pickle=True,
        **{k: v for k, v in (trials[path] | change).items() if v is not None},
    )
    with pytest.raises(ValueError, match=f"trial_1.npz: {expected}"):
        read_file({"path": list(trials), "arrays": ARRAYS})


def test_files_of_another_time_step_are_refused(trials):
    for step, (path, arrays) in zip((0.1, 0.1, 0.2), trials.items(), strict=True):
        np.savez(path, **arrays, t=np.arange(len(arrays["x"])) * step)
    with pytest.raises(
        ValueError,
        match=r"trial_2.npz: frames 0.2 reduced apart, but the frames of .*trial_0.npz 0.1",
    ):
        read_file({"path": list(trials), "arrays": ARRAYS | {"time": "t"}})


def test_uneven_times_are_refused_with_their_frame(trials):
    path, arrays = next(iter(trials.items()))
    np.savez(path, **arrays, t=np.array([0, 1, 2, 4, 5.0]))
    with pytest.raises(
        ValueError, match="trial_0.npz: frame 3 is 2 reduced after frame 2, but the first step is 1"
    ):
        read_file({"path": path, "arrays": {"position": "x", "time": "t"}})


def test_words_for_species_are_numbered_over_all_files(tmp_path):
    for i, words in enumerate((["b", "c"], ["a", "b"])):
        np.savez(tmp_path / f"{i}.npz", x=np.zeros((3, 2, 3)), s=np.array(words))
    read = read_file({"path": str(tmp_path / "*.npz"), "arrays": {"position": "x", "species": "s"}})
    assert read.species[[0, 3]].tolist() == [[1, 2], [0, 1]] and read.provenance["species"] == [
        "a",
        "b",
        "c",
    ]


def test_the_script_reads_a_pattern_and_writes_what_it_read(trials, tmp_path):
    source = {
        "kind": "file",
        "path": str(tmp_path / "trial_*.npz"),
        "arrays": ARRAYS,
        "bonds": "chain",
    }
    done = called("fetch.py", "--source", json.dumps(source), "--output", tmp_path / "raw.h5")
    assert done.returncode == 0, done.stderr
    read = files.read(tmp_path / "raw.h5")
    np.testing.assert_array_equal(
        read.position, np.concatenate([arrays["x"] for arrays in trials.values()])
    )
    assert read.features["charge"].shape == (sum(LENGTHS), 4, 1) and read.provenance[
        "address"
    ] == list(trials)
