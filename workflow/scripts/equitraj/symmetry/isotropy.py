"""A two-sample test of rotation invariance: the frames of a data set against rotated copies.

The statistic is an energy distance (Szekely and Rizzo, J. Stat. Plan. Inference 143, 1249 (2013))
between the centred frames and one Haar-rotated copy of each. If the distribution of the frames is
rotation-invariant, a frame and its copy can be exchanged without a change of the distribution of
the pair. The statistic is therefore compared with its values after random exchanges (a
randomisation test, whose rate of false alarms is its level at any number of frames).

Two features of a frame are compared, and their distances averaged: its points, which show a
preferred place of named points, and its second moments, which show a preferred plane or axis. In
3 N dimensions the points alone do not show the latter: 150 clouds of 5 points in a plane pass for
isotropic.

"Oriented" means that rotated copies are data of a kind that the training frames do not hold, so
that augmentation and built-in equivariance add something. It does not mean that the law behind the
data prefers directions. Frames that follow each other closely are not independent: a body that has
turned around only a few times in the whole trajectory counts as oriented, because its frames cover
the orientations unevenly, although its law may be invariant. Frames spread over the split weaken
this effect and do not remove it. Where there are several episodes, each is rotated as a whole, many
times, and the uneven cover of one episode then has no effect. Frames rotated in this way are on
average farther from each other than the frames of an oriented distribution, and as far as the
frames of an invariant one. This is the same comparison (E|RX - R'X'| >= E|X - X'|, Szekely and
Rizzo), with more power where there are few episodes. "Rotation-invariant" means only that the test
did not reject.
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import spread
from equitraj.symmetry.measure import frobenius

N_FRAMES = 200
N_SWAPS = 999
N_EPISODES = 10  # fewer cover the orientations too sparsely
N_TURNS = 499
MEANINGS = {
    "oriented": "rotated copies are data of a kind that these frames do not hold",
    "rotation-invariant": "the test does not tell these frames from rotated ones",
}
LEVEL = 0.01  # significance level: the share of invariant data that are called oriented
ROUNDING = 1e-12  # of a statistic between 0 and 1: values closer than this count as equal


def features(centred: np.ndarray) -> list[np.ndarray]:
    """Return the points (n, 3 N) of centred frames (n, N, 3), and their second moments (n, 9).

    The second moments are divided by the size of the frame, a length.
    """
    moment = centred.swapaxes(1, 2) @ centred
    length = frobenius(centred)
    size = length[:, None, None]
    scaled = np.divide(moment, size, out=np.zeros_like(moment), where=size > 0)
    return [value.reshape(len(centred), -1) for value in (centred, scaled)]


def energy_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return M (n, n), whose sum is the relative energy distance of paired samples (n, D).

    It is relative to 2 E|X - Y|. s^T M s is the distance after an exchange of the pairs with s_i =
    -1. The relative distance lies between 0, for equal distributions, and 1 (Szekely and Rizzo,
    section 2: the coefficient of inhomogeneity).
    """
    across = cdist(first, second)
    largest = 2 * across.sum()
    distance = across + across.T - cdist(first, first) - cdist(second, second)
    return distance / (largest if largest > 0 else 1.0)


def isotropy_test(
    position: np.ndarray, seed: int = 0, episode: np.ndarray | None = None
) -> dict[str, float | int | str]:
    """Return a row of isotropy.csv from training positions (T, N, 3).

    The row has frames, statistic, p_value and verdict. The statistic is the mean over the two
    features of their relative energy distances. At most 200 frames, evenly spread, are compared,
    with 999 random exchanges. If there are at least 10 episodes (T,), each is rotated as a whole,
    499 times.
    """
    rng = np.random.default_rng(seed)
    chosen = spread(len(position), N_FRAMES)
    few = position[chosen]
    centred = few - few.mean(1, keepdims=True)
    turn = Rotation.random(len(few), rng=rng).as_matrix()
    turned = centred @ turn.swapaxes(1, 2)
    pairs = zip(features(centred), features(turned), strict=True)
    matrix = np.mean([energy_matrix(*pair) for pair in pairs], axis=0)
    n_episodes = 0
    if episode is not None:
        names, unit = np.unique(episode[chosen], return_inverse=True)
        n_episodes = len(names)
    if n_episodes >= N_EPISODES:
        p_value = _of_episodes(centred, unit, rng)
    else:
        p_value = _of_exchanges(matrix, rng)
    return {
        "frames": len(few),
        "statistic": float(matrix.sum()),
        "p_value": p_value,
        "verdict": "oriented" if p_value <= LEVEL else "rotation-invariant",
    }


def _of_exchanges(matrix: np.ndarray, rng: np.random.Generator) -> float:
    """Return the p value of the sum of `matrix` (n, n) under random exchanges of pairs."""
    signs = rng.choice([-1.0, 1.0], size=(N_SWAPS, len(matrix)))
    swapped = ((signs @ matrix) * signs).sum(1)
    as_large = swapped >= matrix.sum() - ROUNDING
    return _p_value(as_large)


def _of_episodes(centred: np.ndarray, unit: np.ndarray, rng: np.random.Generator) -> float:
    """Return the p value of the mean distance of frames (n, N, 3) under rotations of episodes.

    `unit` (n,) is the number of each frame's episode.
    """
    scale = [distance or 1.0 for distance in _mean_distances(centred)]
    n_episodes = unit.max() + 1
    turns = Rotation.random(N_TURNS * n_episodes, rng=rng).as_matrix()
    turns = turns.reshape(N_TURNS, -1, 3, 3)
    distances = []
    for turn in turns:
        turned = centred @ turn[unit].swapaxes(1, 2)
        distances.append(_scaled_distance(turned, scale))
    observed = _scaled_distance(centred, scale)
    as_small = np.array(distances) <= observed + ROUNDING
    return _p_value(as_small)


def _mean_distances(frames: np.ndarray) -> list[float]:
    """Return the mean distance between frames (n, N, 3) in each feature."""
    return [cdist(feature, feature).mean() for feature in features(frames)]


def _scaled_distance(frames: np.ndarray, scale: list[float]) -> float:
    pairs = zip(_mean_distances(frames), scale, strict=True)
    return sum(distance / size for distance, size in pairs)


def _p_value(as_extreme: np.ndarray) -> float:
    """Return the p value of a randomisation test from the draws (n,) as extreme as the data."""
    n_draws = len(as_extreme)
    count = np.sum(as_extreme)
    share = (1 + count) / (1 + n_draws)
    return float(share)


def described(row: dict[str, float | int | str]) -> str:
    """Return the result of `isotropy_test` in a sentence."""
    verdict = str(row["verdict"])
    meaning = MEANINGS[verdict]
    return f"{verdict} (p = {row['p_value']:.2g}, {row['frames']} frames): {meaning}"
