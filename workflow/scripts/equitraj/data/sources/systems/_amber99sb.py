"""Parameters of the AMBER force field ff99SB that an alanine between two caps needs, as they are
published.

Bonds, angles and Lennard-Jones radii: Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995); torsions:
Wang, Cieplak & Kollman, J. Comput. Chem. 21, 1049 (2000), those of the backbone: Hornak et al.,
Proteins 65, 712 (2006). Units here are those of the papers: kcal/mol, Angstrom, degrees.
"""

from itertools import combinations

import numpy as np

from equitraj.data.sources.systems._force_field import FUDGE_COULOMB, FUDGE_LENNARD_JONES, Terms

KCAL, ANGSTROM = 4.184, 0.1  # in kJ and nm
BONDS = {  # K, r0
    "C CT": (317, 1.522),
    "C N": (490, 1.335),
    "C O": (570, 1.229),
    "CT CT": (310, 1.526),
    "CT H1": (340, 1.090),
    "CT HC": (340, 1.090),
    "CT N": (337, 1.449),
    "H N": (434, 1.010),
}
ANGLES = {  # K, a0
    "C CT CT": (63, 111.1),
    "C CT H1": (50, 109.5),
    "C CT HC": (50, 109.5),
    "C CT N": (63, 110.1),
    "C N CT": (50, 121.9),
    "C N H": (50, 120.0),
    "CT C N": (70, 116.6),
    "CT C O": (80, 120.4),
    "CT CT H1": (50, 109.5),
    "CT CT HC": (50, 109.5),
    "CT CT N": (80, 109.7),
    "CT N H": (50, 118.04),
    "H1 CT H1": (35, 109.5),
    "H1 CT N": (50, 109.5),
    "HC CT HC": (35, 109.5),
    "N C O": (80, 122.9),
}
TORSIONS = {  # n, w0, V of each wave; X is any type, and a row without it goes first
    "C CT N C": [(3, 0, 0.42), (2, 0, 0.27)],
    "C N CT CT": [(3, 0, 0.4), (2, 0, 2.0), (1, 0, 2.0)],
    "H N C O": [(2, 180, 2.5), (1, 0, 2.0)],
    "H1 CT C O": [(1, 0, 0.8), (3, 180, 0.08)],
    "HC CT C O": [(1, 0, 0.8), (3, 180, 0.08)],
    "N C CT CT": [(3, 0, 0.4), (2, 0, 0.2), (1, 0, 0.2)],
    "N CT C N": [(3, 180, 0.55), (2, 180, 1.58), (1, 180, 0.45)],
    "X C N X": [(2, 180, 2.5)],
    "X CT CT X": [(3, 0, 1.4 / 9)],
}
IMPROPERS = {"C O": (2, 180, 10.5), "N H": (2, 180, 1.1)}  # of a centre and its last neighbour
LENNARD_JONES = {  # half of the distance of least energy, e
    "C": (1.908, 0.086),
    "CT": (1.908, 0.1094),
    "H": (0.6, 0.0157),
    "H1": (1.387, 0.0157),
    "HC": (1.487, 0.0157),
    "N": (1.824, 0.17),
    "O": (1.6612, 0.21),
}


def terms(types: list[str], charge: np.ndarray, bonds: np.ndarray, impropers: np.ndarray) -> Terms:
    """All terms of a molecule, in nm, kJ/mol and rad.

    Args:
        types: of its N atoms.
        charge: (N,) in e.
        bonds: (M, 2).
        impropers: (I, 4), the centre third.
    """
    near = [
        set(bonds[bonds[:, 0] == i, 1]) | set(bonds[bonds[:, 1] == i, 0]) for i in range(len(types))
    ]
    angles = [
        (i, j, k) for j, others in enumerate(near) for i, k in combinations(sorted(others), 2)
    ]
    twisted = [
        (i, j, k, m) for j, k in bonds for i in near[j] - {k} for m in near[k] - {j} if i != m
    ]
    waves = [(atoms, wave) for atoms in twisted for wave in _torsion([types[i] for i in atoms])]
    waves += [(atoms, IMPROPERS[f"{types[atoms[2]]} {types[atoms[3]]}"]) for atoms in impropers]
    left_out = {frozenset(pair) for pair in bonds} | {frozenset((i, k)) for i, _, k in angles}
    fourth = {frozenset((atoms[0], atoms[3])) for atoms in twisted}
    pairs = np.array(
        [p for p in combinations(range(len(types)), 2) if frozenset(p) not in left_out]
    )
    scaled = np.array([frozenset(pair) in fourth for pair in pairs])
    bonded = [_row(BONDS, [types[i] for i in atoms]) for atoms in bonds]
    bent = [_row(ANGLES, [types[i] for i in atoms]) for atoms in angles]
    return Terms(
        bonds=(bonds, np.array(bonded) * [KCAL / ANGSTROM**2, ANGSTROM]),
        angles=(np.array(angles), np.array(bent) * [KCAL, np.pi / 180]),
        torsions=(
            np.array([a for a, _ in waves]),
            np.array([w for _, w in waves]) * [1, np.pi / 180, KCAL],
        ),
        pairs=(pairs, _pair_parameters(types, charge, pairs, scaled)),
    )


def _pair_parameters(
    types: list[str], charge: np.ndarray, pairs: np.ndarray, scaled: np.ndarray
) -> np.ndarray:
    """(P, 3): q q', e and s by the rules of Lorentz and Berthelot."""
    radius, depth = np.array([LENNARD_JONES[t] for t in types]).T
    first, second = pairs.T
    sigma = (radius[first] + radius[second]) * 2 ** (-1 / 6) * ANGSTROM
    epsilon = (
        np.sqrt(depth[first] * depth[second]) * KCAL * np.where(scaled, FUDGE_LENNARD_JONES, 1)
    )
    return np.stack(
        [charge[first] * charge[second] * np.where(scaled, FUDGE_COULOMB, 1), epsilon, sigma], 1
    )


def _row(table: dict[str, tuple], types: list[str]) -> tuple:
    """The row of some types, in either order."""
    return table.get(" ".join(types)) or table[" ".join(types[::-1])]


def _torsion(types: list[str]) -> list[tuple]:
    """The waves of four types, in either order; none where the force field has none."""
    both = [types, types[::-1]]
    names = [" ".join(t) for t in both] + [f"X {b} {c} X" for _, b, c, _ in both]
    return next((TORSIONS[name] for name in names if name in TORSIONS), [])
