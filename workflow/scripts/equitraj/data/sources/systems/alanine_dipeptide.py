"""Alanine dipeptide in vacuum: L-alanine between an acetyl and a methylamide cap, 22 atoms.

All bonds are flexible. Force field: AMBER ff99SB (Hornak et al., Proteins 65, 712 (2006)), without
cutoff and without constraints, so that the energy is conserved if there is no friction. `simulate`
takes it from OpenMM (`amber99sb.xml`), and `energy` computes it in NumPy. The force field does not
distinguish left from right, but a molecule stays in the L form.

The initial structure was built from ideal bond lengths and angles with OpenMM's Modeller and
minimised to the nearest minimum, at phi = -77 and psi = 54 degrees (C7eq). A thermal bath brings it
to equilibrium. The friction of the bath is weak while frames are recorded, so that motion from
frame to frame is inertial: a hydrogen swings on its carbon in 11 frames of 1 fs. Units: nm, ps,
g/mol, kJ/mol.

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
from equitraj.data.sources.systems._recording import (
    continued,
    episode_length,
    frame_times,
    recorded,
    thermal,
)
from equitraj.data.trajectory import Trajectory

POINTS = 22  # atoms
EQUILIBRATION_FRICTION = 1.0  # 1/ps
# Residue, name in the PDB, element, type in the force field, charge in e, initial position in
# Angstrom.
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
    18: (19, 20, 21),
}
BONDS = np.array([(first, second) for first, others in NEXT_TO.items() for second in others])
# Centres of the planes of C=O and N-H are third.
IMPROPERS = np.array([(0, 6, 4, 5), (4, 8, 6, 7), (8, 16, 14, 15), (14, 18, 16, 17)])
PHI, PSI = (4, 6, 8, 14), (6, 8, 14, 16)  # C-N-CA-C and N-CA-C-N
NUMBER = {"H": 1, "C": 6, "N": 7, "O": 8}
MASSES = {"H": 1.007947, "C": 12.01078, "N": 14.00672, "O": 15.99943}  # g/mol
MASS = np.array([MASSES[atom[2]] for atom in ATOMS])
CHARGE = np.array([float(atom[4]) for atom in ATOMS])
START = 0.1 * np.array([[float(x) for x in atom[5:]] for atom in ATOMS])


@dataclass(frozen=True)
class Options(Checked):
    """Options of the simulation.

    Attributes:
        seed: of initial velocities, thermal noise and random rotations.
        temperature: K.
        friction: of the bath while frames are recorded, 1/ps.
        time_step: of the integrator, ps.
        stride: integrator steps between frames.
        equilibration_steps: integrator steps before the first frame, in a bath of friction 1/ps.
        episodes: number of molecules, which are simulated one after the other; each has the same
            number of frames and is rotated at random.
    """

    seed: Annotated[int, Range(1, 2147483647)] = 1
    temperature: Annotated[float, Range(above=0)] = 300.0
    friction: Annotated[float, Range(0)] = 0.001
    time_step: Annotated[float, Range(above=0)] = 0.0005
    stride: Annotated[int, Range(1, 1_000_000)] = 2
    equilibration_steps: Annotated[int, Range(0, 1_000_000_000)] = 20_000
    episodes: Annotated[int, Range(1, 100_000)] = 1


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions (frames, 22, 3) in nm and velocities in nm/ps, every `stride` steps.

    Species are atomic numbers.

    Raises:
        ValueError: the molecule flew apart (the time step is too long), or the frames cannot be
            divided among the episodes.
    """
    episodes = options.episodes
    length = episode_length("alanine_dipeptide", frames, episodes)
    parts = [_episode(options, number, length) for number in range(episodes)]
    positions, velocities = zip(*parts, strict=True)
    return Trajectory(
        position=np.concatenate(positions),
        velocity=np.concatenate(velocities),
        episode=np.repeat(np.arange(episodes), length),
        time=frame_times(length, episodes, options.stride, options.time_step),
        species=np.array([NUMBER[atom[2]] for atom in ATOMS]),
        mass=MASS,
        bonds=BONDS,
        features={"charge": CHARGE[:, None]},
        length_unit="nm",
        time_unit="ps",
    )


def _episode(options: Options, number: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (frames, 22, 3) of one molecule, rotated at random."""
    rng = np.random.default_rng([options.seed, number])
    noise_seed, velocity_seed = (int(rng.integers(1, 2**31)) for _ in range(2))
    context = _context(options, EQUILIBRATION_FRICTION, noise_seed)
    integrator = context.getIntegrator()
    context.setPositions(START)
    initial = thermal(START.shape, options.temperature, MASS[:, None], velocity_seed)
    context.setVelocities(initial)
    integrator.step(options.equilibration_steps)
    set_friction(integrator, options.friction)
    position, velocity = recorded(context, frames, options.stride)
    _check_bonds(position, options.time_step)
    turn = Rotation.random(rng=rng).as_matrix()
    return position @ turn.T, velocity @ turn.T


def _check_bonds(position: np.ndarray, time_step: float) -> None:
    """Raise ValueError if a bond is twice as long as in the force field, or not finite."""
    first, second = BONDS.T
    length = np.linalg.norm(position[:, first] - position[:, second], axis=-1)
    _, parameters = _terms().bonds
    rest = parameters[:, 1]
    if not (length < 2 * rest).all():  # true for NaN, too
        raise ValueError(
            f"alanine_dipeptide: the molecule flew apart; time_step {time_step} ps is too long"
        )


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, 22, 3) `frames` frames after S states.

    Unknown velocities are drawn at the temperature of the bath: in equilibrium, velocities do not
    depend on positions.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, MASS[:, None], seed)
    context = _context(options, options.friction, seed)
    steps = frames * options.stride
    return continued(context, position, velocity, steps)


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic plus potential energy (S,) in kJ/mol of states (S, 22, 3)."""
    kinetic = MASS[:, None] / 2 * np.square(velocity)
    return kinetic.sum((1, 2)) + potential(_terms(), position)


def dihedrals(position: np.ndarray) -> np.ndarray:
    """phi and psi (S, 2) in degrees, -180 to 180, of positions (S, 22, 3)."""
    angles = []
    for atoms in (PHI, PSI):
        points = np.moveaxis(position[:, list(atoms)], 1, 0)
        angles.append(twist(*points))
    return np.degrees(angles).T


@cache
def _terms() -> Terms:
    types = [atom[3] for atom in ATOMS]
    return terms(types, CHARGE, BONDS, IMPROPERS)


def _context(options: Options, friction: float, seed: int):
    import openmm

    integrator = baoab(options.temperature, options.time_step, seed)
    set_friction(integrator, friction)
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(_system(), integrator, platform)


def _system():
    from openmm import app

    force_field = app.ForceField("amber99sb.xml")
    return force_field.createSystem(_topology(), constraints=None, removeCMMotion=False)


def _topology():
    from openmm import app

    topology = app.Topology()
    chain = topology.addChain()
    residues = {}
    atoms = []
    for residue, name, symbol, *_ in ATOMS:
        if residue not in residues:
            residues[residue] = topology.addResidue(residue, chain)
        element = app.Element.getBySymbol(symbol)
        atom = topology.addAtom(name, element, residues[residue])
        atoms.append(atom)
    for first, second in BONDS:
        topology.addBond(atoms[first], atoms[second])
    return topology
