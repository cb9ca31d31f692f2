"""Ways to turn one distance into several features (input-data chapter, section 5.7).

To compare them, a linear readout of each is fitted to a Morse pair energy (Morse, Phys. Rev. 34, 57
(1929)), a typical function of a distance: steep at short distances, a well, flat at long distances.
"""

import numpy as np
from numpy.linalg import lstsq
from scipy.optimize import least_squares

WIDTH = 8
WELL, STIFFNESS = 0.18, 6.8
"""Position of the minimum, and decay, relative to the range from nearest to farthest distance."""


def _relative(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """Distances relative to their range: 0 for `near`, 1 for `far`."""
    extent = far - near
    return (r - near) / extent


def morse(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """Morse energy of distances (M,): a well of depth 1 in the nearer part of `near` to `far`."""
    displacement = _relative(r, near, far) - WELL
    decay = np.exp(-STIFFNESS * displacement)
    return (1 - decay) ** 2 - 1


def inverse(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """`1 / r`, one feature (M, 1)."""
    column = r[:, None]
    return 1 / column


def repeat(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """The distance itself, `WIDTH` times (M, WIDTH)."""
    column = r[:, None]
    return np.repeat(column, WIDTH, axis=1)


def bins(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """One-hot (M, WIDTH): the one of `WIDTH` equal intervals that contains the distance."""
    place = _relative(r, near, far) * WIDTH
    interval = np.clip(place, 0, WIDTH - 1).astype(int)
    return np.eye(WIDTH)[interval]


def radial_basis(r: np.ndarray, near: float, far: float) -> np.ndarray:
    """Gaussians `exp(-(r - d_i)^2 / w)` (M, WIDTH) with evenly spaced d_i and w = spacing^2."""
    centre = np.linspace(near, far, WIDTH)
    spacing = centre[1] - centre[0]
    squared = (r[:, None] - centre) ** 2
    return np.exp(-squared / spacing**2)


def _hidden(r: np.ndarray, slope: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The hidden layer `tanh(a_i r + c_i)` (M, WIDTH)."""
    scaled = np.outer(r, slope)
    activation = scaled + offset
    return np.tanh(activation)


def learned(r: np.ndarray, near: float, far: float, seed: int = 0) -> np.ndarray:
    """Hidden values `tanh(a_i r + c_i)` (M, WIDTH) of a network trained on the Morse energy.

    The network has one hidden layer.
    """
    train = np.linspace(0, 1, 200)
    rng = np.random.default_rng(seed)
    energy = morse(train, 0, 1)
    slope = rng.uniform(2, 10, WIDTH)
    offset = -slope * np.linspace(0, 1, WIDTH)
    readout = rng.normal(size=WIDTH)
    start = np.concatenate([slope, offset, readout, [0.0]])

    def residual(parameters: np.ndarray) -> np.ndarray:
        slope, offset, readout = parameters[:-1].reshape(3, WIDTH)
        prediction = _hidden(train, slope, offset) @ readout + parameters[-1]
        return prediction - energy

    best = least_squares(residual, start, max_nfev=60).x
    slope, offset, _ = best[:-1].reshape(3, WIDTH)
    return _hidden(_relative(r, near, far), slope, offset)


FEATURES = {
    "1/r": inverse,
    "repeated": repeat,
    "bins": bins,
    "radial basis functions": radial_basis,
    "learned sub-network": learned,
}


def readout_error(energy: np.ndarray, features: np.ndarray) -> float:
    """Root mean square error of the best linear readout of `features` (M, F) for `energy` (M,)."""
    constant = np.ones((len(energy), 1))
    design = np.concatenate([features, constant], 1)
    solution, *_ = lstsq(design, energy, rcond=None)
    error = design @ solution - energy
    return float(np.sqrt(np.mean(error**2)))
