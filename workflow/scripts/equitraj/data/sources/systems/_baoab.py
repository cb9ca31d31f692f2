"""Langevin dynamics by BAOAB: Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34, in OpenMM's
custom integrator.

Positions and velocities belong to the same time, and without friction it is velocity Verlet:
energies of recorded states mean something.
"""

import numpy as np

from equitraj.data.sources.systems._recording import GAS_CONSTANT


def baoab(temperature: float, time_step: float, seed: int):
    """An `openmm.CustomIntegrator` at `temperature` (K) with `time_step` (ps), without friction
    until it is set.

    `noise` scales the noise of each coordinate: 1, or what a context sets it to.
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
    """Set the friction (1/ps): what is kept of a velocity in each step."""
    keep = float(np.exp(-friction * integrator.getStepSize()._value))
    integrator.setGlobalVariableByName("keep", keep)
