"""Ways to turn one distance into several features, section 5.7 of the input-data chapter, and what
each can express.

To compare them, a linear readout of each is fitted to a Morse pair energy (Morse, Phys. Rev. 34, 57
(1929)), a typical function of a distance: steep when close, a well, flat when far.
"""

import numpy as np
from scipy.optimize import least_squares

WIDTH = 8
WELL, STIFFNESS = 0.18, 6.8
"""Place of the energy's minimum between the nearest and the farthest distance, and its decay, per that range."""


def morse(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """Morse energy of distances (M,): a well of depth 1 in the nearer part of `near` to `far`."""
    return (1 - np.exp(-STIFFNESS * ((r - near) / (far - near) - WELL))) ** 2 - 1


def inverse(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """`1 / r`, one feature (M, 1)."""
    return 1 / r[:, None]


def repeat(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """The distance itself, `WIDTH` times (M, WIDTH)."""
    return np.repeat(r[:, None], WIDTH, axis=1)


def bins(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """One-hot (M, WIDTH): which of `WIDTH` equal intervals between `near` and `far` holds the
    distance."""
    interval = np.clip((r - near) / (far - near) * WIDTH, 0, WIDTH - 1).astype(int)
    return np.eye(WIDTH)[interval]


def radial_basis(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """Gaussians `exp(-(r - d_i)^2 / w)` (M, WIDTH) at evenly spaced d_i, with w the square of their
    spacing."""
    centre = np.linspace(near, far, WIDTH)
    return np.exp(-((r[:, None] - centre) ** 2) / (centre[1] - centre[0]) ** 2)


def learned(r: np.ndarray, near: float, far: float, seed: int = 0) -> np.ndarray:
    """Hidden values `tanh(a_i r + c_i)` (M, WIDTH) of a network with one hidden layer trained on
    the Morse energy."""
    train, rng = np.linspace(0, 1, 200), np.random.default_rng(seed)
    energy = morse(train, 0, 1)
    slope = rng.uniform(2, 10, WIDTH)
    start = np.concatenate(
        [slope, -slope * np.linspace(0, 1, WIDTH), rng.normal(size=WIDTH), [0.0]]
    )

    def residual(p: np.ndarray) -> np.ndarray:
        return (
            np.tanh(np.outer(train, p[:WIDTH]) + p[WIDTH : 2 * WIDTH]) @ p[2 * WIDTH : -1]
            + p[-1]
            - energy
        )

    best = least_squares(residual, start, max_nfev=60).x
    return np.tanh(np.outer((r - near) / (far - near), best[:WIDTH]) + best[WIDTH : 2 * WIDTH])


FEATURES = {
    "1/r": inverse,
    "repeated": repeat,
    "bins": bins,
    "radial basis functions": radial_basis,
    "learned sub-network": learned,
}


def readout_error(energy: np.ndarray, features: np.ndarray) -> float:
    """Root mean square error of the best linear readout of `features` (M, F) for `energy` (M,)."""
    design = np.concatenate([features, np.ones((len(energy), 1))], axis=1)
    solution = np.linalg.lstsq(design, energy, rcond=None)[0]
    return float(np.sqrt(np.mean((design @ solution - energy) ** 2)))
