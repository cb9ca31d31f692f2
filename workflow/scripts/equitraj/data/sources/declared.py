"""What a source declares of its data (`frames`, `bonds`), checked against them or added to them."""

from dataclasses import replace

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.trajectory import Trajectory

BONDS = ["chain", "none"]


def chain_bonds(n_points: int) -> np.ndarray:
    """The bonds (i, i + 1) of a chain: (n_points - 1, 2)."""
    first = np.arange(n_points - 1)
    return np.stack([first, first + 1], axis=1)


def name_of(address: str | list[str]) -> str:
    """One address for messages: the first of a list, with how many more there are."""
    return address if isinstance(address, str) else f"{address[0]} and {len(address) - 1} more"


def apply(trajectory: Trajectory, name: str, source: dict) -> Trajectory:
    """The trajectory with the bonds that `source` declares; without the key `bonds` it keeps its
    own.

    Raises:
        ValueError: the number of frames is not the declared one, or `bonds` has an unknown value.
    """
    n_frames, n_points = trajectory.position.shape[:2]
    if (frames := source.get("frames")) is not None and n_frames != frames:
        raise ValueError(
            f"{name}: {n_frames} frames, but the source declares `frames: {frames}`; correct one of them"
        )
    bonds = source.get("bonds")
    if bonds is None:
        return trajectory
    if bonds not in BONDS:
        raise ValueError(f"bonds: unknown value {bonds!r}; {nearest(bonds, BONDS)}")
    return replace(trajectory, bonds=chain_bonds(n_points) if bonds == "chain" else None)
