"""Measures of how an alignment changes the data of a task.

A set of reference frames is judged as a set: the frame of largest weight of one sample is compared
with the nearest frame of the other sample, because a method that averages over the set does not
depend on the order of its frames.
"""

from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from numpy.linalg import eigvalsh, norm, svd
from scipy.spatial.transform import Rotation

from equitraj.data.parts import parts
from equitraj.data.tasks import Histories, spread
from equitraj.frames import Base, Frames
from equitraj.frames.axes import centred, extent

JUMP = np.sqrt(2)  # |R' - R| = 2 sin(angle / 2) in the operator norm, for an angle of 90 degrees
NUDGE = 1e-4  # size of the perturbation, in units of the points' extent
N_SAMPLES = 64
N_AT_ONCE = 512
QUANTILES = np.array([0, 0.01, 0.05, *np.arange(1, 10) / 10, 0.95, 0.99, 1])


@dataclass(frozen=True)
class Aligner:
    """An alignment with its reference (N, 3), or None if it has none."""

    alignment: Base
    reference: np.ndarray | None = None

    def frames(self, history: np.ndarray, rng: np.random.Generator | None = None) -> Frames:
        """The reference frames of histories (B, K, N, 3)."""
        return self.alignment.frames(history, self.reference, rng)

    def change(self, history: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Displacements (B, N, 3) of aligned points from histories (B, K, N, 3) to `other`."""
        before = heaviest(self.frames(history))
        after = self.frames(other)
        newest = other[:, -1]
        n_points = newest.shape[1]
        inside = after.into(newest).reshape(*after.weight.shape, n_points, 3)
        difference = inside - before.into(history[:, -1])[:, None]
        squared = np.square(difference).sum((2, 3))
        samples = np.arange(len(history))
        return difference[samples, squared.argmin(1)]


def heaviest(frames: Frames) -> Frames:
    """The reference frame of largest weight of each sample."""
    index = frames.weight.argmax(1)
    return frames.select(index)


def jumps(before: Frames, after: Frames) -> np.ndarray:
    """Whether (B,) the heaviest reference frame in `before` has no near one in `after`.

    A near one is less than 90 degrees away, without a reflection, and has as many determined axes:
    it is a jump if a row of zeros fills or a row empties.
    """
    heavy = heaviest(before).rotation
    squared = np.square(after.rotation - heavy).sum((2, 3))
    near = after.select(squared.argmin(1)).rotation[:, 0]
    heavy = heavy[:, 0]
    near_rank = np.square(near).sum((1, 2))
    heavy_rank = np.square(heavy).sum((1, 2))
    rank_changed = np.abs(near_rank - heavy_rank) > 0.5
    turned = norm(near - heavy, ord=2, axis=(1, 2)) > JUMP
    return turned | rank_changed


def jump_rate(aligner: Aligner, history: np.ndarray | Histories, episode: np.ndarray) -> float:
    """Fraction of the steps within episodes at which the reference frame jumps.

    `history` is (T, K, N, 3), `episode` (T,).
    """
    step = np.flatnonzero(episode[1:] == episode[:-1])
    n_parts = max(1, ceil(len(step) / N_AT_ONCE))
    rng = np.random.default_rng(0)
    jumped = []
    for part in np.array_split(step, n_parts):
        jumped.append(_jumps_after(aligner, history, part, rng))
    if not step.size:
        return 0.0
    return float(np.concatenate(jumped).mean())


def _jumps_after(
    aligner: Aligner, history: np.ndarray | Histories, frame: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whether (B,) the reference frame jumps after each frame; its arrays are freed at its end."""
    before = aligner.frames(history[frame], rng)
    after = aligner.frames(history[frame + 1], rng)
    return jumps(before, after)


def eigengaps(history: np.ndarray | Histories) -> np.ndarray:
    """The `eigengap` (T,) of the newest points of histories (T, K, N, 3)."""
    gaps = []
    numbers = prod(history.shape[1:])
    for part in parts(len(history), numbers):
        gap = eigengap(history[part][:, -1])
        gaps.append(gap)
    return np.concatenate(gaps)


def eigengap(position: np.ndarray) -> np.ndarray:
    """Gap (B,) between the two largest second moments of (B, N, 3), relative to the largest.

    It is 0 for coincident points.
    """
    offset, _ = centred(position)
    moments = eigvalsh(offset.mT @ offset)
    _, second, largest = moments.T
    return _fraction(largest - second, largest)


def _fraction(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The fraction `part / whole`, and 0 unless the whole is positive."""
    positive = whole > 0
    divisor = np.where(positive, whole, 1)
    fraction = part / divisor
    return np.where(positive, fraction, 0.0)


def response(aligner: Aligner, history: np.ndarray) -> np.ndarray:
    """Response (N, B, N) of the aligned points to a small shift of one: |change| / |shift|.

    One point of the newest frame of histories (B, K, N, 3) is shifted at a time, in random
    directions. The first axis is the shifted point, the last the point that responds.
    """
    size = NUDGE * extent(history[:, -1])
    rng = np.random.default_rng(0)
    gains = []
    for point in range(history.shape[2]):
        direction = rng.normal(size=(len(history), 3))
        length = norm(direction, axis=1, keepdims=True)
        shifted = history.copy()
        shifted[:, -1, point] += size * direction / length
        change = aligner.change(history, shifted)
        gains.append(norm(change, axis=-1))
    return np.stack(gains) / size


def perturbation_gain(gains: np.ndarray) -> float:
    """Median |change| / |shift| of all points, from gains (N, B, N), for the worst shifted point.

    It is 1 without an alignment: only the shifted point moves, and by as much.
    """
    change = norm(gains, axis=2)
    median = np.median(change, axis=1)
    return float(median.max())


def far_share(gains: np.ndarray, position: np.ndarray) -> float:
    """Share of the squared response (N, B, N) on points further than the extent from the shifted.

    `position` is (B, N, 3). The share is the mean over samples and shifted points; it is 0 without
    an alignment.
    """
    distance = norm(position[:, :, None] - position[:, None], axis=-1)
    is_far = distance.swapaxes(0, 1) > extent(position)
    squared = np.square(gains)
    far = (squared * is_far).sum(2)
    share = _fraction(far, squared.sum(2))
    return float(share.mean())


def motion_error(
    aligner: Aligner, history: np.ndarray, size: float, improper: bool = False
) -> float:
    """Root mean square change of the aligned points under Haar rotations, in units of `size`.

    With `improper` the rotations are improper ones.
    """
    rng = np.random.default_rng(0)
    matrix = Rotation.random(len(history), rng=rng).as_matrix()
    if improper:
        matrix = -matrix
    moved = history @ matrix.mT[:, None]
    change = aligner.change(history, moved)
    squared = np.square(change).sum(-1)
    return float(np.sqrt(squared.mean())) / size


def degenerate(history: np.ndarray) -> dict[str, np.ndarray]:
    """Histories (B, K, N, 3) made degenerate about the mean of the newest points, by kind.

    Planar: without the coordinate along the third principal axis; collinear: with the coordinate
    along the first only; symmetric: a regular polygon in the plane of the first two, which drifts
    as the mean does; coincident: all points at the mean.
    """
    newest = history[:, -1]
    n_points = newest.shape[1]
    offset, mean = centred(newest)
    _, _, axes = svd(offset, full_matrices=n_points < 3)
    axes = axes[:, None]
    origin = mean[:, None, None]
    inside = (history - origin) @ axes.mT
    drift = inside.mean(2, keepdims=True)
    size = extent(newest)
    polygon = size * _polygon(n_points)
    shapes = {
        "planar": inside * [1, 1, 0],
        "collinear": inside * [1, 0, 0],
        "symmetric": drift + polygon,
        "coincident": drift + 0 * inside,
    }
    for kind, points in shapes.items():
        shapes[kind] = points @ axes + origin
    return shapes


def _polygon(n_points: int) -> np.ndarray:
    """The corners (N, 3) of a regular polygon in the plane z = 0, at distance 1 from the origin."""
    angle = 2 * np.pi * np.arange(n_points) / n_points
    x = np.cos(angle)
    y = np.sin(angle)
    return np.stack([x, y, 0 * angle], 1)


def diagnose(
    aligner: Aligner, history: np.ndarray | Histories, episode: np.ndarray
) -> tuple[dict[str, float], np.ndarray]:
    """One row of alignment.csv, and the gains (N, N) of perturbation.csv, shifted point first.

    `history` (T, K, N, 3) are the histories of all frames of a trajectory, `episode` (T,) their
    episodes. Perturbations and errors are measured on at most 64 frames, evenly spread over the
    trajectory, and rotation errors also on degenerate copies of these frames.
    """
    few = history[spread(len(history), N_SAMPLES)]
    newest = few[:, -1]
    gains = response(aligner, few)
    size = extent(newest)
    row = {
        "jump_rate": jump_rate(aligner, history, episode),
        "eigengap_p01": float(np.quantile(eigengaps(history), 0.01)),
        "perturbation_gain": perturbation_gain(gains),
        "far_share": far_share(gains, newest),
        "rotation_error": motion_error(aligner, few, size),
        "reflection_error": motion_error(aligner, few, size, improper=True),
    }
    for kind, points in degenerate(few).items():
        row[f"rotation_error_{kind}"] = motion_error(aligner, points, size)
    median = np.median(gains, axis=1)
    return row, median
