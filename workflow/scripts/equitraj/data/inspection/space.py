"""Where the points lie: neighbours and the first gap between them, chains, planes."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from equitraj.data.tasks import spread
from equitraj.data.trajectory import Trajectory

FRAMES, POINTS = 40, 20_000  # at most, and points in all frames together
REACH = 4.0  # median distances to the nearest neighbour, as far as neighbours are counted
BINS = 120
DEPTH = 0.2  # of the first peak: how far the density of neighbours must rise again after a gap
MOST_FOR_PAIRS = 2000  # points, for what compares all pairs
CONSTANT = 0.1  # of how much two points move relative to each other: what their distance varies by, if it is kept
TURNED = 0.25  # of its squared length, by which a vector between points must vary for its length to mean something
FLAT = 1e-6  # of the extent


@dataclass(frozen=True)
class Space:
    """Attributes: extent, root mean square distance from the centre of the frame; nearest, the 1 %,
    50 % and 99 % of distances to the nearest neighbour; gap, the distance at which the density of
    neighbours has its first minimum, or None; neighbours, their mean number within the gap; chain,
    whether consecutive points keep together; constant, number of pairs that turn but keep their
    distance, None where not counted; flat, whether all points lie in one plane."""

    extent: float
    nearest: tuple[float, float, float] | None
    gap: float | None
    neighbours: float | None
    chain: bool
    constant: int | None
    flat: bool


def measure(trajectory: Trajectory, box: dict[str, float] | None = None) -> Space:
    """What can be said of the arrangement; `box` has lengths of a periodic box per axis."""
    position = trajectory.position
    frames = position[spread(len(position), min(FRAMES, max(1, POINTS // position.shape[1])))]
    centred = frames - frames.mean(1, keepdims=True)
    extent = float(np.sqrt(np.square(centred).sum(-1).mean()))
    nearest = gap = neighbours = None
    if position.shape[1] > 1:
        nearest, gap, neighbours = _neighbours(frames, _box_lengths(box, position.shape[-1]))
    small = 1 < position.shape[1] <= MOST_FOR_PAIRS
    return Space(
        extent=extent,
        nearest=nearest,
        gap=gap,
        neighbours=neighbours,
        chain=small and is_chain(frames),
        constant=constant_pairs(frames) if small else None,
        flat=position.shape[-1] == 3 and _is_flat(frames),
    )


def _box_lengths(box: dict[str, float] | None, dimension: int) -> np.ndarray | None:
    """Lengths (D,) for a search tree, in which 0 stands for an axis without a box."""
    return np.array([box.get(axis, 0.0) for axis in "xyz"[:dimension]]) if box else None


def _neighbours(frames: np.ndarray, box: np.ndarray | None) -> tuple:
    """Quantiles of the distance to the nearest neighbour, the first gap, the mean number of
    neighbours within it."""
    trees = [_tree(frame, box) for frame in frames]
    nearest = np.concatenate([tree.query(tree.data, k=2)[0][:, 1] for tree in trees])
    quantiles = np.quantile(nearest, [0.01, 0.5, 0.99])
    if not (reach := REACH * float(quantiles[1])):
        return tuple(quantiles.tolist()), None, None
    edges = np.linspace(0.0, reach, BINS + 1)
    counts = np.diff(sum(tree.count_neighbors(tree, edges) for tree in trees))
    gap = first_gap(counts, edges, frames.shape[-1])
    within = gap and sum(tree.count_neighbors(tree, gap) for tree in trees) / nearest.size - 1
    if gap and gap < quantiles[1]:  # of so few neighbours that their density is noise
        gap = within = None
    return tuple(quantiles.tolist()), gap, within


def _tree(frame: np.ndarray, box: np.ndarray | None) -> cKDTree:
    if box is None:
        return cKDTree(frame)
    folded = np.where(
        box > 0, np.mod(frame - frame.min(0), np.where(box > 0, box, 1.0)), frame - frame.min(0)
    )
    return cKDTree(folded, boxsize=np.where(box > 0, np.nextafter(box, np.inf), 0.0))


def first_gap(counts: np.ndarray, edges: np.ndarray, dimension: int) -> float | None:
    """The distance at which the density of neighbours (from counts of pairs per shell) is lowest
    after its first peak.

    None where it does not rise again by `DEPTH` of its highest value: there is no shell of
    neighbours.
    """
    middle = (edges[1:] + edges[:-1]) / 2
    density = gaussian_filter1d(counts / middle ** (dimension - 1), 1.5, mode="nearest")
    if not (highest := density.max()):
        return None
    peaks, _ = find_peaks(density, prominence=DEPTH * highest)
    if not len(peaks):
        return None
    valleys, _ = find_peaks(-density, prominence=DEPTH * density[peaks[0]])
    valleys = valleys[valleys > peaks[0]]
    if not len(valleys):
        return None
    after = density[peaks[0] : peaks[peaks > valleys[0]][0] if (peaks > valleys[0]).any() else None]
    lowest = np.flatnonzero(after <= after.min() + 0.01 * highest) + peaks[0]
    return float(middle[lowest[len(lowest) // 2]])


def is_chain(frames: np.ndarray) -> bool:
    """Whether the shortest tree that joins all points, by their root mean square distances over
    frames (T, N, D), runs through them in the order of their numbers. By chance it does so for one
    in N! / 2 orders."""
    n_points = frames.shape[1]
    if n_points < 4:
        return False
    squared = _mean_over_frames(frames, np.square)
    tree = minimum_spanning_tree(np.sqrt(squared)).tocoo()
    return bool((np.abs(tree.row - tree.col) == 1).all() and tree.nnz == n_points - 1)


def constant_pairs(frames: np.ndarray) -> int:
    """Number of pairs of points that move relative to each other, but keep their distance."""
    mean, squared = (_mean_over_frames(frames, function) for function in (np.array, np.square))
    place = frames.mean(0)
    moved = squared - np.square(np.linalg.norm(place[:, None] - place, axis=-1))
    kept = squared - mean**2 < CONSTANT**2 * moved
    return int(np.triu(kept & (moved > TURNED * squared), 1).sum())


def _mean_over_frames(frames: np.ndarray, function) -> np.ndarray:
    """The mean of a function of all distances (N, N), a frame at a time."""
    total = sum(function(np.linalg.norm(frame[:, None] - frame, axis=-1)) for frame in frames)
    return total / len(frames)


def _is_flat(frames: np.ndarray) -> bool:
    centred = (frames - frames.mean((0, 1))).reshape(-1, 3)
    values = np.linalg.eigvalsh(centred.T @ centred)
    return bool(values[0] <= FLAT**2 * values[-1])


def described(space: Space) -> list[str]:
    """The measurements and the reason of the cutoff, in words."""
    lines = [f"typical distance from the centre of a frame {space.extent:.3g}"]
    if space.flat:
        lines.append("all points lie in one plane of space")
    if space.nearest:
        low, median, high = space.nearest
        lines.append(
            f"nearest neighbour at {median:.3g} (from {low:.3g} to {high:.3g} in 98 % of cases)"
        )
        if space.gap:
            lines.append(
                f"-> max_radius: {space.gap:.3g}, where the density of neighbours has its first gap; "
                f"{space.neighbours:.1f} neighbours lie within"
            )
        else:
            lines.append(
                "-> no max_radius: the density of neighbours has no first gap, so the model's default stands"
            )
    if space.chain:
        lines.append(
            "-> bonds: chain, because the shortest tree through the points runs in the order of their numbers"
        )
    if space.constant:
        lines.append(
            f"{space.constant} pairs turn about each other but keep their distance: bonds, or rigid parts"
        )
    return lines
