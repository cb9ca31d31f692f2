"""A chain of beads on springs in a plane or in space, in contact with a weak thermal bath.

Neighbours are joined by harmonic springs. All other pairs repel each other by a screened Coulomb
(Yukawa) force, like charges of the same sign in salt water:

    U = sum_i k/2 (|x_i+1 - x_i| - r0)^2 + sum_{j > i+1} A exp(-r_ij / s) / r_ij

With `field`, the beads carry alternating charges +1 and -1, and a force of that size along z acts
on each unit charge. The field breaks the symmetry under rotations, except rotations about z.

The repulsion keeps the chain from crossing itself and gives it a bending stiffness, with forces
between pairs only. Units: nm, ps, g/mol, kJ/mol. The friction is so weak (1/friction is many times
the length of the default run) that motion from frame to frame is inertial. Before frames are
recorded, a strong friction brings the chain to equilibrium.

Integrator: BAOAB (`_baoab.py`). Engine: OpenMM, Eastman et al., J. Phys. Chem. B 128, 109 (2024),
Reference platform, which is deterministic.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.declared import chain_bonds
from equitraj.data.sources.systems._baoab import baoab, set_friction
from equitraj.data.sources.systems._recording import (
    check_finite,
    continued,
    episode_length,
    frame_times,
    recorded,
    thermal,
)
from equitraj.data.trajectory import Trajectory

EQUILIBRATION_FRICTION = 1.0  # 1/ps
POINTS = "beads"  # the option that gives the number of points


@dataclass(frozen=True)
class Options(Checked):
    """Options of the simulation.

    Attributes:
        seed: of the thermal noise (OpenMM reads 0 as "choose one").
        beads: number of beads.
        bond_length: r0, nm.
        bond_stiffness: k, kJ/(mol nm^2).
        repulsion: A, kJ nm/mol.
        screening_length: s, nm.
        mass: of a bead, g/mol.
        temperature: K.
        friction: of the bath while frames are recorded, 1/ps.
        time_step: of the integrator, ps.
        stride: integrator steps between frames.
        equilibration_steps: integrator steps before the first frame, from a straight chain.
        dimensions: 2 (the plane z = 0) or 3.
        episodes: number of chains, which are simulated one after the other; each has the same
            number of frames. Several chains are rotated at random: about z in a plane or a field,
            else in space.
        field: force on a unit charge along z, kJ/(mol nm); 0 for no field and no charges. Needs 3
            dimensions.
    """

    seed: Annotated[int, Range(1, 2147483647)] = 1
    beads: Annotated[int, Range(2, 10_000)] = 12
    bond_length: Annotated[float, Range(above=0)] = 0.36
    bond_stiffness: Annotated[float, Range(above=0)] = 2000.0
    repulsion: Annotated[float, Range(0)] = 30.0
    screening_length: Annotated[float, Range(above=0)] = 0.2
    mass: Annotated[float, Range(above=0)] = 50.0
    temperature: Annotated[float, Range(above=0)] = 300.0
    friction: Annotated[float, Range(0)] = 0.001
    time_step: Annotated[float, Range(above=0)] = 0.002
    stride: Annotated[int, Range(1, 1_000_000)] = 15
    equilibration_steps: Annotated[int, Range(0, 1_000_000_000)] = 100_000
    dimensions: Annotated[int, Range(2, 3)] = 2
    episodes: Annotated[int, Range(1, 100_000)] = 1
    field: Annotated[float, Range(-1e6, 1e6)] = 0.0


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions (frames, beads, 2 or 3) in nm and velocities in nm/ps, every `stride` steps.

    Raises:
        ValueError: the chain left its plane or flew apart (the time step is too long), a field in a
            plane, or frames that cannot be divided among the episodes.
    """
    dimensions = options.dimensions
    if options.field and dimensions == 2:
        raise ValueError(
            f"bead_chain: field: {options.field} along z, but the chain moves in the plane; "
            "use dimensions: 3"
        )
    episodes = options.episodes
    length = episode_length("bead_chain", frames, episodes)
    parts = [_episode(options, number, length) for number in range(episodes)]
    positions, velocities = zip(*parts, strict=True)
    return Trajectory(
        position=np.concatenate(positions)[..., :dimensions],
        velocity=np.concatenate(velocities)[..., :dimensions],
        episode=np.repeat(np.arange(episodes), length),
        time=frame_times(length, episodes, options.stride, options.time_step),
        mass=np.full(options.beads, options.mass),
        bonds=chain_bonds(options.beads),
        features={"charge": charges(options)[:, None]} if options.field else {},
        length_unit="nm",
        time_unit="ps",
    )


def charges(options: Options) -> np.ndarray:
    """Alternating charges +1 and -1 (beads,)."""
    is_odd = np.arange(options.beads) % 2
    return 1.0 - 2.0 * is_odd


def _episode(options: Options, number: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities of one chain, rotated at random if there are several."""
    rng = np.random.default_rng([options.seed, number])
    if number:
        options = replace(options, seed=int(rng.integers(1, 2**31)))
    position, velocity = run_in_space(options, frames)
    check_finite("bead_chain", position, f"{options.time_step} ps")
    is_planar = options.dimensions == 2
    if is_planar and (position[..., 2].any() or velocity[..., 2].any()):
        raise ValueError("bead_chain: the chain left the plane z = 0")
    if options.episodes == 1:
        return position, velocity
    angle = rng.uniform(0, 2 * np.pi)
    if is_planar or options.field:
        rotation = Rotation.from_rotvec([0, 0, angle])
    else:
        rotation = Rotation.random(rng=rng)
    turn = rotation.as_matrix()
    return position @ turn.T, velocity @ turn.T


def run_in_space(options: Options, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities in three dimensions, each (frames, beads, 3)."""
    context = _context(options)
    integrator = context.getIntegrator()
    place = np.arange(options.beads)[:, None]
    context.setPositions(options.bond_length * np.eye(1, 3) * place)
    set_friction(integrator, EQUILIBRATION_FRICTION)
    integrator.step(options.equilibration_steps)
    set_friction(integrator, options.friction)
    return recorded(context, frames, options.stride)


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, beads, 3) `frames` frames after S states.

    Unknown velocities are drawn at the temperature of the bath: in equilibrium, velocities do not
    depend on positions.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, options.mass, seed)
        velocity[..., options.dimensions :] = 0
    context = _context(replace(options, seed=seed))
    set_friction(context.getIntegrator(), options.friction)
    steps = frames * options.stride
    return continued(context, position, velocity, steps)


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic plus potential energy (S,) in kJ/mol of states (S, beads, 3)."""
    first, second = np.triu_indices(options.beads, 1)
    distance = np.linalg.norm(position[:, second] - position[:, first], axis=-1)
    is_bonded = second == first + 1
    stretch = distance[:, is_bonded] - options.bond_length
    springs = options.bond_stiffness / 2 * np.square(stretch)
    apart = distance[:, ~is_bonded]
    reduced = -apart / options.screening_length
    screening = np.exp(reduced)
    repulsion = options.repulsion * screening / apart
    dipole = (charges(options) * position[..., 2]).sum(-1)
    in_field = -options.field * dipole
    kinetic = options.mass / 2 * np.square(velocity).sum((1, 2))
    return kinetic + springs.sum(-1) + repulsion.sum(-1) + in_field


def _context(options: Options):
    import openmm

    integrator = baoab(options.temperature, options.time_step, options.seed)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(_system(options), integrator, platform)
    # In a plane only x and y have noise. Forces along the lines between beads with z = 0 have no z
    # component, so z stays 0.
    noisy = openmm.Vec3(1, 1, options.dimensions == 3)
    integrator.setPerDofVariableByName("noise", [noisy] * options.beads)
    return context


def _system(options: Options):
    import openmm

    system = openmm.System()
    for _ in range(options.beads):
        system.addParticle(options.mass)
    springs = openmm.HarmonicBondForce()
    # A bond force for all pairs: every pair interacts, so the neighbour list of a non-bonded force
    # would gain nothing.
    repulsion = openmm.CustomBondForce("repulsion * exp(-r / screening_length) / r")
    repulsion.addGlobalParameter("repulsion", options.repulsion)
    repulsion.addGlobalParameter("screening_length", options.screening_length)
    for first, second in combinations(range(options.beads), 2):
        if second == first + 1:
            springs.addBond(first, second, options.bond_length, options.bond_stiffness)
        else:
            repulsion.addBond(first, second)
    system.addForce(springs)
    system.addForce(repulsion)
    if options.field:
        pull = openmm.CustomExternalForce("-field * charge * z")
        pull.addGlobalParameter("field", options.field)
        pull.addPerParticleParameter("charge")
        for bead, charge in enumerate(charges(options)):
            pull.addParticle(bead, [charge])
        system.addForce(pull)
    return system
