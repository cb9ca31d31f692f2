"""Alanine dipeptide in vacuum: L-alanine between an acetyl and a methylamide cap, 22 atoms, all
bonds flexible.

Force field: AMBER ff99SB (Hornak et al., Proteins 65, 712 (2006)), without cutoff and without
constraints, so that energy is kept where there is no friction. `simulate` takes it from OpenMM
(`amber99sb.xml`), `energy` has it in NumPy. Its law knows no left and right, but a molecule stays
the L form: nothing turns it over.

The first structure was built from ideal bond lengths and angles with OpenMM's Modeller and brought
to the nearest minimum, at phi = -77 and psi = 54 degrees (C7eq). A bath brings it to equilibrium;
its friction is weak while frames are recorded, so that motion from frame to frame is inertial: a
hydrogen swings on its carbon in 11 frames of 1 fs. Units: nm, ps, g/mol, kJ/mol.

Integrator: BAOAB (`_baoab.py`). Engine: OpenMM, Eastman et al., J. Phys. Chem. B 128, 109 (2024),
Reference platform, which is deterministic.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.systems._amber99sb import terms
from equitraj.data.sources.systems._baoab import baoab, set_friction
from equitraj.data.sources.systems._force_field import Terms, potential, twist
from equitraj.data.sources.systems._recording import continued, recorded, thermal
from equitraj.data.trajectory import Trajectory

POINTS = 22  # atoms
EQUILIBRATION_FRICTION = 1.0  # 1/ps
# residue, name as in the PDB, element, type in the force field, charge in e, first position in
# Angstrom
ATOMS = [
    line.split()
    for line in """
    ACE CH3 C CT -0.3662 -2.920  0.798  0.812
    ACE H1  H HC  0.1123 -3.253  1.835  0.842
    ACE H2  H HC  0.1123 -3.302  0.319 -0.088
    ACE H3  H HC  0.1123 -3.281  0.274  1.695
    ACE C   C C   0.5972 -1.410  0.769  0.793
    ACE O   O O  -0.5679 -0.773  1.814  0.801
    ALA N   N N  -0.4157 -0.835 -0.431  0.750
    ALA H   H H   0.2719 -1.432 -1.241  0.722
    ALA CA  C CT  0.0337  0.614 -0.666  0.770
    ALA HA  H H1  0.0823  1.056  0.038  1.477
    ALA CB  C CT -0.1825  0.862 -2.079  1.319
    ALA HB1 H HC  0.0603  0.446 -2.823  0.639
    ALA HB2 H HC  0.0603  1.936 -2.250  1.413
    ALA HB3 H HC  0.0603  0.403 -2.185  2.303
    ALA C   C C   0.5973  1.297 -0.395 -0.593
    ALA O   O O  -0.5679  1.970 -1.262 -1.147
    NME N   N N  -0.4157  1.094  0.805 -1.151
    NME H   H H   0.2719  0.524  1.463 -0.628
    NME C   C CT -0.1490  1.644  1.228 -2.437
    NME H1  H H1  0.0976  1.297  0.556 -3.225
    NME H2  H H1  0.0976  2.734  1.190 -2.401
    NME H3  H H1  0.0976  1.326  2.246 -2.665
    """.strip().splitlines()
]
NEXT_TO = {
    0: (1, 2, 3, 4),
    4: (5, 6),
    6: (7, 8),
    8: (9, 10, 14),
    10: (11, 12, 13),
    14: (15, 16),
    16: (17, 18),
}
NEXT_TO |= {18: (19, 20, 21)}
BONDS = np.array([(first, second) for first, others in NEXT_TO.items() for second in others])
IMPROPERS = np.array(
    [(0, 6, 4, 5), (4, 8, 6, 7), (8, 16, 14, 15), (14, 18, 16, 17)]
)  # the planes of C=O and N-H
PHI, PSI = (4, 6, 8, 14), (6, 8, 14, 16)  # C-N-CA-C and N-CA-C-N
NUMBER = {"H": 1, "C": 6, "N": 7, "O": 8}
MASS = np.array(
    [{"H": 1.007947, "C": 12.01078, "N": 14.00672, "O": 15.99943}[atom[2]] for atom in ATOMS]
)  # g/mol
CHARGE = np.array([float(atom[4]) for atom in ATOMS])
START = 0.1 * np.array([[float(x) for x in atom[5:]] for atom in ATOMS])


@dataclass(frozen=True)
class Options(Checked):
    """Attributes:
    seed: of first velocities, thermal noise and random turns.
    temperature: K.
    friction: of the bath while frames are recorded, 1/ps.
    time_step: of the integrator, ps.
    stride: integrator steps from frame to frame.
    equilibration_steps: integrator steps before the first frame, in a bath of friction 1/ps.
    episodes: molecules that are simulated one after the other, each for as many frames and turned
    at random in space.
    """

    seed: Annotated[int, Range(1, 2147483647)] = 1
    temperature: Annotated[float, Range(above=0)] = 300.0
    friction: Annotated[float, Range(0)] = 0.001
    time_step: Annotated[float, Range(above=0)] = 0.0005
    stride: Annotated[int, Range(1, 1_000_000)] = 2
    equilibration_steps: Annotated[int, Range(0, 1_000_000_000)] = 20_000
    episodes: Annotated[int, Range(1, 100_000)] = 1


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions (frames, 22, 3) in nm and velocities in nm/ps, every `stride` steps; species are
    atomic numbers.

    Raises:
        ValueError: the molecule flew apart (a time step too long); frames that cannot be divided
        among the episodes.
    """
    length = frames // options.episodes
    if length * options.episodes != frames:
        raise ValueError(
            f"alanine_dipeptide: frames: {frames}; expected a multiple of the {options.episodes} episodes"
        )
    parts = [_episode(options, number, length) for number in range(options.episodes)]
    position, velocity = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Trajectory(
        position=position,
        velocity=velocity,
        episode=np.repeat(np.arange(options.episodes), length),
        time=np.tile(np.arange(length), options.episodes) * options.stride * options.time_step,
        species=np.array([NUMBER[atom[2]] for atom in ATOMS]),
        mass=MASS,
        bonds=BONDS,
        features={"charge": CHARGE[:, None]},
        length_unit="nm",
        time_unit="ps",
    )


def _episode(options: Options, number: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (frames, 22, 3) of one molecule, turned at random."""
    rng = np.random.default_rng([options.seed, number])
    context = _context(options, EQUILIBRATION_FRICTION, int(rng.integers(1, 2**31)))
    context.setPositions(START)
    context.setVelocities(
        thermal(START.shape, options.temperature, MASS[:, None], int(rng.integers(1, 2**31)))
    )
    context.getIntegrator().step(options.equilibration_steps)
    set_friction(context.getIntegrator(), options.friction)
    found = recorded(context, frames, options.stride)
    bond = np.linalg.norm(found[0][:, BONDS[:, 0]] - found[0][:, BONDS[:, 1]], axis=-1)
    if not (bond < 2 * _terms().bonds[1][:, 1]).all():  # nor where there is no number
        raise ValueError(
            f"alanine_dipeptide: the molecule flew apart; time_step {options.time_step} ps is too long"
        )
    turn = Rotation.random(rng=rng).as_matrix()
    return tuple(values @ turn.T for values in found)


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, 22, 3) `frames` frames after S states; without velocities, with those of the
    bath.

    In equilibrium velocities do not depend on positions: that is all that positions tell of them.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, MASS[:, None], seed)
    return continued(
        _context(options, options.friction, seed), position, velocity, frames * options.stride
    )


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic and potential energy (S,) in kJ/mol of states (S, 22, 3)."""
    return (MASS[:, None] / 2 * np.square(velocity)).sum((1, 2)) + potential(_terms(), position)


def dihedrals(position: np.ndarray) -> np.ndarray:
    """phi and psi (S, 2) in degrees, -180 to 180, of positions (S, 22, 3)."""
    return np.degrees(
        [twist(*np.moveaxis(position[:, list(atoms)], 1, 0)) for atoms in (PHI, PSI)]
    ).T


@cache
def _terms() -> Terms:
    return terms([atom[3] for atom in ATOMS], CHARGE, BONDS, IMPROPERS)


def _context(options: Options, friction: float, seed: int):
    import openmm

    integrator = baoab(options.temperature, options.time_step, seed)
    set_friction(integrator, friction)
    return openmm.Context(_system(), integrator, openmm.Platform.getPlatformByName("Reference"))


def _system():
    from openmm import app

    return app.ForceField("amber99sb.xml").createSystem(
        _topology(), constraints=None, removeCMMotion=False
    )


def _topology():
    from openmm import app

    topology = app.Topology()
    chain, residues, atoms = topology.addChain(), {}, []
    for residue, name, element, *_ in ATOMS:
        if residue not in residues:
            residues[residue] = topology.addResidue(residue, chain)
        atoms.append(topology.addAtom(name, app.Element.getBySymbol(element), residues[residue]))
    for first, second in BONDS:
        topology.addBond(atoms[first], atoms[second])
    return topology
