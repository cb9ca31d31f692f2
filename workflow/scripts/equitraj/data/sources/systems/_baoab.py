"""Langevin dynamics with the BAOAB integrator, as a custom integrator of OpenMM.

Reference: Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34. Positions and velocities of a
state belong to the same time, so the energy of a recorded state is meaningful. Without friction,
BAOAB is velocity Verlet.
"""

import numpy as np

from equitraj.data.sources.systems._recording import GAS_CONSTANT


def baoab(temperature: float, time_step: float, seed: int):
    """An `openmm.CustomIntegrator` at `temperature` (K) with `time_step` (ps).

    Its friction is 0 until `set_friction` is called. Its variable `noise` scales the noise of each
    coordinate (default 1).
    """
    import openmm

    integrator = openmm.CustomIntegrator(time_step)
    integrator.setRandomNumberSeed(seed)
    integrator.addGlobalVariable("kT", GAS_CONSTANT * temperature)
    integrator.addGlobalVariable("keep", 1.0)
    integrator.addPerDofVariable("noise", 1.0)
    integrator.addComputePerDof("v", "v + dt/2 * f/m")
    integrator.addComputePerDof("x", "x + dt/2 * v")
    integrator.addComputePerDof("v", "keep*v + noise * sqrt((1 - keep^2) * kT/m) * gaussian")
    integrator.addComputePerDof("x", "x + dt/2 * v")
    integrator.addComputePerDof("v", "v + dt/2 * f/m")
    return integrator


def set_friction(integrator, friction: float) -> None:
    """Set the friction (1/ps): `keep` is the factor of a velocity in each step."""
    step = integrator.getStepSize()._value
    keep = np.exp(-friction * step)
    integrator.setGlobalVariableByName("keep", float(keep))
