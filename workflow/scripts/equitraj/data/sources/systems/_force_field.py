"""The potential energy of a molecule in an AMBER force field, in NumPy.

    U = sum_bonds K (r - r0)^2 + sum_angles K (a - a0)^2 + sum_torsions V (1 + cos(n w - w0))
        + sum_pairs 4 e ((s / r)^12 - (s / r)^6) + f q q' / r

Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995), eq. 1. Pairs that are one or two bonds apart are
left out. For pairs that are three bonds apart, the Lennard-Jones term is divided by 2 and the
Coulomb term by 1.2. Units: nm, kJ/mol, rad, e.
"""

from dataclasses import dataclass

import numpy as np

COULOMB = 138.935457644  # f, kJ nm/(mol e^2)
# Factors for pairs that are three bonds apart, with the digits of OpenMM's files.
FUDGE_LENNARD_JONES = 0.5
FUDGE_COULOMB = 0.833333


@dataclass(frozen=True)
class Terms:
    """The terms of a potential energy: for each kind, its atoms and its parameters.

    Atoms are (terms, 2, 3 or 4), and parameters are (terms, 2 or 3).

    Attributes:
        bonds: K and r0.
        angles: K and a0.
        torsions: n, w0 and V; improper torsions are included.
        pairs: q q', e and s.
    """

    bonds: tuple[np.ndarray, np.ndarray]
    angles: tuple[np.ndarray, np.ndarray]
    torsions: tuple[np.ndarray, np.ndarray]
    pairs: tuple[np.ndarray, np.ndarray]


def potential(terms: Terms, position: np.ndarray) -> np.ndarray:
    """Potential energy (S,) in kJ/mol of positions (S, N, 3) in nm."""
    atoms, parameters = terms.bonds
    bonds = _harmonic(distance(*_at(position, atoms)), parameters)
    atoms, parameters = terms.angles
    angles = _harmonic(bend(*_at(position, atoms)), parameters)
    atoms, parameters = terms.torsions
    order, phase, height = parameters.T
    dihedral = twist(*_at(position, atoms))
    torsions = height * (1 + np.cos(order * dihedral - phase))
    atoms, parameters = terms.pairs
    charges, depth, size = parameters.T
    r = distance(*_at(position, atoms))
    lennard_jones = 4 * depth * ((size / r) ** 12 - (size / r) ** 6)
    coulomb = COULOMB * charges / r
    pairs = lennard_jones + coulomb
    return bonds + angles + torsions.sum(-1) + pairs.sum(-1)


def _harmonic(value: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Energy (S,) of harmonic terms: `value` is (S, terms)."""
    stiffness, rest = parameters.T
    energy = stiffness * np.square(value - rest)
    return energy.sum(-1)


def _at(position: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Positions (2, 3 or 4, S, terms, 3) of the atoms of each term."""
    selected = position[:, atoms]
    return np.moveaxis(selected, 2, 0)


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The distance between points (..., 3)."""
    apart = second - first
    return np.linalg.norm(apart, axis=-1)


def bend(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The angle at the middle of three points (..., 3), 0 to pi."""
    a = first - middle
    b = last - middle
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    cosine = (a * b).sum(-1)
    return np.arctan2(sine, cosine)


def twist(
    first: np.ndarray, second: np.ndarray, third: np.ndarray, fourth: np.ndarray
) -> np.ndarray:
    """The dihedral angle of four points (..., 3), -pi to pi.

    Its sign is the convention of IUPAC, and cis is 0.
    """
    a = second - first
    axis = third - second
    b = fourth - third
    left = np.cross(a, axis)
    right = np.cross(axis, b)
    sine = np.linalg.norm(axis, axis=-1) * (a * right).sum(-1)
    cosine = (left * right).sum(-1)
    return np.arctan2(sine, cosine)
