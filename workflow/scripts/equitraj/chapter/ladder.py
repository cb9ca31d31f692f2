"""The untrained butane models of the input-data chapter, and how their energies change.

Five models, each with less freedom than the one before: the linear model of the chapter's equation
5.1; a dense layer on all coordinates (5.5.1); the same weights for each atom and a sum over atoms
(5.5.2); on the vectors between all pairs of atoms (5.5.3); on their squared distances (5.5.4). The
chapter draws the weights once, without a seed. Here each model is drawn many times, and the verdict
is taken from the median relative change of the energy.
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
# larger.
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
Rows = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From positions (N, 3) and features (N, 2) to the inputs (M, D) of a network."""
Weights = tuple[np.ndarray, ...]
"""w1 (S, features, hidden), b1 (S, hidden), w2 (S, hidden), b2 (S,)."""


def _weights(features: int, count: int, rng: np.random.Generator) -> Weights:
    """Standard normal weights of `count` networks."""
    shapes = ((features, HIDDEN), (HIDDEN,), (HIDDEN,), ())
    weights = [rng.normal(size=(count, *shape)) for shape in shapes]
    return tuple(weights)


def _network(inputs: np.ndarray, weights: Weights) -> np.ndarray:
    """One hidden layer on each row of `inputs` (M, features), summed over rows; energies (S,)."""
    w1, b1, w2, b2 = weights
    linear = np.einsum("mf,sfh->smh", inputs, w1, optimize=True)
    hidden = np.tanh(linear + b1[:, None])
    summed = np.einsum("smh,sh->s", hidden, w2, optimize=True)
    return summed + b2


def _hidden_layer(rows: Rows, weights: Weights) -> Energy:
    """The energy that a network gives for the rows of positions and features."""

    def energy(position: np.ndarray, features: np.ndarray) -> np.ndarray:
        inputs = rows(position, features)
        return _network(inputs, weights)

    return energy


def _atom_rows(position: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A row (N, 3 + F) for each atom."""
    columns = [position, features]
    return np.concatenate(columns, 1)


def _single_row(position: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The only row (1, N (3 + F))."""
    rows = _atom_rows(position, features)
    return rows.reshape(1, -1)


def _vector_rows(position: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A row (N N, 3 + F) for the vector between each two atoms."""
    start = position[:, None]
    vectors = position - start
    return _pair_rows(vectors, features)


def _distance_rows(position: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A row (N N, 1 + F) for the squared distance between each two atoms."""
    vectors = position - position[:, None]
    squared = np.sum(vectors**2, -1, keepdims=True)
    return _pair_rows(squared, features)


def _pair_rows(pair: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Rows (N N, D + F): pair values (N, N, D), and the features of the second atom of the pair."""
    n_atoms, n_features = features.shape
    second = np.broadcast_to(features, (n_atoms, n_atoms, n_features))
    both = np.concatenate([pair, second], -1)
    return both.reshape(n_atoms**2, -1)


def linear_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The linear model, a weight for each coordinate."""
    w = rng.normal(size=(count, atoms, 3))
    b = rng.normal(size=count)

    def energy(position: np.ndarray, features: np.ndarray) -> np.ndarray:
        return np.einsum("nc,snc->s", position, w) + b

    return energy


def dense_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """A hidden layer on all coordinates and features at once."""
    n_inputs = atoms * 5
    weights = _weights(n_inputs, count, rng)
    return _hidden_layer(_single_row, weights)


def summed_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each atom, summed over atoms."""
    weights = _weights(5, count, rng)
    return _hidden_layer(_atom_rows, weights)


def vector_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each vector between two atoms, summed over pairs."""
    weights = _weights(5, count, rng)
    return _hidden_layer(_vector_rows, weights)


def distance_model(count: int, rng: np.random.Generator, atoms: int) -> Energy:
    """The same hidden layer for each squared distance, summed over pairs."""
    weights = _weights(3, count, rng)
    return _hidden_layer(_distance_rows, weights)


MODELS = {
    "linear": linear_model,
    "dense": dense_model,
    "permutation": summed_model,
    "permutation+translation": vector_model,
    "permutation+translation+rotation": distance_model,
}


def _swap(first: int, second: int) -> np.ndarray:
    """The indices of the atoms with two of them swapped."""
    order = np.arange(len(BUTANE))
    order[first] = second
    order[second] = first
    return order


def changes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Changed positions and features, by the name of the change.

    Translation by (-2, 3, 4); rotation by 45 degrees about x; reflection in the plane x = y (the
    plane of the carbon atoms, z = 0, would map this conformation onto itself); atoms 0 and 1, both
    carbon, swapped; atoms 0 and 4, carbon and hydrogen, swapped together with their features; atom
    0 moved to (2, 2, 2). The chapter omits the reflection and the swap of different elements.
    """
    turn = Rotation.from_euler("x", 45, degrees=True)
    like = _swap(0, 1)
    unlike = _swap(0, 4)
    moved = BUTANE.copy()
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
            difference = energy(position, features) - still
            result[name, change] = np.abs(difference) / np.abs(still)
    return result


def verdict(relative_change: float) -> str:
    """`invariant` if the change is within float64 rounding (`INVARIANT_BELOW`), else `changed`."""
    return "invariant" if relative_change < INVARIANT_BELOW else "changed"


def write_ladder(path: str | Path, seed: int) -> None:
    """Write the table: the median relative change over the initialisations by model and change."""
    rows = ["model,generator,relative_change,verdict"]
    for (model, change), values in relative_changes(seed).items():
        median = float(np.median(values))
        rows.append(f"{model},{change},{median:.4g},{verdict(median)}")
    write_text(path, "\n".join(rows) + "\n")
