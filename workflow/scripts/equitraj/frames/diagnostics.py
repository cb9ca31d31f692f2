"""What an alignment does to the data of a task, as numbers.

An alignment that gives a set of frames is judged as a set: the frame of largest weight of one
sample is compared with the nearest of the other's, because a method that averages over the set does
not see in which order its frames come.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.parts import parts_of
from equitraj.data.tasks import Histories, spread
from equitraj.frames import Base, Frames
from equitraj.frames.axes import centred, extent

JUMP = np.sqrt(2)  # |R' - R| in the operator norm is 2 sin(angle / 2): this is a turn of 90 degrees
NUDGE = 1e-4  # size of the perturbation, in units of the points' extent
N_SAMPLES = 64
N_AT_ONCE = 512
QUANTILES = np.array([0, 0.01, 0.05, *np.arange(1, 10) / 10, 0.95, 0.99, 1])


@dataclass(frozen=True)
class Aligner:
    """An alignment with its reference (N, 3), or None where it has none."""

    alignment: Base
    reference: np.ndarray | None = None

    def frames(self, history: np.ndarray, rng: np.random.Generator | None = None) -> Frames:
        """The frames of histories (B, K, N, 3)."""
        return self.alignment.frames(history, self.reference, rng)

    def change(self, history: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How far each aligned point of histories (B, K, N, 3) is from that of `other`, as vectors
        (B, N, 3)."""
        before, after = heaviest(self.frames(history)), self.frames(other)
        inside = after.into(other[:, -1]).reshape(*after.weight.shape, *other.shape[2:])
        difference = inside - before.into(history[:, -1])[:, None]
        nearest = np.argmin(np.square(difference).sum((2, 3)), axis=1)
        return difference[np.arange(len(history)), nearest]


def heaviest(frames: Frames) -> Frames:
    """The frame of largest weight of each sample."""
    return Frames.single(
        frames.rotation[np.arange(len(frames.weight)), frames.weight.argmax(1)], frames.origin
    )


def jumps(before: Frames, after: Frames) -> np.ndarray:
    """(B,) whether the heaviest of the frames `before` has no near one among those `after`.

    Near is less than 90 degrees away, without a reflection, and with as many determined axes: a row
    of zeros that fills, or a row that empties, is a jump.
    """
    first = heaviest(before).rotation
    nearest = np.square(after.rotation - first).sum((2, 3)).argmin(1)
    first, other = first[:, 0], after.rotation[np.arange(len(first)), nearest]
    rank = np.square(other).sum((1, 2)) - np.square(first).sum((1, 2))
    return (np.linalg.norm(other - first, ord=2, axis=(1, 2)) > JUMP) | (np.abs(rank) > 0.5)


def jump_rate(aligner: Aligner, history: np.ndarray | Histories, episode: np.ndarray) -> float:
    """Fraction of consecutive frames of an episode between which the frame jumps, for histories (T,
    K, N, 3)."""
    step = np.flatnonzero(episode[1:] == episode[:-1])
    rng, found = np.random.default_rng(0), []
    for part in np.array_split(step, max(1, -(-len(step) // N_AT_ONCE))):
        found.append(
            jumps(aligner.frames(history[part], rng), aligner.frames(history[part + 1], rng))
        )
    return float(np.concatenate(found).mean()) if len(step) else 0.0


def eigengaps(history: np.ndarray | Histories) -> np.ndarray:
    """(T,) `eigengap` of the newest points of histories (T, K, N, 3)."""
    return np.concatenate([eigengap(history[part][:, -1]) for part in parts_of(history)])


def eigengap(position: np.ndarray) -> np.ndarray:
    """(B,) gap of the two largest second moments of (B, N, 3), relative to the largest; 0 for
    coincident points."""
    centred = position - position.mean(1, keepdims=True)
    moment = np.linalg.eigvalsh(centred.swapaxes(1, 2) @ centred)
    largest = moment[:, 2]
    return np.where(largest > 0, (largest - moment[:, 1]) / np.where(largest > 0, largest, 1), 0.0)


def response(aligner: Aligner, history: np.ndarray) -> np.ndarray:
    """How the aligned points answer to a small shift of one: (N, B, N), |change of a point| /
    |shift of the moved one|.

    One point of the newest frame of histories (B, K, N, 3) is moved at a time, in random
    directions.
    """
    size, rng = NUDGE * extent(history[:, -1]), np.random.default_rng(0)
    gains = []
    for point in range(history.shape[2]):
        direction = rng.normal(size=(len(history), 3))
        shifted = history.copy()
        shifted[:, -1, point] += size * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        gains.append(np.linalg.norm(aligner.change(history, shifted), axis=-1))
    return np.stack(gains) / size


def perturbation_gain(gains: np.ndarray) -> float:
    """How far a small shift of one point moves all points (N, B, N): the worst point's median
    |change| / |shift|.

    Without an alignment it is 1: only the shifted point moves, and by as much.
    """
    return float(np.median(np.linalg.norm(gains, axis=2), axis=1).max())


def far_share(gains: np.ndarray, position: np.ndarray) -> float:
    """Share of the squared response (N, B, N) on points further than the extent from the moved one,
    in (B, N, 3).

    The mean over samples and moved points; 0 without an alignment.
    """
    distance = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1).swapaxes(0, 1)
    squared = np.square(gains)
    total = squared.sum(2)
    far = (squared * (distance > extent(position))).sum(2)
    return float(np.mean(np.where(total > 0, far / np.where(total > 0, total, 1), 0.0)))


def motion_error(
    aligner: Aligner, history: np.ndarray, size: float, improper: bool = False
) -> float:
    """Root mean square change of the aligned points under Haar rotations (or improper ones), in
    units of `size`."""
    matrix = Rotation.random(len(history), rng=np.random.default_rng(0)).as_matrix() * (
        -1 if improper else 1
    )
    change = aligner.change(history, history @ matrix.swapaxes(1, 2)[:, None])
    return float(np.sqrt(np.mean(np.square(change).sum(-1)))) / size


def degenerate(history: np.ndarray) -> dict[str, np.ndarray]:
    """Histories (B, K, N, 3) made degenerate, by kind, in axes and about the mean of the newest
    points.

    Planar: without the coordinate along the third principal axis; collinear: that along the first
    only; symmetric: a regular polygon in the plane of the first two, which drifts as the mean does;
    coincident: the mean.
    """
    newest, n_points = history[:, -1], history.shape[2]
    offset, origin = centred(newest)
    _, _, axis = np.linalg.svd(offset, full_matrices=n_points < 3)
    inside = (history - origin[:, None, None]) @ axis[:, None].swapaxes(2, 3)
    drift = inside.mean(2, keepdims=True)
    turn = 2 * np.pi * np.arange(n_points) / n_points
    polygon = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1) * extent(newest)
    made = {
        "planar": inside * [1, 1, 0],
        "collinear": inside * [1, 0, 0],
        "symmetric": drift + polygon,
        "coincident": drift + 0 * inside,
    }
    return {kind: points @ axis[:, None] + origin[:, None, None] for kind, points in made.items()}


def diagnose(
    aligner: Aligner, history: np.ndarray | Histories, episode: np.ndarray
) -> tuple[dict[str, float], np.ndarray]:
    """One row of alignment.csv, and the (N, N) gains of perturbation.csv, moved point by point.

    `history` (T, K, N, 3) are the histories of all frames of a trajectory, `episode` (T,) their
    episodes. Perturbation and errors are taken on at most 64 frames spread over the trajectory,
    rotation errors also on these made degenerate.
    """
    few = history[spread(len(history), N_SAMPLES)]
    gains, size = response(aligner, few), extent(few[:, -1])
    row = {
        "jump_rate": jump_rate(aligner, history, episode),
        "eigengap_p01": float(np.quantile(eigengaps(history), 0.01)),
        "perturbation_gain": perturbation_gain(gains),
        "far_share": far_share(gains, few[:, -1]),
        "rotation_error": motion_error(aligner, few, size),
        "reflection_error": motion_error(aligner, few, size, improper=True),
    }
    row |= {
        f"rotation_error_{kind}": motion_error(aligner, made, size)
        for kind, made in degenerate(few).items()
    }
    return row, np.median(gains, axis=1)
