"""Published parameters of the AMBER force field ff99SB for an alanine between two caps.

Bonds, angles and Lennard-Jones radii: Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995). Torsions:
Wang, Cieplak & Kollman, J. Comput. Chem. 21, 1049 (2000). Torsions of the backbone: Hornak et al.,
Proteins 65, 712 (2006). The units of the papers are kept: kcal/mol, Angstrom, degrees.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from equitraj.data.sources.systems._force_field import FUDGE_COULOMB, FUDGE_LENNARD_JONES, Terms

KCAL = 4.184  # kJ
ANGSTROM = 0.1  # nm
# Units of the parameters below, in kJ/mol, nm and rad.
BOND_UNITS = [KCAL / ANGSTROM**2, ANGSTROM]
ANGLE_UNITS = [KCAL, np.pi / 180]
WAVE_UNITS = [1, np.pi / 180, KCAL]
ZERO_OVER_MINIMUM = 2 ** (-1 / 6)  # distances of the zero and the minimum of Lennard-Jones
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
TORSIONS = {  # n, w0, V of each wave; X is any type; a row without X has priority
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
IMPROPERS = {
    "C O": (2, 180, 10.5),
    "N H": (2, 180, 1.1),
}  # n, w0, V by the types of the centre and its last neighbour
LENNARD_JONES = {  # half of the distance with the lowest energy, e
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
        types: of the N atoms.
        charge: (N,) in e.
        bonds: (M, 2).
        impropers: (I, 4), the centre third.
    """
    neighbours = [_neighbours(atom, bonds) for atom in range(len(types))]
    angles = []
    for middle, others in enumerate(neighbours):
        angles += [(first, middle, last) for first, last in combinations(sorted(others), 2)]
    dihedrals = _dihedrals(bonds, neighbours)
    torsions = []
    for atoms in dihedrals:
        kinds = [types[atom] for atom in atoms]
        torsions += [(atoms, wave) for wave in _torsion(kinds)]
    for atoms in impropers:
        kind = f"{types[atoms[2]]} {types[atoms[3]]}"
        torsions.append((atoms, IMPROPERS[kind]))
    torsion_atoms, waves = zip(*torsions, strict=True)
    left_out = {frozenset(pair) for pair in bonds}
    left_out |= {frozenset((first, last)) for first, _, last in angles}
    three_apart = {frozenset((first, fourth)) for first, _, _, fourth in dihedrals}
    every_pair = combinations(range(len(types)), 2)
    pairs = [pair for pair in every_pair if frozenset(pair) not in left_out]
    is_scaled = [frozenset(pair) in three_apart for pair in pairs]
    pair_atoms = np.array(pairs)
    return Terms(
        bonds=(bonds, _rows(BONDS, types, bonds) * BOND_UNITS),
        angles=(np.array(angles), _rows(ANGLES, types, angles) * ANGLE_UNITS),
        torsions=(np.array(torsion_atoms), np.array(waves) * WAVE_UNITS),
        pairs=(pair_atoms, _pair_parameters(types, charge, pair_atoms, np.array(is_scaled))),
    )


def _neighbours(atom: int, bonds: np.ndarray) -> set[int]:
    """The atoms that have a bond with an atom."""
    first, second = bonds.T
    after = set(second[first == atom])
    before = set(first[second == atom])
    return after | before


def _dihedrals(bonds: np.ndarray, neighbours: list[set[int]]) -> list[tuple[int, int, int, int]]:
    """All chains of four different atoms that are joined by bonds."""
    dihedrals = []
    for second, third in bonds:
        for first in neighbours[second] - {third}:
            for fourth in neighbours[third] - {second}:
                if fourth != first:
                    dihedrals.append((first, second, third, fourth))
    return dihedrals


def _pair_parameters(
    types: list[str], charge: np.ndarray, pairs: np.ndarray, is_scaled: np.ndarray
) -> np.ndarray:
    """q q', e and s (P, 3) of pairs (P, 2) by the Lorentz-Berthelot rules."""
    radius, depth = np.array([LENNARD_JONES[each] for each in types]).T
    first, second = pairs.T
    minimum = radius[first] + radius[second]
    sigma = minimum * ZERO_OVER_MINIMUM * ANGSTROM
    mean_depth = np.sqrt(depth[first] * depth[second])
    epsilon = mean_depth * KCAL * np.where(is_scaled, FUDGE_LENNARD_JONES, 1)
    product = charge[first] * charge[second]
    scaled = product * np.where(is_scaled, FUDGE_COULOMB, 1)
    return np.stack([scaled, epsilon, sigma], 1)


def _rows(table: dict[str, tuple], types: list[str], terms: Iterable[Sequence[int]]) -> np.ndarray:
    """The parameters (terms, 2) of bonds or angles, whose types may be in either order."""
    rows = []
    for atoms in terms:
        words = [types[atom] for atom in atoms]
        row = table.get(" ".join(words)) or table[" ".join(words[::-1])]
        rows.append(row)
    return np.array(rows)


def _torsion(types: list[str]) -> list[tuple]:
    """The waves of four types, which may be in either order; none if the force field has none."""
    orders = (types, types[::-1])
    names = [" ".join(order) for order in orders]
    names += [f"X {second} {third} X" for _, second, third, _ in orders]
    for name in names:
        if name in TORSIONS:
            return TORSIONS[name]
    return []
