"""What an alignment does to the data of a task, as numbers."""

from types import ModuleType

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.frames import Frames

JUMP = np.pi / 2  # a frame that turns further than this between two consecutive frames has flipped an axis
NUDGE = 1e-4  # size of the perturbation, in units of the points' extent
N_SAMPLES = 64


def extent(position: np.ndarray) -> float:
    """Root mean square distance of the points of (B, N, 3) from the mean of their frame."""
    centred = position - position.mean(1, keepdims=True)
    return float(np.sqrt(np.mean(np.square(centred).sum(-1))))


def jump_rate(rotation: np.ndarray, episode: np.ndarray) -> float:
    """Fraction of consecutive frames between which the first of the rotations (T, F, 3, 3) turns by over 90 degrees."""
    turn = rotation[1:, 0] @ rotation[:-1, 0].swapaxes(-1, -2)
    sign = np.sign(np.linalg.det(turn))
    angle = np.arccos(np.clip((sign * np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))
    same = episode[1:] == episode[:-1]
    return float(np.mean(((angle > JUMP) | (sign < 0))[same]))


def eigengap(position: np.ndarray) -> float:
    """First percentile over frames of the gap between the two largest second moments, relative to the largest."""
    centred = position - position.mean(1, keepdims=True)
    values = np.linalg.eigvalsh(centred.swapaxes(1, 2) @ centred)
    return float(np.quantile((values[:, 2] - values[:, 1]) / values[:, 2], 0.01))


def _aligned(alignment: ModuleType, position: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    frames = alignment.frames(position, reference)
    return Frames(frames.rotation[:, :1], frames.origin, np.ones((len(position), 1))).into(position)


def perturbation_gain(alignment: ModuleType, position: np.ndarray, reference: np.ndarray | None) -> float:
    """How far a small shift of one point moves all points in the frame: the worst point's median |change| / |shift|.

    Without an alignment it is 1: only the shifted point moves, and by as much.
    """
    size, rng = NUDGE * extent(position), np.random.default_rng(0)
    before, gains = _aligned(alignment, position, reference), []
    for point in range(position.shape[1]):
        direction = rng.normal(size=(len(position), 3))
        shifted = position.copy()
        shifted[:, point] += size * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        change = _aligned(alignment, shifted, reference) - before
        gains.append(np.median(np.linalg.norm(change, axis=(1, 2))) / size)
    return float(max(gains))


def motion_error(alignment: ModuleType, position: np.ndarray, reference: np.ndarray | None, improper: bool) -> float:
    """Root mean square change of the aligned points under Haar rotations (or improper ones), relative to the extent."""
    matrix = Rotation.random(len(position), rng=np.random.default_rng(0)).as_matrix() * (-1 if improper else 1)
    moved = np.einsum("bij,bnj->bni", matrix, position)
    change = _aligned(alignment, moved, reference) - _aligned(alignment, position, reference)
    return float(np.sqrt(np.mean(np.square(change).sum(-1)))) / extent(position)


def diagnose(alignment: ModuleType, position: np.ndarray, episode: np.ndarray, observables: dict) -> dict[str, float]:
    """One row of alignment.csv from world positions (T, N, 3) and the arrays of the aligned file."""
    reference = observables.get("reference")
    few = position[np.linspace(0, len(position) - 1, min(N_SAMPLES, len(position))).round().astype(int)]
    return {
        "jump_rate": jump_rate(observables["rotation"], episode),
        "eigengap_p01": eigengap(position),
        "perturbation_gain": perturbation_gain(alignment, few, reference),
        "rotation_error": motion_error(alignment, few, reference, improper=False),
        "reflection_error": motion_error(alignment, few, reference, improper=True),
    }
