"""What OpenMM computes, frame by frame, as arrays."""

import numpy as np


def recorded(context: object, frames: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (frames, N, 3) of an `openmm.Context`, one frame every `stride` steps."""
    states = np.empty((2, frames, context.getSystem().getNumParticles(), 3))
    for frame in range(frames):
        context.getIntegrator().step(stride)
        state = context.getState(getPositions=True, getVelocities=True)
        states[0, frame] = state.getPositions(asNumpy=True)._value
        states[1, frame] = state.getVelocities(asNumpy=True)._value
    return states[0], states[1]
