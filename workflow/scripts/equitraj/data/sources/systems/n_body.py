"""N bodies that attract or repel each other, in independent simulations from random states.

Charged bodies are the benchmark of equivariant networks by Satorras et al., ICML 2021, section 5.1
(after Kipf et al., ICML 2018): bodies with mass 1 and charge +1 or -1 start at positions from a
normal distribution, with the speed `speed` in a random direction. The forces are

    F_i = sum_j q_i q_j (x_i - x_j) / r_ij^3, with each component clipped to `force_limit`

in reduced units. Each step moves the bodies by their velocities, then changes the velocities by the
forces at the new positions. The velocity of a frame is the velocity that led to it. There is no
box. The first frame of the published data is the state after 100 steps, so frames 30 and 40 are
3100 and 4100 steps from the start. Under gravity, the forces are

    F_i = sum_j (x_j - x_i) / (r_ij^2 + softening^2)^(3/2)

An episode is one simulation. Engine: NumPy in float64, like the engine of the published data.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.sources.systems._recording import check_finite, episode_length, frame_times
from equitraj.data.trajectory import Trajectory

ENGINE = "NumPy"
POINTS = "points"  # the option that gives the number of points
TOGETHER = 16384  # pairs of bodies that are moved in one operation, so that they fit in the caches


@dataclass(frozen=True)
class Options(Checked):
    """Options of the simulation.

    Attributes:
        seed: of charges and initial states.
        points: number of bodies.
        interaction: "charge", or "gravity" between equal masses.
        position_deviation: standard deviation of initial positions for 5 bodies; it grows with the
            cube root of the number of bodies.
        speed: initial speed of each body.
        force_limit: upper bound of each component of the force on a body; 0 for none.
        softening: of gravity, a length.
        time_step: of the integrator.
        stride: integrator steps between frames.
        equilibration_steps: integrator steps before the first frame.
        episodes: number of simulations; each has the same number of frames.
    """

    seed: Annotated[int, Range(0, 2147483647)] = 1
    points: Annotated[int, Range(2, 10_000)] = 5
    interaction: Literal["charge", "gravity"] = "charge"
    position_deviation: Annotated[float, Range(above=0)] = 1.0
    speed: Annotated[float, Range(0)] = 0.5
    force_limit: Annotated[float, Range(0)] = 100.0
    softening: Annotated[float, Range(0)] = 0.0
    time_step: Annotated[float, Range(above=0)] = 0.001
    stride: Annotated[int, Range(1, 1_000_000)] = 100
    equilibration_steps: Annotated[int, Range(0, 1_000_000_000)] = 3100
    episodes: Annotated[int, Range(1, 1_000_000)] = 1


def simulate(options: Options, frames: int) -> Trajectory:
    """Positions and velocities (frames, points, 3) every `stride` steps, and charges.

    Units are reduced.

    Raises:
        ValueError: the frames cannot be divided among the episodes, or the bodies flew apart (the
            time step is too long).
    """
    episodes = options.episodes
    length = episode_length("n_body", frames, episodes)
    position, velocity, charge = _drawn(options)
    position, velocity = _recorded(options, position, velocity, charge, length)
    check_finite("n_body", position, str(options.time_step))
    features = {}
    if options.interaction == "charge":
        features["charge"] = np.repeat(charge, length, axis=0)[..., None]
    shape = (-1, options.points, 3)
    return Trajectory(
        position=position.reshape(shape),
        velocity=velocity.reshape(shape),
        episode=np.repeat(np.arange(episodes), length),
        time=frame_times(length, episodes, options.stride, options.time_step),
        mass=np.ones(options.points),
        features=features,
    )


def again(
    options: Options,
    position: np.ndarray,
    velocity: np.ndarray | None,
    frames: int,
    seed: int,
    features: dict,
) -> np.ndarray:
    """Positions (S, points, 3) `frames` frames after S states with known velocities and charges.

    Raises:
        ValueError: velocities are unknown; their distribution at given positions is unknown, too.
    """
    if velocity is None:
        raise ValueError(
            "n_body: velocities are needed to simulate again; expected a task that shows them"
        )
    charge = _charges(options, position, features)
    steps = frames * options.stride
    later, _ = _advanced(options, position, velocity, charge, steps)
    return later


def energy(
    options: Options, position: np.ndarray, velocity: np.ndarray, features: dict
) -> np.ndarray:
    """Kinetic plus potential energy (S,) of states (S, points, 3)."""
    charge = _charges(options, position, features)
    first, second = np.triu_indices(options.points, 1)
    apart = position[:, second] - position[:, first]
    squared = np.square(apart).sum(-1)
    strength = _strength(options, charge, first, second)
    potential = strength / np.sqrt(squared + _softening(options))
    kinetic = np.square(velocity).sum((1, 2)) / 2
    return kinetic + potential.sum(-1)


def _charges(options: Options, position: np.ndarray, features: dict) -> np.ndarray:
    """Charges (S, points); ones under gravity."""
    if options.interaction == "charge":
        charge = features["charge"]
        return charge[..., 0]
    return np.ones(position.shape[:2])


def _strength(
    options: Options, charge: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """The strength (S, P) of the repulsion: products of charges, or minus products of masses."""
    product = charge[:, first] * charge[:, second]
    return product if options.interaction == "charge" else -product


def _softening(options: Options) -> float:
    """The squared softening length; charges have none."""
    if options.interaction == "charge":
        return 0.0
    return options.softening**2


def _drawn(options: Options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Initial positions and velocities (episodes, points, 3), and charges (episodes, points)."""
    rng = np.random.default_rng(options.seed)
    shape = (options.episodes, options.points)
    deviation = options.position_deviation * (options.points / 5) ** (1 / 3)
    position = deviation * rng.normal(size=(*shape, 3))
    direction = rng.normal(size=(*shape, 3))
    length = np.linalg.norm(direction, axis=-1, keepdims=True)
    velocity = options.speed * direction / length
    charge = np.ones(shape)
    if options.interaction == "charge":
        charge = rng.choice([-1.0, 1.0], size=shape)
    return position, velocity, charge


def _recorded(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (episodes, length, points, 3) of simulations from these states."""
    positions = []
    velocities = []
    for frame in range(length):
        steps = options.stride if frame else options.equilibration_steps
        position, velocity = _advanced(options, position, velocity, charge, steps)
        positions.append(position)
        velocities.append(velocity)
    return np.stack(positions, axis=1), np.stack(velocities, axis=1)


def _advanced(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (S, points, 3) `steps` steps later, some simulations at a time."""
    size = max(1, TOGETHER // options.points**2)
    positions = []
    velocities = []
    for start in range(0, len(position), size):
        part = slice(start, start + size)
        x, v = _moved(options, position[part], velocity[part], charge[part], steps)
        positions.append(x)
        velocities.append(v)
    return np.concatenate(positions), np.concatenate(velocities)


def _moved(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same as `_advanced`, for few simulations.

    Arrays have one row for each body and axis, and one column for each simulation.
    """
    first, second = np.triu_indices(options.points, 1)
    n_pairs = len(first)
    # the force of a pair on its bodies: it pushes the first and pulls the second
    sign = np.zeros((options.points, n_pairs))
    sign[first, np.arange(n_pairs)] = 1
    sign[second, np.arange(n_pairs)] = -1
    strength = _strength(options, charge, first, second).T
    softening = _softening(options)
    limit = options.force_limit or np.inf
    x = np.array(position.transpose(1, 2, 0), order="C")
    v = np.array(velocity.transpose(1, 2, 0), order="C")
    for _ in range(steps):
        apart = x[first] - x[second]
        squared = np.einsum("pas,pas->ps", apart, apart) + softening
        scale = strength / (squared * np.sqrt(squared))
        apart *= scale[:, None]
        force = (sign @ apart.reshape(n_pairs, -1)).reshape(x.shape)
        np.clip(force, -limit, limit, out=force)
        v += options.time_step * force
        x += options.time_step * v
    return x.transpose(2, 0, 1), v.transpose(2, 0, 1)
