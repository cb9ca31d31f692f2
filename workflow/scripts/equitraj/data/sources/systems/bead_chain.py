"""A chain of beads on springs that moves in a plane or in space, in contact with a weak thermal
bath.

Neighbours are joined by harmonic springs; all other pairs repel each other by a screened Coulomb
(Yukawa) force, as like charges do in salt water:

    U = sum_i k/2 (|x_i+1 - x_i| - r0)^2 + sum_{j > i+1} A exp(-r_ij / s) / r_ij

With `field`, beads carry charges +1 and -1 in turn, and a force of that size along z pulls each by
its charge: all directions are alike no longer, those about z still are.

The repulsion keeps the chain from crossing itself and gives it a bending stiffness, with forces
between pairs only. Units: nm, ps, g/mol, kJ/mol. The friction is so weak (1/friction is many times
the length of the default run) that motion from frame to frame is inertial; before recording, a
strong friction brings the chain to equilibrium.

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
from equitraj.data.sources.systems._recording import continued, recorded, thermal
from equitraj.data.trajectory import Trajectory

EQUILIBRATION_FRICTION = 1.0  # 1/ps
POINTS = "beads"  # the option that gives the number of points


@dataclass(frozen=True)
class Options(Checked):
    """Attributes:
    seed: of the thermal noise (OpenMM takes 0 as "choose one").
    beads: number of beads.
    bond_length: r0, nm.
    bond_stiffness: k, kJ/(mol nm^2).
    repulsion: A, kJ nm/mol.
    screening_length: s, nm.
    mass: of a bead, g/mol.
    temperature: K.
    friction: of the bath while frames are recorded, 1/ps.
    time_step: of the integrator, ps.
    stride: integrator steps from frame to frame.
    equilibration_steps: integrator steps before the first frame, from a straight chain.
    dimensions: 2, confined to the plane z = 0, or 3.
    episodes: chains that are simulated one after the other, each for as many frames; where there
    are several, each is turned at random: about z in a plane or a field, else in space.
    field: force on a unit charge, kJ/(mol nm), along z; 0 for none and no charges. Needs 3
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
        ValueError: the chain left its plane or flew apart (a time step too long); a field in a
            plane; frames that cannot be divided among the episodes.
    """
    if options.field and options.dimensions == 2:
        raise ValueError(
            f"bead_chain: field: {options.field} along z, but the chain moves in the plane; use dimensions: 3"
        )
    length = frames // options.episodes
    if length * options.episodes != frames:
        raise ValueError(
            f"bead_chain: frames: {frames}; expected a multiple of the {options.episodes} episodes"
        )
    parts = [_episode(options, number, length) for number in range(options.episodes)]
    position, velocity = (
        np.concatenate(values)[..., : options.dimensions] for values in zip(*parts, strict=True)
    )
    return Trajectory(
        position=position,
        velocity=velocity,
        episode=np.repeat(np.arange(options.episodes), length),
        time=np.tile(np.arange(length), options.episodes) * options.stride * options.time_step,
        mass=np.full(options.beads, options.mass),
        bonds=chain_bonds(options.beads),
        features={"charge": charges(options)[:, None]} if options.field else {},
        length_unit="nm",
        time_unit="ps",
    )


def charges(options: Options) -> np.ndarray:
    """+1 and -1 in turn, (beads,)."""
    return 1.0 - 2.0 * (np.arange(options.beads) % 2)


def _episode(options: Options, number: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities of one chain, turned at random where there are several."""
    rng = np.random.default_rng([options.seed, number])
    seed = int(rng.integers(1, 2**31)) if number else options.seed
    found = run_in_space(replace(options, seed=seed), frames)
    if not np.isfinite(found[0]).all():
        raise ValueError(
            f"bead_chain: positions are no longer finite; time_step {options.time_step} ps is too long"
        )
    if options.dimensions == 2 and any(values[..., 2].any() for values in found):
        raise ValueError("bead_chain: the chain left the plane z = 0")
    if options.episodes == 1:
        return found
    about_z = options.dimensions == 2 or options.field
    angle = [0, 0, rng.uniform(0, 2 * np.pi)]
    turn = (Rotation.from_rotvec(angle) if about_z else Rotation.random(rng=rng)).as_matrix()
    return tuple(values @ turn.T for values in found)


def run_in_space(options: Options, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities as OpenMM has them, each (frames, beads, 3)."""
    context = _context(options)
    context.setPositions(options.bond_length * np.eye(1, 3) * np.arange(options.beads)[:, None])
    set_friction(context.getIntegrator(), EQUILIBRATION_FRICTION)
    context.getIntegrator().step(options.equilibration_steps)
    set_friction(context.getIntegrator(), options.friction)
    return recorded(context, frames, options.stride)


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, beads, 3) `frames` frames after S states; without velocities, with those of the
    bath.

    In equilibrium velocities do not depend on positions: that is all that positions tell of them.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, options.mass, seed)
        velocity[..., options.dimensions :] = 0
    context = _context(replace(options, seed=seed))
    set_friction(context.getIntegrator(), options.friction)
    return continued(context, position, velocity, frames * options.stride)


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic and potential energy (S,) in kJ/mol of states (S, beads, 3)."""
    first, second = np.triu_indices(options.beads, 1)
    r = np.linalg.norm(position[:, second] - position[:, first], axis=-1)
    bonded = second == first + 1
    springs = options.bond_stiffness / 2 * np.square(r[:, bonded] - options.bond_length)
    apart = r[:, ~bonded]
    repulsion = options.repulsion * np.exp(-apart / options.screening_length) / apart
    pull = -options.field * (charges(options) * position[..., 2]).sum(-1)
    return (
        options.mass / 2 * np.square(velocity).sum((1, 2))
        + springs.sum(-1)
        + repulsion.sum(-1)
        + pull
    )


def _context(options: Options):
    import openmm

    integrator = baoab(options.temperature, options.time_step, options.seed)
    context = openmm.Context(
        _system(options), integrator, openmm.Platform.getPlatformByName("Reference")
    )
    # with noise in a plane only z stays 0, as forces along the lines between beads of equal z have
    # no z component
    noisy = openmm.Vec3(1, 1, options.dimensions == 3)
    integrator.setPerDofVariableByName("noise", [noisy] * options.beads)
    return context


def _system(options: Options):
    import openmm

    system = openmm.System()
    for _ in range(options.beads):
        system.addParticle(options.mass)
    springs = openmm.HarmonicBondForce()
    # Bonds of any pair, in place of a non-bonded force: every pair interacts, so a neighbour list
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
