"""What OpenMM computes, frame by frame, as arrays; states that it starts from once more."""

import numpy as np

GAS_CONSTANT = 0.00831446261815324  # kJ/(mol K)


def recorded(context: object, frames: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (frames, N, 3) of an `openmm.Context`, one frame every `stride`
    steps."""
    states = np.empty((2, frames, context.getSystem().getNumParticles(), 3))
    for frame in range(frames):
        context.getIntegrator().step(stride)
        state = context.getState(getPositions=True, getVelocities=True)
        states[0, frame] = state.getPositions(asNumpy=True)._value
        states[1, frame] = state.getVelocities(asNumpy=True)._value
    return states[0], states[1]


def continued(
    context: object, position: np.ndarray, velocity: np.ndarray, steps: int
) -> np.ndarray:
    """Positions (S, N, 3) of an `openmm.Context`, `steps` steps after each of S states (S, N, 3)."""
    ends = np.empty_like(position)
    for end, start, speed in zip(ends, position, velocity, strict=True):
        context.setPositions(start)
        context.setVelocities(speed)
        context.getIntegrator().step(steps)
        end[:] = context.getState(getPositions=True).getPositions(asNumpy=True)._value
    return ends


def thermal(shape: tuple[int, ...], temperature: float, mass: float, seed: int) -> np.ndarray:
    """Velocities in nm/ps drawn from Maxwell and Boltzmann's distribution at `temperature` (K), for
    a mass in g/mol."""
    return np.sqrt(GAS_CONSTANT * temperature / mass) * np.random.default_rng(seed).normal(
        size=shape
    )
