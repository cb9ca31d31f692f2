"""Frames, and what single alignments compute, against scipy, brute force and closed forms."""

from itertools import product

import numpy as np
import pytest
from equivariance import (
    BATCH,
    cloud,
    fitted,
    haar,
    history_of,
    plain_model,
    predict,
    symmetric_shapes,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equitraj.frames import Frames, axes, load_alignment, turn_onto_x

ROUNDING = 1e-12  # coordinates of order 1, some tens of float64 operations of 1e-16 each


@pytest.mark.parametrize("reflections", [False, True])
def test_frame_averaging_is_the_mean_over_all_signs_of_the_eigenvectors(reflections):
    history = history_of("random", 9)
    found = predict(load_alignment("frame_averaging", {"reflections": reflections}), None, history)
    for sample, prediction in zip(history, found, strict=True):
        centre = sample[-1].mean(0)
        vectors = np.linalg.eigh(np.cov((sample[-1] - centre).T))[1].T[::-1]
        signed = [np.diag(s) @ vectors for s in product([1, -1], repeat=3)]
        kept = [r for r in signed if reflections or np.linalg.det(r) > 0]
        inside = np.stack([(sample - centre) @ r.T for r in kept])
        outside = [y @ r for y, r in zip(plain_model(inside), kept, strict=True)]
        np.testing.assert_allclose(prediction, np.mean(outside, 0) + centre, atol=1e-10)


@pytest.mark.parametrize("name", ["kabsch_reference", "kabsch_mean", "kabsch_previous"])
def test_the_kabsch_rotation_is_that_of_scipy(name):
    alignment, reference = fitted(name, {})
    history = history_of("random", 10)
    rotation = alignment.frames(history, reference).rotation[:, 0]
    centred = history - history.mean(2, keepdims=True)
    for past, found in zip(centred, rotation, strict=True):
        expected = Rotation.align_vectors(past[-2] if reference is None else reference, past[-1])[
            0
        ].as_matrix()
        np.testing.assert_allclose(
            found, expected, atol=1e-9
        )  # scipy and LAPACK differ by rounding over the gap


def test_the_kabsch_rotation_of_mirror_images_is_proper_and_what_they_leave_open_is_zero():
    points = cloud(11)
    rotation = axes.kabsch(-points, points)
    np.testing.assert_allclose(np.linalg.det(rotation), 1, rtol=ROUNDING)
    octahedron = symmetric_shapes()[3:]
    np.testing.assert_array_equal(
        axes.kabsch(-octahedron, octahedron), 0
    )  # every half turn is as good
    stretched = octahedron * [2.0, 1, 1]
    np.testing.assert_allclose(
        axes.kabsch(-stretched, stretched), np.diag([-1.0, 0, 0])[None], atol=ROUNDING
    )


def test_the_mean_shape_of_turned_copies_is_the_shape_and_stays_under_alignment():
    rng, shape = np.random.default_rng(12), cloud(12, (6, 3))
    copies = (shape + 0.01 * rng.normal(size=(50, 6, 3))) @ haar(rng, 50) + rng.normal(
        size=(50, 1, 3)
    )
    mean = load_alignment("kabsch_mean").fit(copies)
    residual = Rotation.align_vectors(shape - shape.mean(0), mean)[1]
    assert (
        residual < 0.01 * np.sqrt(18 / 50) * 2
    )  # noise of 0.01 per coordinate, averaged over 50 copies; twice that
    centred = copies - copies.mean(1, keepdims=True)
    aligned = [Rotation.align_vectors(mean, points)[0].apply(points) for points in centred]
    np.testing.assert_allclose(np.mean(aligned, 0), mean, atol=1e-8)


def test_weighted_frames_are_continuous_where_signed_principal_axes_jump():
    """Where the two largest spreads cross, the steps of the prediction shrink with those of the
    path, or do not."""
    base, largest = symmetric_shapes()[0] + 0.05 * cloud(13, (6, 3)), {}
    centred = base - base.mean(0)
    base = centred @ np.linalg.svd(centred)[2].T
    base = base / base.std(0) * [1, 1, 0.3]
    for name, options in [
        ("principal_axes_signed", {}),
        ("weighted_frames", {}),
        ("weighted_frames", {"all_pairs": True}),
    ]:
        for steps in (100, 1000):
            stretch = np.linspace(0.02, -0.02, steps)[:, None, None] * [1, -1, 0] + 1
            change = np.diff(
                predict(load_alignment(name, options), None, (base * stretch)[:, None]), axis=0
            )
            largest[name, bool(options), steps] = np.abs(change).max()
    assert all(largest["principal_axes_signed", False, steps] > 0.1 for steps in (100, 1000))
    for all_pairs in (False, True):
        ratio = (
            largest["weighted_frames", all_pairs, 100] / largest["weighted_frames", all_pairs, 1000]
        )
        assert 8 < ratio < 12 and largest["weighted_frames", all_pairs, 100] < 0.01


def test_weighted_frames_weigh_each_pair_by_the_area_it_spans():
    history = history_of("random", 14)
    frames = load_alignment("weighted_frames", {"all_pairs": True}).frames(history)
    x = history[0, -1] - history[0, -1].mean(0)
    area = np.array(
        [np.linalg.norm(np.cross(x[i], x[j])) for i, j in product(range(6), repeat=2) if i != j]
    )
    np.testing.assert_allclose(frames.weight[0], area / area.sum(), rtol=1e-10)
    third = frames.rotation[0, 7]  # the pair (1, 3)
    np.testing.assert_allclose(third[0], x[1] / np.linalg.norm(x[1]), rtol=1e-10)
    np.testing.assert_allclose(
        third[2], np.cross(x[1], x[3]) / np.linalg.norm(np.cross(x[1], x[3])), rtol=1e-10
    )


def test_gram_schmidt_puts_three_points_where_it_says():
    newest = cloud(15)[:, None]
    inside = load_alignment("gram_schmidt", {"points": [2, 0, 4]}).frames(newest).into(newest)[:, 0]
    np.testing.assert_allclose(inside[:, 2], 0, atol=ROUNDING)
    np.testing.assert_allclose(inside[:, 0, 1:], 0, atol=ROUNDING)
    np.testing.assert_allclose(inside[:, 4, 2], 0, atol=ROUNDING)
    assert (inside[:, 0, 0] > 0).all() and (inside[:, 4, 1] > 0).all()


def test_the_previous_frame_is_the_world_where_the_history_is_one_frame():
    history = history_of("random", 16)[:, -1:]
    np.testing.assert_array_equal(
        load_alignment("kabsch_previous").frames(history).rotation[:, 0],
        np.eye(3)[None].repeat(BATCH, 0),
    )


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (
            "gram_schmidt",
            {"points": [0, 0, 1]},
            r"points: \(0, 0, 1\); expected list, 2 to 3 different indices",
        ),
        ("gram_schmidt", {"points": [0]}, r"points: \(0,\); expected"),
        ("haar_averaging", {"rotations": 0}, "rotations: 0; expected int, 1 to 10000"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(name, options, said):
    with pytest.raises(ValueError, match=f"{name}: {said}"):
        load_alignment(name, options)


def test_a_reference_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="frame: 20, but the training split has 20 frames"):
        fitted("kabsch_reference", {"frame": 20})
    for name in ("kabsch_reference", "kabsch_mean"):
        with pytest.raises(ValueError, match=f"{name}: no reference"):
            load_alignment(name).frames(history_of("random", 0))


def test_principal_axes_diagonalise_the_second_moments():
    position = cloud(2)[:, None]
    inside = load_alignment("principal_axes").frames(position).into(position)[:, 0]
    moment = inside.swapaxes(1, 2) @ inside
    off = moment - np.einsum("bii->bi", moment)[:, :, None] * np.eye(3)
    np.testing.assert_allclose(off, 0, atol=ROUNDING * 10)
    assert (np.diff(np.einsum("bii->bi", moment), axis=1) < 0).all()


def test_vector01_reproduces_the_planar_alignment_of_the_chapter():
    planar = cloud(3)
    planar[..., 2] = 0
    inside = load_alignment("vector01").frames(planar[:, None]).into(planar)
    centred = planar[..., :2] - planar[:, :1, :2]
    first = -centred[:, 1]
    angle = -np.arctan2(first[:, 1], first[:, 0])
    turn = np.stack(
        [
            np.stack([np.cos(angle), -np.sin(angle)], -1),
            np.stack([np.sin(angle), np.cos(angle)], -1),
        ],
        1,
    )
    np.testing.assert_allclose(
        inside[..., :2], np.einsum("bij,bnj->bni", turn, centred), atol=ROUNDING
    )
    np.testing.assert_allclose(inside[..., 2], 0, atol=ROUNDING)


@given(seed=st.integers(0, 10**6))
def test_the_smallest_rotation_onto_x_against_scipy(seed):
    vector = np.random.default_rng(seed).normal(size=(16, 3))
    rotation = turn_onto_x(vector)
    expected = np.linalg.norm(vector, axis=1)[:, None] * [1.0, 0, 0]
    np.testing.assert_allclose(np.einsum("bij,bj->bi", rotation, vector), expected, atol=1e-10)
    angle = np.arccos(np.clip(vector[:, 0] / np.linalg.norm(vector, axis=1), -1, 1))
    np.testing.assert_allclose(
        Rotation.from_matrix(rotation).magnitude(), angle, atol=1e-7
    )  # arccos near 1


def test_the_smallest_rotation_has_a_rule_for_zero_and_opposite_vectors():
    rotation = turn_onto_x(np.array([[0.0, 0, 0], [-2.0, 0, 0], [5.0, 0, 0]]))
    np.testing.assert_array_equal(rotation[0], np.eye(3))
    np.testing.assert_allclose(rotation[1] @ [-2.0, 0, 0], [2.0, 0, 0])
    np.testing.assert_array_equal(rotation[2], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


def test_several_frames_are_averaged_with_their_weights():
    rotation = Rotation.random(6, rng=np.random.default_rng(0)).as_matrix().reshape(2, 3, 3, 3)
    weight = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    frames, value = Frames(rotation, np.ones((2, 3)), weight), cloud(4, (6, 5, 3))
    expected = np.ones((2, 5, 3))
    for b in range(2):
        for f in range(3):
            expected[b] += weight[b, f] * value[3 * b + f] @ rotation[b, f]
    np.testing.assert_allclose(frames.back(value), expected, atol=ROUNDING)
