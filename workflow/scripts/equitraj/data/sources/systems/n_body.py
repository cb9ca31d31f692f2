"""N bodies that attract or repel each other, simulated anew from random states: the benchmark of
equivariant networks.

Charges, the protocol of Satorras et al., ICML 2021, section 5.1 (after Kipf et al., ICML 2018):
bodies of mass 1 and charge +1 or -1 at positions from a normal distribution, with a speed of
`speed` in a random direction, under forces

    F_i = sum_j q_i q_j (x_i - x_j) / r_ij^3, each component of it cut off at `force_limit`

in reduced units. Each step moves the bodies by their velocities, then changes these by the forces
where they arrive; the velocity of a frame is that which led to it. There is no box. The first frame
of the published data is that after 100 steps, so that frames 30 and 40 are 3100 and 4100 steps from
the start. Under gravity

    F_i = sum_j (x_j - x_i) / (r_ij^2 + softening^2)^(3/2)

An episode is one simulation; all are independent. Engine: NumPy in float64, as that of the
published data.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from equitraj.base.allowed import Checked, Range
from equitraj.data.trajectory import Trajectory

ENGINE = "NumPy"
POINTS = "points"  # the option that gives the number of points
TOGETHER = 16384  # pairs of bodies that are moved in one operation, so that they stay in the caches


@dataclass(frozen=True)
class Options(Checked):
    """Attributes:
    seed: of charges and first states.
    points: number of bodies.
    interaction: "charge", or "gravity" between equal masses.
    position_deviation: standard deviation of first positions of 5 bodies; it grows with the cube
    root of their number. speed: of each body at first.
    force_limit: of each component of the force on a body; 0 for none.
    softening: of gravity, a length.
    time_step: of the integrator.
    stride: integrator steps from frame to frame.
    equilibration_steps: integrator steps before the first frame.
    episodes: simulations, each for as many frames.
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
    """Positions and velocities (frames, points, 3) every `stride` steps, and charges; units are
    reduced.

    Raises:
        ValueError: frames that cannot be divided among the episodes, or bodies that flew apart (a
        time step too long).
    """
    length = frames // options.episodes
    if length * options.episodes != frames:
        raise ValueError(
            f"n_body: frames: {frames}; expected a multiple of the {options.episodes} episodes"
        )
    *state, charge = _drawn(options)
    found = _recorded(options, *state, charge, length)
    position, velocity = (values.reshape(-1, options.points, 3) for values in found)
    if not np.isfinite(position).all():
        raise ValueError(
            f"n_body: positions are no longer finite; time_step {options.time_step} is too long"
        )
    return Trajectory(
        position=position,
        velocity=velocity,
        episode=np.repeat(np.arange(options.episodes), length),
        time=np.tile(np.arange(length), options.episodes) * options.stride * options.time_step,
        mass=np.ones(options.points),
        features={"charge": np.repeat(charge, length, axis=0)[..., None]}
        if options.interaction == "charge"
        else {},
    )


def again(
    options: Options,
    position: np.ndarray,
    velocity: np.ndarray | None,
    frames: int,
    seed: int,
    features: dict,
) -> np.ndarray:
    """Positions (S, points, 3) `frames` frames after S states, which velocities and charges decide.

    Raises:
        ValueError: unknown velocities: how they are distributed where the positions are known is
        not.
    """
    if velocity is None:
        raise ValueError(
            "n_body: velocities are needed to simulate again; expected a task that shows them"
        )
    charge = _charges(options, position, features)
    return _advanced(options, position, velocity, charge, frames * options.stride)[0]


def energy(
    options: Options, position: np.ndarray, velocity: np.ndarray, features: dict
) -> np.ndarray:
    """Kinetic and potential energy (S,) of states (S, points, 3)."""
    charge, (first, second) = (
        _charges(options, position, features),
        np.triu_indices(options.points, 1),
    )
    squared = np.square(position[:, second] - position[:, first]).sum(-1)
    potential = _strength(options, charge[:, first] * charge[:, second]) / np.sqrt(
        squared + _softening(options)
    )
    return np.square(velocity).sum((1, 2)) / 2 + potential.sum(-1)


def _charges(options: Options, position: np.ndarray, features: dict) -> np.ndarray:
    """(S, points), ones under gravity."""
    return (
        features["charge"][..., 0]
        if options.interaction == "charge"
        else np.ones(position.shape[:2])
    )


def _strength(options: Options, product: np.ndarray) -> np.ndarray:
    """Products of charges repel where they are positive, those of masses attract."""
    return product if options.interaction == "charge" else -product


def _softening(options: Options) -> float:
    return options.softening**2 if options.interaction == "gravity" else 0.0


def _drawn(options: Options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First positions and velocities (episodes, points, 3), and charges (episodes, points)."""
    rng, shape = np.random.default_rng(options.seed), (options.episodes, options.points, 3)
    deviation = options.position_deviation * (options.points / 5) ** (1 / 3)
    position, direction = deviation * rng.normal(size=shape), rng.normal(size=shape)
    velocity = options.speed * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    charge = rng.choice([-1.0, 1.0], size=shape[:2])
    return position, velocity, charge if options.interaction == "charge" else np.ones(shape[:2])


def _recorded(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (episodes, length, points, 3) of simulations that start from these
    states."""
    states = []
    for frame in range(length):
        steps = options.stride if frame else options.equilibration_steps
        position, velocity = _advanced(options, position, velocity, charge, steps)
        states.append((position, velocity))
    return tuple(np.stack(values, axis=1) for values in zip(*states, strict=True))


def _advanced(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (S, points, 3) `steps` steps later, some simulations at a time."""
    size = max(1, TOGETHER // options.points**2)
    parts = [slice(i, i + size) for i in range(0, len(position), size)]
    moved = [_moved(options, position[part], velocity[part], charge[part], steps) for part in parts]
    return tuple(np.concatenate(values) for values in zip(*moved, strict=True))


def _moved(
    options: Options, position: np.ndarray, velocity: np.ndarray, charge: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """`_advanced`, of few simulations: a row for each body and axis, one column for each
    simulation."""
    first, second = np.triu_indices(options.points, 1)
    joined = np.zeros(
        (options.points, len(first))
    )  # pairs to bodies: what pushes one pulls the other
    joined[first, np.arange(len(first))], joined[second, np.arange(len(first))] = 1, -1
    strength = _strength(options, charge[:, first] * charge[:, second]).T
    softening, limit = _softening(options), options.force_limit or np.inf
    x, v = (np.array(values.transpose(1, 2, 0), order="C") for values in (position, velocity))
    for _ in range(steps):
        apart = x[first] - x[second]
        squared = np.einsum("pas,pas->ps", apart, apart) + softening
        apart *= (strength / (squared * np.sqrt(squared)))[:, None]
        force = (joined @ apart.reshape(len(first), -1)).reshape(x.shape)
        v += options.time_step * np.clip(force, -limit, limit, out=force)
        x += options.time_step * v
    return x.transpose(2, 0, 1), v.transpose(2, 0, 1)
