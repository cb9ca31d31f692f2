"""The untrained butane models of the input-data chapter, and what each kind of change does to their
energy.

Five models, each with less freedom than the one before: the linear model of the chapter's equation
5.1; a dense layer on all coordinates (5.5.1); the same weights for each atom and a sum over atoms
(5.5.2); on the vectors between all pairs of atoms (5.5.3); on their squared distances (5.5.4). The
chapter draws weights once, without a seed; here each model is drawn many times at once, and the
median relative change of the energy decides.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.files import write_text

HIDDEN = 16
INITIALISATIONS = 1000
# Rounding: an energy sums at most 14 x 14 x 16 terms, each rounded to 2.2e-16 of itself, and the
# sum may cancel to a hundredth of its terms. The smallest real change is ten orders of magnitude
# above.
INVARIANT_BELOW = 1e4 * np.finfo(float).eps

BUTANE = np.array(
    [
        [-0.5630, 0.5160, 0.0071],
        [0.5630, -0.5159, 0.0071],
        [-1.9293, -0.1506, -0.0071],
        [1.9294, 0.1505, -0.0071],
        [-0.4724, 1.1666, -0.8706],
        [-0.4825, 1.1551, 0.8940],
        [0.4825, -1.1551, 0.8940],
        [0.4723, -1.1665, -0.8706],
        [-2.0542, -0.7710, -0.9003],
        [-2.0651, -0.7856, 0.8742],
        [-2.7203, 0.6060, -0.0058],
        [2.0542, 0.7709, -0.9003],
        [2.7202, -0.6062, -0.0059],
        [2.0652, 0.7854, 0.8743],
    ]
)
"""Butane in angstrom: 4 carbon atoms, then 10 hydrogen atoms."""
ELEMENT = np.repeat(np.eye(2), (4, 10), axis=0)
"""(14, 2): one-hot features, carbon or hydrogen."""

Energy = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From positions (N, 3) and features (N, 2) to the energies (S,) of S random initialisations."""


def _weights(features: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Standard normal w1 (S, features, hidden), b1 (S, hidden), w2 (S, hidden), b2 (S,)."""
    return tuple(
        rng.normal(size=(count, *shape)) for shape in ((features, HIDDEN), (HIDDEN,), (HIDDEN,), ())
    )


def _network(inputs: np.ndarray, weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """One hidden layer on each row of `inputs` (M, features), summed over rows; energies (S,)."""
    w1, b1, w2, b2 = weights
    hidden = np.tanh(np.einsum("mf,sfh->smh", inputs, w1, optimize=True) + b1[:, None])
    return np.einsum("smh,sh->s", hidden, w2, optimize=True) + b2


def _pair_rows(pair: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Rows (N N, D + F) of the pair values (N, N, D), each beside the features of its second atom."""
    second = np.broadcast_to(features, (*pair.shape[:2], features.shape[1]))
    return np.concatenate([pair, second], -1).reshape(len(pair) ** 2, -1)


def linear_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The linear model, a weight for each coordinate."""
    w, b = rng.normal(size=(count, atoms, 3)), rng.normal(size=count)
    return lambda position, features: np.einsum("nc,snc->s", position, w) + b


def dense_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """A hidden layer on all coordinates and features at once."""
    weights = _weights(atoms * 5, count, rng)
    return lambda position, features: _network(
        np.concatenate([position, features], 1).reshape(1, -1), weights
    )


def summed_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each atom, summed over atoms."""
    weights = _weights(5, count, rng)
    return lambda position, features: _network(np.concatenate([position, features], 1), weights)


def vector_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each vector between two atoms, summed over pairs."""
    weights = _weights(5, count, rng)
    return lambda position, features: _network(
        _pair_rows(position - position[:, None], features), weights
    )


def distance_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each squared distance, summed over pairs."""
    weights = _weights(3, count, rng)

    def energy(position: np.ndarray, features: np.ndarray) -> np.ndarray:
        squared = np.sum((position - position[:, None]) ** 2, -1, keepdims=True)
        return _network(_pair_rows(squared, features), weights)

    return energy


MODELS = {
    "linear": linear_model,
    "dense": dense_model,
    "permutation": summed_model,
    "permutation+translation": vector_model,
    "permutation+translation+rotation": distance_model,
}


def _swap(first: int, second: int) -> np.ndarray:
    order = np.arange(len(BUTANE))
    order[[first, second]] = second, first
    return order


def changes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Changed positions and features, by the name of the change: the chapter's, and two that it
    leaves out.

    Translation by (-2, 3, 4); rotation by 45 degrees about x; reflection in the plane x = y (the
    plane of the carbon atoms, z = 0, would map this conformation onto itself); atoms 0 and 1, both
    carbon; atoms 0 and 4, carbon and hydrogen, which take their features with them; atom 0 at (2,
    2, 2). The chapter has no reflection and no swap of unlike atoms.
    """
    turn = Rotation.from_euler("x", 45, degrees=True)
    like, unlike, moved = _swap(0, 1), _swap(0, 4), BUTANE.copy()
    moved[0] = 2.0
    return {
        "translation": (BUTANE + [-2, 3, 4], ELEMENT),
        "rotation": (turn.apply(BUTANE), ELEMENT),
        "reflection": (BUTANE[:, [1, 0, 2]], ELEMENT),
        "permutation_same_element": (BUTANE[like], ELEMENT[like]),
        "permutation_with_features": (BUTANE[unlike], ELEMENT[unlike]),
        "conformation": (moved, ELEMENT),
    }


def relative_changes(
    seed: int = 0, count: int = INITIALISATIONS
) -> dict[tuple[str, str], np.ndarray]:
    """Relative change of the energy `|E' - E| / |E|` (count,) of each model under each change."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, model in MODELS.items():
        energy = model(count, rng, len(BUTANE))
        still = energy(BUTANE, ELEMENT)
        for change, (position, features) in changes().items():
            result[name, change] = np.abs(energy(position, features) - still) / np.abs(still)
    return result


def verdict(relative_change: float) -> str:
    """`invariant` where the change is within float64 rounding (`INVARIANT_BELOW`), else `changed`."""
    return "invariant" if relative_change < INVARIANT_BELOW else "changed"


def write_ladder(path: str | Path, seed: int) -> None:
    """Write the table: a row per model and change, with the median relative change over the
    initialisations."""
    rows = ["model,generator,relative_change,verdict"]
    for (model, change), values in relative_changes(seed).items():
        median = float(np.median(values))
        rows.append(f"{model},{change},{median:.4g},{verdict(median)}")
    write_text(path, "\n".join(rows) + "\n")
