"""From the plane to space: (T, N, 2) -> (T, N, 3).

`zeros` sets z = 0. `random_plane` turns that plane by one rotation drawn uniformly (Haar measure)
from a seed, the same for all frames, so that no axis is special; distances and angles are
unchanged.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory

LIFTS = ["zeros", "random_plane"]


def plane_orientation(how: str, seed: int = 0) -> np.ndarray:
    """The rotation (3, 3) that takes the plane z = 0 to where the lifted data lie.

    Raises:
        ValueError: `how` is neither `zeros` nor `random_plane`.
    """
    if how not in LIFTS:
        raise ValueError(f"lift: unknown value {how!r}; {nearest(how, LIFTS)}")
    return (
        np.eye(3)
        if how == "zeros"
        else Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    )


def lift_array(planar: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) as vectors (..., 3): R (x, y, 0)."""
    assert planar.shape[-1] == 2 and rotation.shape == (3, 3)
    return planar @ rotation[:, :2].T


def lift(trajectory: Trajectory, how: str = "zeros", seed: int = 0) -> Trajectory:
    """A planar trajectory in space, with the orientation in its provenance; one in space is
    returned unchanged.

    Raises:
        ValueError: `how` is neither `zeros` nor `random_plane`.
    """
    rotation = plane_orientation(how, seed)
    if trajectory.position.shape[-1] == 3:
        return trajectory
    velocity = trajectory.velocity
    made = {"how": how, "rotation": rotation.tolist()} | (
        {"seed": seed} if how == "random_plane" else {}
    )
    return replace(
        trajectory,
        position=lift_array(trajectory.position, rotation),
        velocity=None if velocity is None else lift_array(velocity, rotation),
        box=None if trajectory.box is None else trajectory.box @ rotation.T,
        provenance=trajectory.provenance | {"lift": made},
    )
