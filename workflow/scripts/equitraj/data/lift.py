"""The lift of planar data to space: (T, N, 2) -> (T, N, 3).

`zeros` sets z = 0. `random_plane` turns that plane by one rotation, drawn uniformly (Haar measure)
from a seed and the same for all frames, so that no axis is special. Distances and angles are
unchanged.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory

LIFTS = ["zeros", "random_plane"]


def plane_orientation(how: str, seed: int = 0) -> np.ndarray:
    """The rotation (3, 3) that takes the plane z = 0 to the plane of the lifted data.

    Raises:
        ValueError: `how` is neither `zeros` nor `random_plane`.
    """
    if how not in LIFTS:
        raise ValueError(f"lift: unknown value {how!r}; {nearest(how, LIFTS)}")
    if how == "zeros":
        return np.eye(3)
    rng = np.random.default_rng(seed)
    return Rotation.random(rng=rng).as_matrix()


def lift_array(planar: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) as vectors (..., 3): R (x, y, 0)."""
    assert planar.shape[-1] == 2
    assert rotation.shape == (3, 3)
    plane = rotation[:, :2]
    return planar @ plane.T


def lift(trajectory: Trajectory, how: str = "zeros", seed: int = 0) -> Trajectory:
    """A planar trajectory in space, with the orientation of its plane in its provenance.

    A trajectory that is in space already is returned unchanged.

    Raises:
        ValueError: `how` is neither `zeros` nor `random_plane`.
    """
    rotation = plane_orientation(how, seed)
    if trajectory.position.shape[-1] == 3:
        return trajectory
    record = {"how": how, "rotation": rotation.tolist()}
    if how == "random_plane":
        record["seed"] = seed
    velocity = trajectory.velocity
    return replace(
        trajectory,
        position=lift_array(trajectory.position, rotation),
        velocity=None if velocity is None else lift_array(velocity, rotation),
        box=None if trajectory.box is None else trajectory.box @ rotation.T,
        provenance=trajectory.provenance | {"lift": record},
    )
