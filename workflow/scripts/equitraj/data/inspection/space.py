"""The arrangement of the points: neighbours and the first gap between them, chains, planes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from equitraj.data.tasks import spread
from equitraj.data.trajectory import Trajectory

FRAMES = 40  # upper bound of the number of frames that are measured
POINTS = 20_000  # upper bound of the number of points in all these frames
REACH = 4.0  # radius within which neighbours are counted, in median nearest-neighbour distances
BINS = 120
DEPTH = 0.2  # prominence of the peaks and gaps of the density of neighbours, relative to the peak
MOST_FOR_PAIRS = 2000  # upper bound of the number of points for comparisons of all pairs
# Upper bound of the standard deviation of a constant distance, relative to the motion of the two
# points relative to each other.
CONSTANT = 0.1
# Lower bound of the variance of the vector between two points, relative to its squared length: a
# constant length means something only if the vector turns.
TURNED = 0.25
FLAT = 1e-6  # upper bound of the thickness of a plane, relative to the extent


@dataclass(frozen=True)
class Space:
    """Measurements of the arrangement.

    Attributes:
        extent: root mean square distance from the centre of the frame.
        nearest: the 1 %, 50 % and 99 % quantiles of the distance to the nearest neighbour.
        gap: distance at which the density of neighbours has its first minimum, or None.
        neighbours: mean number of neighbours within the gap.
        chain: whether consecutive points are close to each other.
        constant: number of pairs that turn but keep their distance; None where not counted.
        flat: whether all points lie in one plane.
    """

    extent: float
    nearest: tuple[float, float, float] | None
    gap: float | None
    neighbours: float | None
    chain: bool
    constant: int | None
    flat: bool


def measure(trajectory: Trajectory, box: dict[str, float] | None = None) -> Space:
    """Measure the arrangement; `box` has lengths of a periodic box by axis."""
    position = trajectory.position
    n_frames, n_points, dimension = position.shape
    few = min(FRAMES, max(1, POINTS // n_points))
    frames = position[spread(n_frames, few)]
    centred = frames - frames.mean(1, keepdims=True)
    squared = np.square(centred).sum(-1)
    nearest = gap = neighbours = None
    if n_points > 1:
        nearest, gap, neighbours = _neighbours(frames, _box_lengths(box, dimension))
    small = 1 < n_points <= MOST_FOR_PAIRS
    return Space(
        extent=float(np.sqrt(squared.mean())),
        nearest=nearest,
        gap=gap,
        neighbours=neighbours,
        chain=small and is_chain(frames),
        constant=constant_pairs(frames) if small else None,
        flat=dimension == 3 and _is_flat(frames),
    )


def _box_lengths(box: dict[str, float] | None, dimension: int) -> np.ndarray | None:
    """Lengths (D,) for a search tree, in which 0 stands for an axis without a box."""
    if not box:
        return None
    return np.array([box.get(axis, 0.0) for axis in "xyz"[:dimension]])


def _neighbours(
    frames: np.ndarray, box: np.ndarray | None
) -> tuple[tuple[float, float, float], float | None, float | None]:
    """The quantiles of `Space.nearest`, the first gap, and the mean number of neighbours within."""
    trees = [_tree(frame, box) for frame in frames]
    nearest = np.concatenate([tree.query(tree.data, k=2)[0][:, 1] for tree in trees])
    low, median, high = np.quantile(nearest, [0.01, 0.5, 0.99]).tolist()
    quantiles = (low, median, high)
    reach = REACH * median
    if not reach:
        return quantiles, None, None
    edges = np.linspace(0.0, reach, BINS + 1)
    counts = np.diff(sum(tree.count_neighbors(tree, edges) for tree in trees))
    gap = first_gap(counts, edges, frames.shape[-1])
    if not gap or gap < median:  # a gap with so few neighbours within is noise
        return quantiles, None, None
    pairs = sum(tree.count_neighbors(tree, gap) for tree in trees)
    return quantiles, gap, pairs / nearest.size - 1  # without the pairs of a point and itself


def _tree(frame: np.ndarray, box: np.ndarray | None) -> cKDTree:
    if box is None:
        return cKDTree(frame)
    periodic = box > 0
    place = frame - frame.min(0)
    folded = np.where(periodic, np.mod(place, np.where(periodic, box, 1.0)), place)
    lengths = np.where(periodic, np.nextafter(box, np.inf), 0.0)
    return cKDTree(folded, boxsize=lengths)


def first_gap(counts: np.ndarray, edges: np.ndarray, dimension: int) -> float | None:
    """The distance of the first gap: the lowest density of neighbours after its first peak.

    The density follows from counts of pairs per shell. None where it does not rise again by `DEPTH`
    of its highest value: there is no shell of neighbours.
    """
    middle = (edges[1:] + edges[:-1]) / 2
    density = gaussian_filter1d(counts / middle ** (dimension - 1), 1.5, mode="nearest")
    highest = density.max()
    if not highest:
        return None
    peaks, _ = find_peaks(density, prominence=DEPTH * highest)
    if not len(peaks):
        return None
    first = peaks[0]
    valleys, _ = find_peaks(-density, prominence=DEPTH * density[first])
    valleys = valleys[valleys > first]
    if not len(valleys):
        return None
    later = peaks[peaks > valleys[0]]
    end = later[0] if len(later) else None
    after = density[first:end]
    lowest = np.flatnonzero(after <= after.min() + 0.01 * highest) + first
    return float(middle[lowest[len(lowest) // 2]])


def is_chain(frames: np.ndarray) -> bool:
    """Whether the shortest tree that joins all points runs through them in order of their numbers.

    The distances are root mean squares over frames (T, N, D). By chance one in N! / 2 orders is
    such a chain.
    """
    n_points = frames.shape[1]
    if n_points < 4:
        return False
    squared = _mean_over_frames(frames, np.square)
    tree = minimum_spanning_tree(np.sqrt(squared)).tocoo()
    are_consecutive = np.abs(tree.row - tree.col) == 1
    return bool(are_consecutive.all() and tree.nnz == n_points - 1)


def constant_pairs(frames: np.ndarray) -> int:
    """The number of pairs of points that move relative to each other, but keep their distance."""
    mean = _mean_over_frames(frames, np.array)
    squared = _mean_over_frames(frames, np.square)
    variance = squared - mean**2
    moved = squared - np.square(_distances(frames.mean(0)))
    is_constant = variance < CONSTANT**2 * moved
    is_turned = moved > TURNED * squared
    return int(np.triu(is_constant & is_turned, 1).sum())


def _distances(points: np.ndarray) -> np.ndarray:
    """All distances (N, N) between points (N, D)."""
    return np.linalg.norm(points[:, None] - points, axis=-1)


def _mean_over_frames(
    frames: np.ndarray, function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The mean over frames of a function of all distances (N, N)."""
    total = reduce(np.add, (function(_distances(frame)) for frame in frames))
    return total / len(frames)


def _is_flat(frames: np.ndarray) -> bool:
    centred = frames - frames.mean((0, 1))
    points = centred.reshape(-1, 3)
    values = np.linalg.eigvalsh(points.T @ points)
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
        lines.append(_cutoff_words(space))
    if space.chain:
        lines.append(
            "-> bonds: chain, because the shortest tree through the points "
            "runs in the order of their numbers"
        )
    if space.constant:
        lines.append(
            f"{space.constant} pairs turn about each other but keep their distance: "
            "bonds, or rigid parts"
        )
    return lines


def _cutoff_words(space: Space) -> str:
    if not space.gap:
        return (
            "-> no max_radius: the density of neighbours has no first gap, "
            "so the model's default is used"
        )
    return (
        f"-> max_radius: {space.gap:.3g}, where the density of neighbours has its first gap; "
        f"{space.neighbours:.1f} neighbours lie within"
    )
