"""What an alignment does to data, where the answer is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equitraj import diagnostics
from equitraj.frames import load_alignment


def cloud(n_frames: int = 40) -> np.ndarray:
    """Points of clearly different principal moments."""
    return np.random.default_rng(0).normal(size=(n_frames, 6, 3)) * [3, 2, 1]


def row(name: str, position: np.ndarray) -> dict[str, float]:
    alignment = load_alignment(name)
    observables = {"rotation": alignment.frames(position).rotation}
    return diagnostics.diagnose(alignment, position, np.zeros(len(position), int), observables)


def test_without_alignment_one_moved_point_moves_itself_and_rotations_stay():
    position = cloud()
    found = row("none", position)
    assert found["perturbation_gain"] == pytest.approx(1, rel=1e-6) and found["jump_rate"] == 0
    expected = np.sqrt(2 * np.mean((position**2).sum(-1))) / diagnostics.extent(position)  # E|Rx - x|^2 = 2|x|^2
    assert found["rotation_error"] == pytest.approx(expected, rel=0.25)  # 40 random rotations


def test_a_shift_of_point_0_moves_all_points_when_it_is_the_origin():
    """Moving the origin by e moves the other 5 points by -e: a gain of sqrt(5)."""
    assert row("point0", cloud())["perturbation_gain"] == pytest.approx(np.sqrt(5), rel=1e-6)


def test_jumps_are_counted_within_episodes_only():
    flip = np.diag([-1.0, -1, 1])
    rotation = np.stack([np.eye(3), np.eye(3), flip, flip, np.eye(3)])[:, None]
    assert diagnostics.jump_rate(rotation, np.zeros(5, int)) == pytest.approx(2 / 4)
    assert diagnostics.jump_rate(rotation, np.array([0, 0, 1, 1, 1])) == pytest.approx(1 / 3)


def test_the_eigengap_of_a_known_cloud():
    position = np.zeros((10, 6, 3))
    position[:, [0, 1], 0] = [2, -2]
    position[:, [2, 3], 1] = [1, -1]
    turned = position @ Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    assert diagnostics.eigengap(turned) == pytest.approx((8 - 2) / 8)
