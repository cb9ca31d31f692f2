"""The simulation that generated a trajectory: continuation from states, and energies.

A system's file can define two optional functions:

    again(options, position, velocity | None, frames, seed) -> (S, N, 3)
        positions `frames` recorded frames after the states
    energy(options, position, velocity) -> (S,)
        kinetic plus potential energy, in NumPy only

Both take S states (S, N, 3) in the system's own coordinates. Without velocities, `again` draws them
from their distribution at these positions, if that distribution is known. A system whose points
differ between episodes takes one more argument, `features`: the features of the states by name,
(S, N, F).
"""

from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from types import ModuleType

import numpy as np

from equitraj.base.registry import names
from equitraj.data.sources.simulation import SYSTEMS
from equitraj.data.trajectory import Trajectory


@dataclass(frozen=True)
class Simulated:
    """A system with the options of one simulation.

    Attributes:
        name: of the system.
        module: the system's file.
        options: of the simulation.
        turn: rotation (3, 3) from the system's coordinates to the trajectory's.
    """

    name: str
    module: ModuleType
    options: object
    turn: np.ndarray

    def can(self, hook: str) -> bool:
        """Whether the system's file has `again` or `energy`."""
        return hasattr(self.module, hook)

    def again(
        self,
        position: np.ndarray,
        velocity: np.ndarray | None,
        frames: int,
        seed: int,
        features: dict,
    ) -> np.ndarray:
        """Positions (S, N, 3) `frames` frames after the states, simulated with new noise.

        `velocity` is None if the velocities are unknown.
        """
        position = position @ self.turn
        if velocity is not None:
            velocity = velocity @ self.turn
        states = (self.options, position, velocity, frames, seed)
        moved = self.module.again(*states, **self._extra("again", features))
        return moved @ self.turn.T

    def energy(self, position: np.ndarray, velocity: np.ndarray, features: dict) -> np.ndarray:
        """Kinetic plus potential energy (S,) of states (S, N, 3)."""
        states = (self.options, position @ self.turn, velocity @ self.turn)
        extra = self._extra("energy", features)
        return self.module.energy(*states, **extra)

    def _extra(self, hook: str, features: dict) -> dict:
        """The features as a keyword argument, if the hook takes them."""
        function = getattr(self.module, hook)
        return {"features": features} if "features" in signature(function).parameters else {}


def simulated(trajectory: Trajectory) -> Simulated | None:
    """The simulation of a lifted trajectory; None if its file does not record one.

    Files and downloads give None: they may contain only a part of a simulation's frames.
    """
    provenance = trajectory.provenance
    kind = provenance.get("source", {}).get("kind")
    name = provenance.get("system")
    if kind != "simulate" or name not in names(SYSTEMS):
        return None
    module = import_module(f"equitraj.data.sources.systems.{name}")
    options = module.Options(**provenance["options"])
    turn = provenance.get("lift", {}).get("rotation", np.eye(3))
    return Simulated(name, module, options, np.array(turn))
