"""Frames of simulations: their times, states recorded by OpenMM, and continuation from states."""

import numpy as np

GAS_CONSTANT = 0.00831446261815324  # kJ/(mol K)


def episode_length(system: str, frames: int, episodes: int) -> int:
    """The number of frames of each episode.

    Raises:
        ValueError: the frames cannot be divided among the episodes.
    """
    length = frames // episodes
    if length * episodes != frames:
        raise ValueError(
            f"{system}: frames: {frames}; expected a multiple of the {episodes} episodes"
        )
    return length


def frame_times(length: int, episodes: int, stride: int, time_step: float) -> np.ndarray:
    """Times (episodes length,) of frames every `stride` steps; each episode starts at 0."""
    frames = np.tile(np.arange(length), episodes)
    return frames * stride * time_step


def check_finite(system: str, position: np.ndarray, time_step: str) -> None:
    """Check that all positions are finite.

    Raises:
        ValueError: they are not, because `time_step` (with its unit) is too long.
    """
    if not np.isfinite(position).all():
        raise ValueError(
            f"{system}: positions are no longer finite; time_step {time_step} is too long"
        )


def recorded(context, frames: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (frames, N, 3) of an `openmm.Context`, every `stride` steps."""
    shape = (frames, context.getSystem().getNumParticles(), 3)
    position = np.empty(shape)
    velocity = np.empty(shape)
    for frame in range(frames):
        context.getIntegrator().step(stride)
        state = context.getState(getPositions=True, getVelocities=True)
        position[frame] = state.getPositions(asNumpy=True)._value
        velocity[frame] = state.getVelocities(asNumpy=True)._value
    return position, velocity


def continued(context, position: np.ndarray, velocity: np.ndarray, steps: int) -> np.ndarray:
    """Positions (S, N, 3) of an `openmm.Context` `steps` steps after each of S states (S, N, 3)."""
    integrator = context.getIntegrator()
    ends = np.empty_like(position)
    for i in range(len(position)):
        context.setPositions(position[i])
        context.setVelocities(velocity[i])
        integrator.step(steps)
        state = context.getState(getPositions=True)
        ends[i] = state.getPositions(asNumpy=True)._value
    return ends


def thermal(
    shape: tuple[int, ...], temperature: float, mass: float | np.ndarray, seed: int
) -> np.ndarray:
    """Draw velocities in nm/ps from the Maxwell-Boltzmann distribution.

    `temperature` is in K, and `mass` in g/mol.
    """
    deviation = np.sqrt(GAS_CONSTANT * temperature / mass)
    rng = np.random.default_rng(seed)
    return deviation * rng.normal(size=shape)
