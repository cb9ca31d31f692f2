"""The two-sample test of rotation invariance: its statistic against brute force, its answers where
they are known."""

import numpy as np
import pytest
from equivariance import haar
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from scipy.stats import energy_distance

from equitraj.symmetry import isotropy


def oriented(seed: int, count: int = 150) -> np.ndarray:
    """Points with one preferred direction: the spread along x is twice that along y and z."""
    return np.random.default_rng(seed).normal(size=(count, 5, 3)) * [2, 1, 1]


def isotropic(seed: int, count: int = 150) -> np.ndarray:
    """The same, each frame turned at random."""
    return oriented(seed, count) @ haar(np.random.default_rng(seed + 1000), count)


def brute_force(first: np.ndarray, second: np.ndarray) -> float:
    """The energy distance relative to 2 E|X - Y|, of samples (n, D), pair by pair."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return sum(np.linalg.norm(p - q) for p in a for q in b) / len(a) / len(b)

    largest = 2 * mean(first, second)
    return (largest - mean(first, first) - mean(second, second)) / largest


def test_the_energy_distance_is_that_of_a_double_loop_and_signs_exchange_pairs():
    first, second = np.random.default_rng(0).normal(size=(2, 7, 4)) + [[[0.0]], [[0.5]]]
    matrix, sign = isotropy.energy_matrix(first, second), np.array([1, -1, 1, 1, -1, 1, -1])
    assert matrix.sum() == pytest.approx(brute_force(first, second), rel=1e-12)
    one, other = (np.where(sign[:, None] > 0, a, b) for a, b in ((first, second), (second, first)))
    exchanged = (
        sign @ matrix @ sign * cdist(first, second).mean() / cdist(one, other).mean()
    )  # the first one's scale
    assert exchanged == pytest.approx(brute_force(one, other), rel=1e-12)


def test_the_statistic_of_the_test_is_the_mean_over_points_and_second_moments():
    cloud = oriented(2, 12)
    centred = cloud - cloud.mean(1, keepdims=True)
    turned = np.stack(
        [x @ r.T for x, r in zip(centred, haar(np.random.default_rng(5), 12), strict=True)]
    )
    moments = [
        np.stack([(x.T @ x / np.linalg.norm(x)).ravel() for x in sample])
        for sample in (centred, turned)
    ]
    points = [sample.reshape(12, -1) for sample in (centred, turned)]
    expected = (brute_force(*points) + brute_force(*moments)) / 2
    assert isotropy.isotropy_test(cloud, seed=5)["statistic"] == pytest.approx(expected, rel=1e-10)


def test_the_energy_distance_is_scipys_in_one_dimension():
    """scipy's is the square root of 2 E|X - Y| - E|X - X'| - E|Y - Y'| from the distribution
    functions."""
    first, second = np.random.default_rng(1).normal(size=(2, 30, 1)) * [[[1]], [[2]]]
    found = isotropy.energy_matrix(first, second).sum() * 2 * cdist(first, second).mean()
    assert found == pytest.approx(energy_distance(first[:, 0], second[:, 0]) ** 2, rel=1e-10)


def test_isotropic_clouds_are_rarely_rejected_and_their_p_values_are_spread_evenly():
    p_value = np.array(
        [isotropy.isotropy_test(isotropic(seed), seed)["p_value"] for seed in range(20)]
    )
    assert (p_value > isotropy.LEVEL).sum() >= 18  # three of 20 below 0.01: once in 1000
    assert (
        np.abs(np.quantile(p_value, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.3
    )  # 3 standard errors


@pytest.mark.parametrize("seed", range(5))
def test_oriented_and_planar_clouds_are_rejected(seed):
    planar = np.random.default_rng(seed).normal(size=(150, 5, 3)) * [1, 1, 0]
    for cloud in (oriented(seed), planar):
        found = isotropy.isotropy_test(cloud, seed)
        assert (
            found["verdict"] == "oriented" and found["p_value"] <= 0.001
        )  # the smallest of 999 swaps
        assert 0 < found["statistic"] < 1


def test_a_preference_is_found_in_the_orientation_alone():
    """One rigid shape, turned by at most 60 degrees: nothing but the orientation differs from frame
    to frame."""
    shape, rng = np.random.default_rng(3).normal(size=(5, 3)), np.random.default_rng(4)
    axis = rng.normal(size=(150, 3))
    angle = rng.uniform(0, np.pi / 3, (150, 1))
    turn = Rotation.from_rotvec(
        angle * axis / np.linalg.norm(axis, axis=1, keepdims=True)
    ).as_matrix()
    assert isotropy.isotropy_test(shape @ turn.swapaxes(1, 2))["verdict"] == "oriented"
    assert isotropy.isotropy_test(shape @ haar(rng, 150))["verdict"] == "rotation-invariant"


def test_place_and_unit_of_length_do_not_matter_and_at_most_200_frames_are_compared():
    cloud = oriented(0, 1000)
    found, moved = isotropy.isotropy_test(cloud), isotropy.isotropy_test(1e3 * cloud + 50)
    assert found["frames"] == 200
    assert (
        moved["statistic"] == pytest.approx(found["statistic"], rel=1e-9)
        and moved["p_value"] == found["p_value"]
    )


def test_coincident_points_have_no_orientation():
    found = isotropy.isotropy_test(np.ones((10, 3, 3)))
    assert found == {
        "frames": 10,
        "statistic": 0.0,
        "p_value": 1.0,
        "verdict": "rotation-invariant",
    }


def bodies(
    seed: int, turned: bool, episodes: int = 16, frames: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """Bodies that hardly turn while they are watched, each in an orientation of its own, or all in
    one plane."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=(episodes, 1, 5, 3)) * [2, 1, 1 if turned else 0]
    turn = (
        haar(np.random.default_rng(seed + 1), episodes)
        if turned
        else np.eye(3)[None].repeat(episodes, 0)
    )
    noise = 0.02 * rng.normal(size=(episodes, frames, 5, 3)) * [1, 1, 1 if turned else 0]
    position = (shape + noise) @ turn[:, None].swapaxes(-1, -2)
    return position.reshape(-1, 5, 3), np.repeat(np.arange(episodes), frames)


def test_few_orientations_of_many_frames_are_no_orientation_and_a_plane_is_one():
    found = [
        isotropy.isotropy_test(p, s, e)["verdict"]
        for s in range(12)
        for p, e in [bodies(s, turned=True)]
    ]
    assert found.count("oriented") <= 1  # a level of 1 %: two of twelve have a chance of 0.6 %
    alone = [isotropy.isotropy_test(bodies(s, turned=True)[0], s)["verdict"] for s in range(6)]
    assert "oriented" in alone  # as frames of one trajectory they would be found oriented
    for seed in range(4):
        position, episode = bodies(seed, turned=False)
        assert isotropy.isotropy_test(position, seed, episode)["verdict"] == "oriented"
