"""Is a data set rotation-invariant? A two-sample test of its frames against the same frames turned
at random.

The statistic is an energy distance (Szekely and Rizzo, J. Stat. Plan. Inference 143, 1249 (2013))
between the centred frames and one Haar-rotated copy of each. If the distribution of the frames is
rotation-invariant, a frame and its copy can be exchanged without changing the distribution of the
pair; so the statistic is compared with that after random exchanges (a randomisation test, whose
false alarms are as rare as its level says at any number of frames).

Two features of a frame are compared, and their distances averaged: its points, which show where
named points prefer to lie, and its second moments, which show a preferred plane or axis. In 3 N
dimensions the points alone do not show the latter: 150 clouds of 5 points in a plane pass for
isotropic.

What the answer says: "oriented" means that rotated copies are data of a kind that the training
frames do not hold, so that augmentation and built-in equivariance add something there. What it does
not say: whether the law behind the data prefers directions. Frames that follow each other closely
are not independent: a body that has turned around only a few times in the whole trajectory is found
oriented, because its frames cover the orientations unevenly, although its law may be invariant.
Frames spread over the split weaken this and do not remove it. Where there are several episodes,
each is turned as a whole, again and again: what it covers unevenly then counts for nothing. Frames
turned so are on average farther from each other than those of an oriented distribution, and as far
as those of an invariant one, which is the same comparison (E|RX - R'X'| >= E|X - X'|, Szekely and
Rizzo), with more power where there are few episodes. "Rotation-invariant" says no more than that
the test did not reject.
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import spread

N_FRAMES = 200
N_SWAPS = 999
N_EPISODES = 10  # fewer say little about all orientations
N_TURNS = 499
LEVEL = 0.01  # how often invariant data are called oriented
ROUNDING = 1e-12  # of a statistic between 0 and 1: values so near count as equal


def features(centred: np.ndarray) -> list[np.ndarray]:
    """The points (n, 3 N) of centred frames (n, N, 3), and their second moments (n, 9) over their
    size, a length."""
    moment = centred.swapaxes(1, 2) @ centred
    size = np.linalg.norm(centred, axis=(1, 2))[:, None, None]
    scaled = np.divide(moment, size, out=np.zeros_like(moment), where=size > 0)
    return [value.reshape(len(centred), -1) for value in (centred, scaled)]


def energy_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """M (n, n) of which the sum is the energy distance of paired samples (n, D) and (n, D),
    relative to 2 E|X - Y|.

    s^T M s is that after exchanging the pairs with s_i = -1. The relative distance lies between 0,
    for equal distributions, and 1 (Szekely and Rizzo, section 2: the coefficient of inhomogeneity).
    """
    across = cdist(first, second)
    largest = 2 * across.sum()
    return (across + across.T - cdist(first, first) - cdist(second, second)) / (
        largest if largest > 0 else 1.0
    )


def isotropy_test(
    position: np.ndarray, seed: int = 0, episode: np.ndarray | None = None
) -> dict[str, float | int | str]:
    """A row of isotropy.csv from training positions (T, N, 3): frames, statistic, p_value, verdict.

    The statistic is the mean over the two features of their relative energy distances. At most 200
    frames, spread evenly, are compared, with 999 random exchanges; of at least 10 episodes (T,)
    each is turned as a whole, 499 times.
    """
    rng = np.random.default_rng(seed)
    chosen = spread(len(position), N_FRAMES)
    few = position[chosen]
    centred = few - few.mean(1, keepdims=True)
    turned = centred @ Rotation.random(len(few), rng=rng).as_matrix().swapaxes(1, 2)
    matrix = np.mean(
        [energy_matrix(*pair) for pair in zip(features(centred), features(turned), strict=True)],
        axis=0,
    )
    observed = matrix.sum()
    names, unit = (
        (None, None) if episode is None else np.unique(episode[chosen], return_inverse=True)
    )
    if names is not None and len(names) >= N_EPISODES:
        p_value = _of_episodes(centred, unit, rng)
    else:
        signs = rng.choice([-1.0, 1.0], size=(N_SWAPS, len(few)))
        swapped = ((signs @ matrix) * signs).sum(1)
        p_value = float((1 + np.sum(swapped >= observed - ROUNDING)) / (1 + N_SWAPS))
    verdict = "oriented" if p_value <= LEVEL else "rotation-invariant"
    return {
        "frames": len(few),
        "statistic": float(observed),
        "p_value": p_value,
        "verdict": verdict,
    }


def _of_episodes(centred: np.ndarray, unit: np.ndarray, rng: np.random.Generator) -> float:
    """The chance that frames (n, N, 3) lie as near to each other after their episodes `unit` (n,)
    were turned."""
    scale = [cdist(f, f).mean() or 1.0 for f in features(centred)]

    def apart(frames: np.ndarray) -> float:
        return sum(
            cdist(f, f).mean() / size for f, size in zip(features(frames), scale, strict=True)
        )

    turns = (
        Rotation.random(N_TURNS * (unit.max() + 1), rng=rng).as_matrix().reshape(N_TURNS, -1, 3, 3)
    )
    found = np.array([apart(centred @ turn[unit].swapaxes(1, 2)) for turn in turns])
    return float((1 + np.sum(found <= apart(centred) + ROUNDING)) / (1 + N_TURNS))


def described(row: dict[str, float | int | str]) -> str:
    """The answer of `isotropy_test` in a sentence."""
    means = {
        "oriented": "rotated copies are data of a kind that these frames do not hold",
        "rotation-invariant": "the test does not tell these frames from rotated ones",
    }
    return f"{row['verdict']} (p = {row['p_value']:.2g}, {row['frames']} frames): {means[row['verdict']]}"
