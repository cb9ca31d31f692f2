"""Neighbour lists agree with a brute-force count of all images of all points, whatever the box,
wherever they are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from equitraj.data import features, neighbours
from equitraj.data.tasks import Sample

SAME = 1e-9  # of a vector: far above its rounding (coordinates up to 1e3), far below the distances between images


def images(box: np.ndarray, cutoff: float, spread: float) -> np.ndarray:
    """Whole-number shifts (M, 3) that reach `cutoff` for points whose fractional coordinates differ
    by `spread`."""
    height = np.array(
        [1 / np.linalg.norm(column) if column.any() else np.inf for column in np.linalg.pinv(box).T]
    )
    reach = np.where(box.any(1), np.ceil(cutoff / height + spread), 0).astype(int)
    return np.array(list(product(*(range(-n, n + 1) for n in reach))))


def brute_force(points: np.ndarray, cutoff: float, box: np.ndarray) -> list[tuple]:
    """All (receiver, sender, vector) with a vector shorter than the cutoff, from all images of all
    pairs."""
    fractional = points @ np.linalg.pinv(box)
    shift = images(box, cutoff, np.ptp(fractional, axis=0).max()) @ box
    vector = points[:, None, None] - points[None, :, None] - shift
    length = np.linalg.norm(vector, axis=-1)
    itself = np.eye(len(points), dtype=bool)[:, :, None] & ~shift.any(-1)
    assume(
        not np.any(np.abs(length - cutoff)[~itself] < SAME)
    )  # a pair at the cutoff itself may fall either way
    receiver, sender, image = np.nonzero((length < cutoff) & ~itself)
    return list(zip(receiver, sender, vector[receiver, sender, image], strict=True))


def listed(points: np.ndarray, lists: dict[str, np.ndarray], i: int) -> list[tuple]:
    receivers, senders = lists["receivers"][i], lists["senders"][i]
    used = receivers < len(points)
    assert (senders[~used] == len(points)).all() and not lists["shift"][i][~used].any()
    receivers, senders = receivers[used], senders[used]
    vectors = points[receivers] - points[senders] - lists["shift"][i][used]
    return list(zip(receivers, senders, vectors, strict=True))


def assert_same(found: list[tuple], expected: list[tuple]) -> None:
    key = lambda pair: (pair[0], pair[1], *np.round(pair[2], 6))  # noqa: E731
    found, expected = sorted(found, key=key), sorted(expected, key=key)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[2], theirs[2], rtol=0, atol=SAME)


BOXES = {
    "none": np.zeros((3, 3)),
    "cube": 3.0 * np.eye(3),
    "flat": np.diag([5.0, 0.0, 4.0]),
    "line": np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.0, 0.0]]),
    "triclinic": np.array([[3.0, 0.0, 0.0], [1.2, 2.5, 0.0], [-0.7, 0.9, 2.0]]),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 9),
    cutoff=st.floats(0.3, 3.1),
    size=st.sampled_from([1, 8]),
)
@settings(max_examples=25, deadline=None)
def test_lists_are_those_of_all_images_of_all_pairs(box, seed, n, cutoff, size):
    rng = np.random.default_rng(
        seed
    )  # cutoffs beyond half of each box and points up to a few boxes outside
    position = rng.normal(scale=size, size=(2, n, 3)) + 100 * rng.normal(size=3)
    lists = neighbours.neighbour_lists(position, cutoff, np.stack([box, box]))
    for i, points in enumerate(position):
        assert (np.diff(lists["receivers"][i]) >= 0).all()
        assert_same(listed(points, lists, i), brute_force(points, cutoff, box))


def test_each_sample_has_its_own_box():
    position = np.array([[[0.1, 0, 0], [2.9, 0, 0]]] * 3)
    box = np.stack([np.zeros((3, 3)), 3.0 * np.eye(3), 4.0 * np.eye(3)])
    lists = neighbours.neighbour_lists(position, 1.0, box)
    assert (lists["receivers"] < 2).sum(1).tolist() == [
        0,
        2,
        0,
    ]  # across the face they are 0.2 and 1.2 apart


def test_many_points_take_memory_in_proportion_to_their_pairs():
    rng = np.random.default_rng(0)
    entries = []
    for n in (1000, 8000):
        lists = neighbours.neighbour_lists(rng.uniform(0, n ** (1 / 3), (1, n, 3)), 1.0)
        entries.append(sum(value.nbytes for value in lists.values()))
    # 8 times the points have 8 times the pairs, more by those that lack no neighbour at the
    # surface, and by padding
    assert entries[1] / entries[0] < 8 * 1.25 * (1 + 1 / neighbours.STEPS)


def test_points_that_are_far_apart_or_not_finite_have_no_pairs():
    position = np.array(
        [[[0.0, 0, 0], [1e9, 0, 0]], [[np.nan, 0, 0], [0, 0, 0]], [[np.inf, 0, 0], [0, 0, 0]]]
    )
    assert (neighbours.neighbour_lists(position, 1.0)["receivers"] == 2).all()


@given(st.integers(0, 10**9))
def test_lengths_of_lists_are_few_and_pad_little(count):
    length = neighbours.padded_length(count)
    assert length >= count and neighbours.padded_length(length) == length
    assert length - count <= max(count / neighbours.STEPS, neighbours.STEPS)


def test_lengths_between_powers_of_two_are_few():
    assert len({neighbours.padded_length(n) for n in range(2**16, 2**17)}) <= neighbours.STEPS + 1


def sample(n_points: int = 6) -> Sample:
    rng = np.random.default_rng(5)
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    return Sample(
        rng.normal(size=(3, 2, n_points, 3)), rng.normal(size=(3, n_points, 3)), edges=edges
    )


def test_network_inputs_list_neighbours_where_there_is_a_cutoff():
    s = sample()
    statistics = features.measure(s, "last", 1)
    dense, near = (
        features.network_inputs(s, statistics, "float32", cutoff) for cutoff in (None, 100.0)
    )
    assert "adjacency" not in near and "senders" not in dense
    assert {near[k].dtype.name for k in ("senders", "receivers")} == {"int32"} and near[
        "shift"
    ].dtype == "float32"
    assert (near["receivers"] < 6).sum(1).tolist() == [
        30
    ] * 3  # all pairs, as the cutoff is longer than any distance
    b, e = np.nonzero(near["receivers"] < 6)
    expected = dense["adjacency"][b, near["senders"][b, e], near["receivers"][b, e]]
    np.testing.assert_array_equal(near["bonded"][b, e], expected)
    assert not near["bonded"][near["receivers"] == 6].any() and not near["shift"].any()


def test_lists_of_a_task_have_one_length():
    s = sample()
    statistics = features.measure(s, "last", 1)
    parts = [features.network_inputs(s, statistics, "float32", cutoff) for cutoff in (0.5, 9.0)]
    longer = neighbours.of_one_length(parts)
    assert longer[0]["senders"].shape == longer[1]["senders"].shape == parts[1]["senders"].shape
    for name in ("receivers", "senders", "shift", "bonded"):
        length = parts[0]["senders"].shape[1]
        np.testing.assert_array_equal(longer[0][name][:, :length], parts[0][name])
    assert (longer[0]["senders"][:, length:] == 6).all() and not longer[0]["bonded"][
        :, length:
    ].any()
    assert neighbours.of_one_length([{"position": s.position}])[0].keys() == {"position"}
