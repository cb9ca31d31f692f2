"""A simple liquid of points with Lennard-Jones forces in a periodic box; the default is argon.

    U = sum_{i < j} 4 e ((s / r_ij)^12 - (s / r_ij)^6)

r_ij is the distance to the nearest image of point j. A switching function brings the potential to
zero between 0.9 and 1 of the cutoff. Parameters: Rahman, Phys. Rev. 136, A405 (1964): s = 0.34 nm,
e / k = 120 K, at 94.4 K and 1.374 g/cm^3 (0.02071 atoms in a cube of 0.1 nm). A thermal bath brings
the liquid from a lattice to its temperature. Its friction is weak while frames are recorded, so
that motion from frame to frame is inertial. Units: nm, ps, g/mol, kJ/mol.

Integrator: OpenMM's LangevinMiddleIntegrator (Zhang et al., J. Phys. Chem. A 123, 6056 (2019)).
Engine: OpenMM, CPU platform with deterministic forces and one thread; with its neighbour list,
4,096 points take seconds. Positions are not wrapped: a point that leaves the box continues outside.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from scipy.spatial import cKDTree

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.systems._recording import (
    check_finite,
    continued,
    frame_times,
    recorded,
    thermal,
)
from equitraj.data.trajectory import Trajectory

EQUILIBRATION_FRICTION = 1.0  # 1/ps
SWITCH = 0.9  # fraction of the cutoff where the switching function begins
DETERMINISTIC = {"Threads": "1", "DeterministicForces": "true"}  # settings of the platform
POINTS = "points"  # the option that gives the number of points


@dataclass(frozen=True)
class Options(Checked):
    """Options of the simulation.

    Attributes:
        seed: of initial velocities and thermal noise (OpenMM reads 0 as "choose one").
        points: number of points.
        density: points per nm^3.
        sigma: s, nm.
        epsilon: e, kJ/mol.
        cutoff: of the forces, nm, less than half of the box.
        mass: of a point, g/mol.
        temperature: K.
        friction: of the bath while frames are recorded, 1/ps.
        time_step: of the integrator, ps.
        stride: integrator steps between frames.
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
    """Positions (frames, points, 3) in nm, velocities in nm/ps, and the box, every `stride` steps.

    Raises:
        ValueError: the cutoff is half the box or more, or the points flew apart (the time step is
            too long).
    """
    length = box_length(options)
    if options.cutoff >= length / 2:
        raise ValueError(
            f"lennard_jones: cutoff {options.cutoff} nm in a box of {length:.3g} nm; "
            "expected less than half of it: shorten it, or take more points"
        )
    position, velocity = _run(options, length, frames)
    check_finite("lennard_jones", position, f"{options.time_step} ps")
    return Trajectory(
        position=position,
        velocity=velocity,
        episode=np.zeros(frames, dtype=np.int64),
        time=frame_times(frames, 1, options.stride, options.time_step),
        mass=np.full(options.points, options.mass),
        box=np.broadcast_to(length * np.eye(3), (frames, 3, 3)),
        length_unit="nm",
        time_unit="ps",
    )


def box_length(options: Options) -> float:
    """The edge of the box, nm."""
    volume = options.points / options.density
    return volume ** (1 / 3)


def _run(options: Options, length: float, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities from OpenMM, each (frames, points, 3)."""
    context = _context(options, length, EQUILIBRATION_FRICTION)
    integrator = context.getIntegrator()
    context.setPositions(lattice(options.points, length))
    context.setVelocitiesToTemperature(options.temperature, options.seed)
    integrator.step(options.equilibration_steps)
    integrator.setFriction(options.friction)
    return recorded(context, frames, options.stride)


def _context(options: Options, length: float, friction: float):
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(options.temperature, friction, options.time_step)
    integrator.setRandomNumberSeed(options.seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    system = _system(options, length)
    return openmm.Context(system, integrator, platform, DETERMINISTIC)


def again(
    options: Options, position: np.ndarray, velocity: np.ndarray | None, frames: int, seed: int
) -> np.ndarray:
    """Positions (S, points, 3) `frames` frames after S states.

    Unknown velocities are drawn at the temperature of the bath: in equilibrium, velocities do not
    depend on positions.
    """
    if velocity is None:
        velocity = thermal(position.shape, options.temperature, options.mass, seed)
    length = box_length(options)
    context = _context(replace(options, seed=seed), length, options.friction)
    steps = frames * options.stride
    return continued(context, position, velocity, steps)


def energy(options: Options, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Kinetic plus potential energy (S,) in kJ/mol of states (S, points, 3)."""
    potential = []
    for state in position:
        distances = _distances(state, options)
        potential.append(_potential(options, distances))
    kinetic = options.mass / 2 * np.square(velocity).sum((1, 2))
    return kinetic + np.array(potential)


def _distances(position: np.ndarray, options: Options) -> np.ndarray:
    """Distances (P,) to nearest images of all pairs of points (points, 3) within the cutoff."""
    length = box_length(options)
    # twice, because the first `%` gives `length` itself for tiny negative numbers
    inside = position % length % length
    tree = cKDTree(inside, boxsize=length)
    first, second = tree.query_pairs(options.cutoff, output_type="ndarray").T
    apart = position[second] - position[first]
    images = np.round(apart / length)
    return np.linalg.norm(apart - length * images, axis=-1)


def _potential(options: Options, r: np.ndarray) -> float:
    """The potential energy of pairs at distances r (P,), with the switch of OpenMM's manual."""
    power = (options.sigma / r) ** 6
    scaled = (r / options.cutoff - SWITCH) / (1 - SWITCH)
    t = np.clip(scaled, 0, 1)
    switch = 1 - 10 * t**3 + 15 * t**4 - 6 * t**5
    energy = switch * 4 * options.epsilon * (power**2 - power)
    return float(energy.sum())


def lattice(n_points: int, length: float) -> np.ndarray:
    """Points (N, 3) on the smallest cubic lattice with enough places; empty places are spread."""
    edge = round(n_points ** (1 / 3), 9)
    side = int(np.ceil(edge))
    places = np.linspace(0, side**3, n_points, endpoint=False)
    cells = np.unravel_index(places.astype(int), (side, side, side))
    centres = np.stack(cells, 1) + 0.5
    return centres * length / side


def _system(options: Options, length: float):
    import openmm

    system = openmm.System()
    vectors = [openmm.Vec3(*row) for row in length * np.eye(3)]
    system.setDefaultPeriodicBoxVectors(*vectors)
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
