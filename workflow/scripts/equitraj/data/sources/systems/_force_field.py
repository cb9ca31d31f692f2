"""The potential energy of a molecule in an AMBER force field, in NumPy.

    U = sum_bonds K (r - r0)^2 + sum_angles K (a - a0)^2 + sum_torsions V (1 + cos(n w - w0))
        + sum_pairs 4 e ((s / r)^12 - (s / r)^6) + f q q' / r

Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995), eq. 1. Pairs that are one or two bonds apart are
left out; of those three bonds apart the Lennard-Jones term counts a half and the charges 1 / 1.2.
Units: nm, kJ/mol, rad, e.
"""

from dataclasses import dataclass

import numpy as np

COULOMB = 138.935457644  # f, kJ nm/(mol e^2)
FUDGE_LENNARD_JONES, FUDGE_COULOMB = (
    0.5,
    0.833333,
)  # of pairs three bonds apart, as OpenMM's files have them


@dataclass(frozen=True)
class Terms:
    """Attributes, for each kind of term the atoms (terms, 2, 3 or 4) and parameters (terms, 2 or
    3): bonds: K and r0; angles: K and a0; torsions: n, w0 and V, impropers among them; pairs: q q',
    e and s.
    """

    bonds: tuple[np.ndarray, np.ndarray]
    angles: tuple[np.ndarray, np.ndarray]
    torsions: tuple[np.ndarray, np.ndarray]
    pairs: tuple[np.ndarray, np.ndarray]


def potential(terms: Terms, position: np.ndarray) -> np.ndarray:
    """Potential energy (S,) in kJ/mol of positions (S, N, 3) in nm."""
    harmonic, total = ((distance, terms.bonds), (bend, terms.angles)), 0.0
    for measured, (atoms, parameters) in harmonic:
        stiffness, rest = parameters.T
        total += (stiffness * np.square(measured(*_at(position, atoms)) - rest)).sum(-1)
    order, phase, height = terms.torsions[1].T
    total += (height * (1 + np.cos(order * twist(*_at(position, terms.torsions[0])) - phase))).sum(
        -1
    )
    charges, depth, size = terms.pairs[1].T
    r = distance(*_at(position, terms.pairs[0]))
    return total + (4 * depth * ((size / r) ** 12 - (size / r) ** 6) + COULOMB * charges / r).sum(
        -1
    )


def _at(position: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Positions (2, 3 or 4, S, terms, 3) of the atoms of each term."""
    return np.moveaxis(position[:, index], 2, 0)


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of points (..., 3)."""
    return np.linalg.norm(second - first, axis=-1)


def bend(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The angle at the middle of three points (..., 3), 0 to pi."""
    a, b = first - middle, last - middle
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))


def twist(
    first: np.ndarray, second: np.ndarray, third: np.ndarray, fourth: np.ndarray
) -> np.ndarray:
    """The dihedral angle of four points (..., 3), -pi to pi; its sign is that of IUPAC, 0 is cis."""
    a, axis, b = second - first, third - second, fourth - third
    left, right = np.cross(a, axis), np.cross(axis, b)
    sine = np.linalg.norm(axis, axis=-1) * (a * right).sum(-1)
    return np.arctan2(sine, (left * right).sum(-1))
