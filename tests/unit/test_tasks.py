"""Samples and splits, against a brute-force count of the frames they touch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitraj.data import tasks
from equitraj.data.trajectory import Trajectory


def trajectory(lengths: list[int], n_points: int = 3) -> Trajectory:
    episode = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(len(episode) * n_points * 3, dtype=float).reshape(-1, n_points, 3)
    return Trajectory(
        position, episode, np.arange(len(episode), dtype=float), bonds=np.array([[0, 1], [1, 2]])
    )


def frames_touched(newest: np.ndarray, history: int, lag: int) -> set[int]:
    return {f for n in newest for f in (*range(n - history + 1, n + 1), n + lag)}


@given(
    lengths=st.lists(
        st.integers(40, 60), min_size=1, max_size=3
    ),  # long enough that no split is empty
    history=st.integers(1, 4),
    lag=st.integers(1, 3),
    by=st.sampled_from(["time", "episode"]),
)
def test_splits_share_no_frame_and_stay_within_an_episode(lengths, history, lag, by):
    lengths = lengths * 4 if by == "episode" else lengths
    split = {"by": by, "train": 0.5, "validation": 0.25, "test": 0.25}
    data = trajectory(lengths)
    parts = tasks.split_frames(data.episode, history, lag, split)
    touched = [frames_touched(part, history, lag) for part in parts.values()]
    assert not (touched[0] & touched[1] or touched[0] & touched[2] or touched[1] & touched[2])
    for part in parts.values():
        assert (data.episode[part - history + 1] == data.episode[part + lag]).all()


def test_test_targets_do_not_depend_on_the_history():
    episode = np.zeros(2048, int)
    split = {"by": "time", "train": 1500, "validation": 137, "test": 410}
    for history in (1, 3, 6):
        test = tasks.split_frames(episode, history, 1, split)["test"]
        assert (test[0], test[-1], len(test)) == (1637, 2046, 410)


def test_a_split_larger_than_the_data_is_refused_with_both_numbers():
    split = {"by": "time", "train": 90, "validation": 5, "test": 10}
    with pytest.raises(ValueError, match="= 105 samples, but the data have 99"):
        tasks.split_frames(np.zeros(100, int), 1, 1, split)


def test_a_split_without_samples_is_refused():
    split = {"by": "time", "train": 90, "validation": 1, "test": 5}
    with pytest.raises(ValueError, match="validation = 1 leaves no sample of 4 frames"):
        tasks.split_frames(np.zeros(100, int), 4, 1, split)


def test_samples_hold_history_target_and_bonds():
    data = trajectory([10])
    sample = tasks.samples(data, np.array([4, 6]), history=3, lag=2)
    np.testing.assert_array_equal(sample.position[0], data.position[2:5])
    np.testing.assert_array_equal(sample.target[1], data.position[8])
    assert sorted(map(tuple, sample.edges.T)) == [(0, 1), (1, 0), (1, 2), (2, 1)]


def whole(history: int) -> tasks.Sample:
    """Two samples of three points with all that a sample can hold, a quarter of a unit of time
    between frames."""
    rng = np.random.default_rng(0)
    position, velocity = rng.normal(size=(2, history, 3, 3)), rng.normal(size=(2, 3, 3))
    shown = {
        "scalar": rng.normal(size=(2, 3, 2)),
        "mass": rng.uniform(1, 2, (2, 3)),
        "box": rng.normal(size=(2, 3, 3)),
    }
    edges = np.array([[0, 1], [1, 0]])
    return tasks.Sample(position, position[:, -1] + 1, velocity, edges=edges, step=0.25, **shown)


@pytest.mark.parametrize(("history", "lag"), [(1, 1), (1, 10), (4, 1)])
def test_a_prediction_fed_back_is_the_newest_frame_and_moves_at_its_displacement_over_its_time(
    history, lag
):
    sample = whole(history)
    prediction = np.random.default_rng(1).normal(size=(2, 3, 3))
    found = sample.followed_by(prediction, lag)
    frames = [*sample.position.swapaxes(0, 1)[1:], prediction]
    np.testing.assert_array_equal(found.position, np.stack(frames, axis=1))
    assert found.target is None and found.step == 0.25
    # quotients of numbers of order one, whose divisor may be multiplied together first
    np.testing.assert_allclose(
        found.velocity * (0.25 * lag), prediction - sample.position[:, -1], rtol=1e-15
    )
    kept = ("scalar", "mass", "edges", "box")
    assert all(getattr(found, name) is getattr(sample, name) for name in kept)


def test_what_a_task_does_not_show_is_not_there_after_a_prediction_either():
    sample = tasks.Sample(whole(2).position)
    found = sample.followed_by(sample.position[:, 0], 1)
    assert found.velocity is found.scalar is found.mass is found.edges is found.box is None


def test_frames_that_would_not_follow_each_other_are_not_made_a_history():
    with pytest.raises(ValueError, match="a history of 2 frames cannot be fed back 3 frames ahead"):
        whole(2).followed_by(np.zeros((2, 3, 3)), 3)


def test_subset_is_spread_evenly_and_too_large_a_one_is_refused():
    np.testing.assert_array_equal(tasks.subset(np.arange(100, 201), 3), [100, 150, 200])
    with pytest.raises(ValueError, match="50 samples asked for, but the training split has 10"):
        tasks.subset(np.arange(10), 50)
