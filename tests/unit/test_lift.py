"""Lifting from the plane to space."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from called import called
from equitraj.data import trajectory as files
from equitraj.data.lift import lift, plane_orientation
from equitraj.data.trajectory import Trajectory


def planar(frames=6, dimension=2):
    random = np.random.default_rng(5)
    shape = (frames, 4, dimension)
    return Trajectory(
        position=random.normal(size=shape),
        velocity=random.normal(size=shape),
        episode=np.zeros(frames, int),
        time=np.arange(frames) * 0.5,
        provenance={"seed": 9},
    )


def test_zeros_keeps_x_and_y():
    flat = planar()
    lifted = lift(flat, "zeros")
    for before, after in ((flat.position, lifted.position), (flat.velocity, lifted.velocity)):
        np.testing.assert_array_equal(after[..., :2], before)
        assert not after[..., 2].any()


def test_random_plane_is_scipys_rotation_of_the_flat_points():
    flat = planar()
    lifted = lift(flat, "random_plane", seed=3)
    rotation = Rotation.from_matrix(lifted.provenance["lift"]["rotation"])
    for before, after in ((flat.position, lifted.position), (flat.velocity, lifted.velocity)):
        in_space = np.concatenate([before, np.zeros((6, 4, 1))], axis=-1).reshape(-1, 3)
        np.testing.assert_allclose(
            after.reshape(-1, 3), rotation.apply(in_space), atol=1e-14
        )  # float64, O(1) values
    assert lifted.provenance["lift"]["seed"] == 3 and lifted.provenance["seed"] == 9


def test_random_plane_preserves_distances_and_stays_a_plane():
    flat = planar()
    lifted = lift(flat, "random_plane", seed=3)
    for before, after in zip(flat.position, lifted.position, strict=True):
        np.testing.assert_allclose(pdist(after), pdist(before), rtol=1e-12)
    singular = np.linalg.svd(lifted.position.reshape(-1, 3), compute_uv=False)
    assert singular[2] < 1e-14 * singular[0] * 10 and np.abs(lifted.position[..., 2]).max() > 0.1


def test_seed_decides_the_plane():
    np.testing.assert_array_equal(
        plane_orientation("random_plane", 1), plane_orientation("random_plane", 1)
    )
    assert not np.allclose(
        plane_orientation("random_plane", 1), plane_orientation("random_plane", 2)
    )


def test_planes_are_uniform():
    """The normal of a Haar-random plane is uniform on the sphere: z has mean 0 and variance 1/3."""
    normal_z = np.array([plane_orientation("random_plane", seed)[2, 2] for seed in range(600)])
    # Standard errors: sqrt(1/3 / 600), and sqrt((1/5 - 1/9) / 600) for z^2. Times 4.
    assert abs(normal_z.mean()) < 4 * np.sqrt(1 / 3 / 600)
    assert abs((normal_z**2).mean() - 1 / 3) < 4 * np.sqrt((1 / 5 - 1 / 9) / 600)


@pytest.mark.parametrize("how", ["zeros", "random_plane"])
def test_data_in_space_pass_unchanged(how):
    in_space = planar(dimension=3)
    assert lift(in_space, how) is in_space


def test_unknown_lift():
    with pytest.raises(ValueError, match="Did you mean 'random_plane'"):
        lift(planar(), "random_plan")


def test_script(tmp_path):
    files.write(tmp_path / "raw.h5", planar())
    source = json.dumps({"lift": "random_plane", "lift_seed": 11})
    arguments = ["--input", "raw.h5", "--source", source, "--output", "lifted.h5"]
    called("lift.py", *arguments, folder=tmp_path).check_returncode()
    lifted = files.read(tmp_path / "lifted.h5")
    np.testing.assert_array_equal(lifted.position, lift(planar(), "random_plane", 11).position)
    np.testing.assert_array_equal(lifted.time, planar().time)
    assert lifted.provenance["lift"]["rotation"] == plane_orientation("random_plane", 11).tolist()
