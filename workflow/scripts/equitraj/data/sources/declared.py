"""The `frames` and `bonds` that a source declares: the first is checked, the second is added."""

from dataclasses import replace

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory

BONDS = ["chain", "none"]


def chain_bonds(n_points: int) -> np.ndarray:
    """The bonds (i, i + 1) of a chain: (n_points - 1, 2)."""
    n_bonds = n_points - 1
    first = np.arange(n_bonds)
    second = first + 1
    return np.stack([first, second], axis=1)


def name_of(address: str | list[str]) -> str:
    """An address for messages; of a list, the first address and the number of others."""
    if isinstance(address, str):
        return address
    return f"{address[0]} and {len(address) - 1} more"


def apply(trajectory: Trajectory, name: str, source: dict) -> Trajectory:
    """The trajectory with the bonds that `source` declares; without `bonds` it keeps its own.

    Raises:
        ValueError: the number of frames is not the declared one, or `bonds` has an unknown value.
    """
    n_frames, n_points = trajectory.position.shape[:2]
    expected = source.get("frames")
    if expected is not None and n_frames != expected:
        raise ValueError(
            f"{name}: {n_frames} frames, but the source declares `frames: {expected}`; "
            "correct one of them"
        )
    bonds = source.get("bonds")
    if bonds is None:
        return trajectory
    if bonds not in BONDS:
        raise ValueError(f"bonds: unknown value {bonds!r}; {nearest(bonds, BONDS)}")
    return replace(trajectory, bonds=chain_bonds(n_points) if bonds == "chain" else None)
