"""Frames and alignments: isometries, round trips, and each alignment's claims against transformed inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equitraj import registry
from equitraj.frames import Frames, load_alignment, turn_onto_x

ALIGNMENTS = registry.names("alignments")
ROUNDING = 1e-12  # coordinates of order 1, some tens of float64 operations of 1e-16 each


def cloud(seed: int, shape: tuple = (8, 5, 3)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_into_and_back_is_the_identity_and_keeps_distances(name):
    position = cloud(0)
    frames = load_alignment(name).frames(position)
    inside = frames.into(position)
    np.testing.assert_allclose(frames.back(inside), position, atol=ROUNDING)
    distance = np.linalg.norm(position[:, 0] - position[:, 3], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(inside[:, 0] - inside[:, 3], axis=-1), distance, rtol=ROUNDING)


@pytest.mark.parametrize("name", ["centre_of_mass", "point0", "vector01"])
def test_translations_are_removed(name):
    alignment, position = load_alignment(name), cloud(1)
    assert alignment.CLAIMS["translation"]
    moved = position + np.array([3.0, -2.0, 0.5])
    change = alignment.frames(moved).into(moved) - alignment.frames(position).into(position)
    np.testing.assert_allclose(change, 0, atol=ROUNDING)


def test_principal_axes_remove_translations_and_rotations_up_to_the_signs_of_the_axes():
    position, frames = cloud(1), load_alignment("principal_axes").frames
    turn = Rotation.random(rng=np.random.default_rng(5)).as_matrix()
    moved = position @ turn.T + np.array([3.0, -2.0, 0.5])
    change = np.abs(frames(moved).into(moved)) - np.abs(frames(position).into(position))
    np.testing.assert_allclose(change, 0, atol=100 * ROUNDING)  # eigenvectors lose digits to the gap


@given(seed=st.integers(0, 10**6))
def test_the_smallest_rotation_onto_x_against_scipy(seed):
    vector = np.random.default_rng(seed).normal(size=(16, 3))
    rotation = turn_onto_x(vector)
    expected = np.linalg.norm(vector, axis=1)[:, None] * [1.0, 0, 0]
    np.testing.assert_allclose(np.einsum("bij,bj->bi", rotation, vector), expected, atol=1e-10)
    angle = np.arccos(np.clip(vector[:, 0] / np.linalg.norm(vector, axis=1), -1, 1))
    np.testing.assert_allclose(Rotation.from_matrix(rotation).magnitude(), angle, atol=1e-7)  # arccos near 1


def test_the_smallest_rotation_has_a_rule_for_zero_and_opposite_vectors():
    rotation = turn_onto_x(np.array([[0.0, 0, 0], [-2.0, 0, 0], [5.0, 0, 0]]))
    np.testing.assert_array_equal(rotation[0], np.eye(3))
    np.testing.assert_allclose(rotation[1] @ [-2.0, 0, 0], [2.0, 0, 0])
    np.testing.assert_array_equal(rotation[2], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


def test_principal_axes_diagonalise_the_second_moments():
    position = cloud(2)
    inside = load_alignment("principal_axes").frames(position).into(position)
    moment = inside.swapaxes(1, 2) @ inside
    off = moment - np.einsum("bii->bi", moment)[:, :, None] * np.eye(3)
    np.testing.assert_allclose(off, 0, atol=ROUNDING * 10)
    assert (np.diff(np.einsum("bii->bi", moment), axis=1) < 0).all()


def test_vector01_reproduces_the_planar_alignment_of_the_chapter():
    planar = cloud(3)
    planar[..., 2] = 0
    inside = load_alignment("vector01").frames(planar).into(planar)
    centred = planar[..., :2] - planar[:, :1, :2]
    first = -centred[:, 1]
    angle = -np.arctan2(first[:, 1], first[:, 0])
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], 1)
    np.testing.assert_allclose(inside[..., :2], np.einsum("bij,bnj->bni", turn, centred), atol=ROUNDING)
    np.testing.assert_allclose(inside[..., 2], 0, atol=ROUNDING)


def test_several_frames_are_averaged_with_their_weights():
    rotation = Rotation.random(6, rng=np.random.default_rng(0)).as_matrix().reshape(2, 3, 3, 3)
    weight = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    frames, value = Frames(rotation, np.ones((2, 3)), weight), cloud(4, (6, 5, 3))
    expected = np.ones((2, 5, 3))
    for b in range(2):
        for f in range(3):
            expected[b] += weight[b, f] * value[3 * b + f] @ rotation[b, f]
    np.testing.assert_allclose(frames.back(value), expected, atol=ROUNDING)
