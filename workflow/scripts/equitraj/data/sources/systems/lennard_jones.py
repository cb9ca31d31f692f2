"""A simple liquid in a periodic box: N points with Lennard-Jones forces, at first the parameters of
argon.

    U = sum_{i < j} 4 e ((s / r_ij)^12 - (s / r_ij)^6), switched to zero between 0.9 and 1 of the
    cutoff

with r_ij to the nearest image of point j. Parameters: Rahman, Phys. Rev. 136, A405 (1964): s = 0.34
nm, e / k = 120 K, at 94.4 K and 1.374 g/cm^3 (0.02071 atoms in a cube of 0.1 nm). A bath brings the
liquid from a lattice to its temperature; its friction is weak while frames are recorded, so that
motion from frame to frame is inertial. Units: nm, ps, g/mol, kJ/mol.

Integrator: OpenMM's LangevinMiddleIntegrator (Zhang et al., J. Phys. Chem. A 123, 6056 (2019)).
Engine: OpenMM, CPU platform with deterministic forces and one thread: its neighbour list makes
4,096 points a matter of seconds. Positions are those that OpenMM integrates, which go on outside of
the box.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from scipy.spatial import cKDTree

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.systems._recording import continued, recorded, thermal
from equitraj.data.trajectory import Trajectory

EQUILIBRATION_FRICTION = 1.0  # 1/ps
SWITCH = 0.9  # of the cutoff, from where the potential is brought to zero
POINTS = "points"  # the option that gives the number of points


@dataclass(frozen=True)
class Options(Checked):
    """Attributes:
    seed: of first velocities and thermal noise (OpenMM takes 0 as "choose one").
    points: number of points.
    density: points per nm^3.
    sigma: s, nm.
    epsilon: e, kJ/mol.
    cutoff: of the forces, nm, below half of the box.
    mass: of a point, g/mol.
    temperature: K.
    friction: of the bath while frames are recorded, 1/ps.
    time_step: of the integrator, ps.
    stride: integrator steps from frame to frame.
    equilibration_steps: integrator steps before the first frame, from a cubic lattice.
    """

    seed: Annotated[int, Range(1, 2147483647)] = 1
    points: Annotated[int, Range(2, 100_000)] = 256
    density: Annotated[float, Range(above=0)] = 20.71
    sigma: Annotated[float, Range(above=0)] = 0.34
    epsilon: Annotated[float, Range(0)] = 0.9977
    cutoff: Annotated[float, Range(above=0)] = 0.85
    mass: Annotated[float, Range(above=0)] = 39.95
    temperature: Annotated[float, Range(above=0)] = 94.4
    friction: Annotated[float, Range(0)] = 0.001
    time_step: Annotated[float, Range(above=0)] = 0.005
    stride: Annotated[int, Range(1, 1_000_000)] = 10
    equilibration_steps: Annotated[int, Range(0, 1_000_000_000)] = 2000


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions (frames, points, 3) in nm and velocities in nm/ps, every `stride` steps, with their
    box.

    Raises:
        ValueError: a cutoff of half the box or more, or points that flew apart (a time step too
        long).
    """
    length = box_length(options)
    if options.cutoff >= length / 2:
        raise ValueError(
            f"lennard_jones: cutoff {options.cutoff} nm in a box of {length:.3g} nm; expected less than half of it: "
            "shorten it, or take more points"
        )
    position, velocity = _run(options, length, frames)
    if not np.isfinite(position).all():
        raise ValueError(
            f"lennard_jones: positions are no longer finite; time_step {options.time_step} ps is too long"
        )
    return Trajectory(
        position=position,
        velocity=velocity,
        episode=np.zeros(frames, dtype=np.int64),
        time=np.arange(frames) * options.stride * options.time_step,
        mass=np.full(options.points, options.mass),
        box=np.broadcast_to(length * np.eye(3), (frames, 3, 3)),
        length_unit="nm",
        time_unit="ps",
    )


def box_length(options: Options) -> float:
    """The edge of the box, nm."""
    return (options.points / options.density) ** (1 / 3)


def _run(options: Options, length: float, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities as OpenMM has them, each (frames, points, 3)."""
    context = _context(options, length, EQUILIBRATION_FRICTION)
    context.setPositions(lattice(options.points, length))
    context.setVelocitiesToTemperature(options.temperature, options.seed)
    context.getIntegrator().step(options.equilibration_steps)
    context.getIntegrator().setFriction(options.friction)
    return recorded(context, frames, options.stride)


def _context(options: Options, length: float, friction: float):
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(options.temperature, friction, options.time_step)
    integrator.setRandomNumberSeed(options.seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    settings = {"Threads": "1", "DeterministicForces": "true"}
    return openmm.Context(_system(options, length), integrator, platform, settings)


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, points, 3) `frames` frames after S states; without velocities, with those of
    the bath.

    In equilibrium velocities do not depend on positions: that is all that positions tell of them.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, options.mass, seed)
    context = _context(replace(options, seed=seed), box_length(options), options.friction)
    return continued(context, position, velocity, frames * options.stride)


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic and potential energy (S,) in kJ/mol of states (S, points, 3); the switch is that of
    OpenMM's manual."""
    potential = np.array([_potential(options, _distances(state, options)) for state in position])
    return options.mass / 2 * np.square(velocity).sum((1, 2)) + potential


def _distances(position: np.ndarray, options: Options) -> np.ndarray:
    """Distances (P,) to nearest images of all pairs of points (points, 3) within the cutoff."""
    length = box_length(options)
    inside = (
        position % length % length
    )  # twice, as the first gives `length` itself for tiny negative numbers
    pairs = cKDTree(inside, boxsize=length).query_pairs(options.cutoff, output_type="ndarray")
    apart = position[pairs[:, 1]] - position[pairs[:, 0]]
    return np.linalg.norm(apart - length * np.round(apart / length), axis=-1)


def _potential(options: Options, r: np.ndarray) -> float:
    power = (options.sigma / r) ** 6
    t = np.clip((r / options.cutoff - SWITCH) / (1 - SWITCH), 0, 1)
    switch = 1 - 10 * t**3 + 15 * t**4 - 6 * t**5
    return float((switch * 4 * options.epsilon * (power**2 - power)).sum())


def lattice(n_points: int, length: float) -> np.ndarray:
    """Points (N, 3) of the smallest cubic lattice in a box that has enough, the empty places spread
    evenly."""
    side = int(np.ceil(round(n_points ** (1 / 3), 9)))
    places = np.linspace(0, side**3, n_points, endpoint=False).astype(int)
    return (np.stack(np.unravel_index(places, (side, side, side)), 1) + 0.5) * length / side


def _system(options: Options, length: float):
    import openmm

    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in length * np.eye(3)))
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(options.cutoff)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(SWITCH * options.cutoff)
    force.setUseDispersionCorrection(False)
    for _ in range(options.points):
        system.addParticle(options.mass)
        force.addParticle(0.0, options.sigma, options.epsilon)
    system.addForce(force)
    return system
