"""The system that a trajectory was simulated with: to simulate again from its states, and to tell
their energy.

Both are optional functions of a system's file:

    again(options, position, velocity | None, frames, seed) -> (S, N, 3)    positions `frames`
    recorded frames later energy(options, position, velocity) -> (S,)    kinetic and potential
    energy, in NumPy only

for S states (S, N, 3) in the system's own coordinates. Without velocities, `again` draws them as
they are distributed where the positions are known, and nothing else. A system whose points are not
the same in every episode takes a last argument `features`, which are those of the states, by name,
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
    """Attributes: name of the system; module, its file; options; turn (3, 3), its coordinates to
    the trajectory's."""

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
        """Positions (S, N, 3) `frames` frames after the states, with new noise; `velocity` None for
        unknown ones."""
        velocity = None if velocity is None else velocity @ self.turn
        states = (self.options, position @ self.turn, velocity, frames, seed)
        return self.module.again(*states, **self._taken("again", features)) @ self.turn.T

    def energy(self, position: np.ndarray, velocity: np.ndarray, features: dict) -> np.ndarray:
        """Kinetic and potential energy (S,) of states (S, N, 3)."""
        states = (self.options, position @ self.turn, velocity @ self.turn)
        return self.module.energy(*states, **self._taken("energy", features))

    def _taken(self, hook: str, features: dict) -> dict:
        """The features of the states, where the hook asks for them."""
        return (
            {"features": features}
            if "features" in signature(getattr(self.module, hook)).parameters
            else {}
        )


def simulated(trajectory: Trajectory) -> Simulated | None:
    """What a lifted trajectory was simulated with; None where its file says nothing of that.

    Files and downloads are not looked at: their frames may be a part of those of a simulation.
    """
    said = trajectory.provenance
    name = said.get("system")
    if said.get("source", {}).get("kind") != "simulate" or name not in names(SYSTEMS):
        return None
    module = import_module(f"equitraj.data.sources.systems.{name}")
    turn = np.array(said.get("lift", {}).get("rotation", np.eye(3)))
    return Simulated(name, module, module.Options(**said["options"]), turn)
