"""A chain of beads on springs that moves in a plane, in contact with a weak thermal bath.

Neighbours are joined by harmonic springs; all other pairs repel each other by a screened Coulomb (Yukawa) force, as
like charges do in salt water:

    U = sum_i k/2 (|x_i+1 - x_i| - r0)^2 + sum_{j > i+1} A exp(-r_ij / s) / r_ij

The repulsion keeps the chain from crossing itself and gives it a bending stiffness, with forces between pairs only.
Units: nm, ps, g/mol, kJ/mol. The friction is so weak (1/friction is many times the length of the default run) that
motion from frame to frame is inertial; before recording, a strong friction brings the chain to equilibrium.

Integrator: BAOAB, Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34. Engine: OpenMM, Eastman et al., J. Phys.
Chem. B 128, 109 (2024), Reference platform, which is deterministic.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.declared import chain_bonds
from equitraj.data.sources.systems._recording import recorded
from equitraj.data.trajectory import Trajectory

GAS_CONSTANT = 0.00831446261815324  # kJ/(mol K)
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


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions (frames, beads, 2) in nm and velocities in nm/ps, every `stride` steps.

    Raises:
        ValueError: the chain left its plane or flew apart (a time step too long).
    """
    position, velocity = run_in_space(options, frames)
    if not np.isfinite(position).all():
        raise ValueError(f"bead_chain: positions are no longer finite; time_step {options.time_step} ps is too long")
    if position[..., 2].any() or velocity[..., 2].any():
        raise ValueError("bead_chain: the chain left the plane z = 0")
    return Trajectory(
        position=position[..., :2],
        velocity=velocity[..., :2],
        episode=np.zeros(frames, dtype=np.int64),
        time=np.arange(frames) * options.stride * options.time_step,
        mass=np.full(options.beads, options.mass),
        bonds=chain_bonds(options.beads),
        length_unit="nm",
        time_unit="ps",
    )


def run_in_space(options: Options, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities as OpenMM has them, each (frames, beads, 3)."""
    import openmm

    integrator = _integrator(options)
    context = openmm.Context(_system(options), integrator, openmm.Platform.getPlatformByName("Reference"))
    integrator.setPerDofVariableByName("noise", [openmm.Vec3(1, 1, 0)] * options.beads)
    context.setPositions(options.bond_length * np.eye(1, 3) * np.arange(options.beads)[:, None])
    _set_friction(integrator, EQUILIBRATION_FRICTION, options.time_step)
    integrator.step(options.equilibration_steps)
    _set_friction(integrator, options.friction, options.time_step)
    return recorded(context, frames, options.stride)


def _system(options: Options):
    import openmm

    system = openmm.System()
    for _ in range(options.beads):
        system.addParticle(options.mass)
    springs = openmm.HarmonicBondForce()
    # Bonds of any pair, in place of a non-bonded force: every pair interacts, so a neighbour list would gain nothing.
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
    return system


def _integrator(options: Options):
    """BAOAB with noise in the plane only: pair forces between beads of equal z have no z component, so z stays 0."""
    import openmm

    integrator = openmm.CustomIntegrator(options.time_step)
    integrator.setRandomNumberSeed(options.seed)
    integrator.addGlobalVariable("kT", GAS_CONSTANT * options.temperature)
    integrator.addGlobalVariable("keep", 1.0)
    integrator.addPerDofVariable("noise", 0.0)
    integrator.addComputePerDof("v", "v + dt/2 * f/m")
    integrator.addComputePerDof("x", "x + dt/2 * v")
    integrator.addComputePerDof("v", "keep*v + noise * sqrt((1 - keep^2) * kT/m) * gaussian")
    integrator.addComputePerDof("x", "x + dt/2 * v")
    integrator.addComputePerDof("v", "v + dt/2 * f/m")
    return integrator


def _set_friction(integrator, friction: float, time_step: float) -> None:
    integrator.setGlobalVariableByName("keep", float(np.exp(-friction * time_step)))
