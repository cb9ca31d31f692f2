"""Simulated systems by name: the folder `systems/` is the list of them.

A system is a file with a dataclass `Options` (documented fields with literal defaults),
`simulate(options, frames) -> Trajectory`, and `POINTS`, the option that gives the number of points,
or that number where it is always the same; `ENGINE`, the package that moves them, where it is not
OpenMM.
"""

from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from equitraj.base.registry import LIBRARY, check_values, constant, dataclass_fields, names, nearest

if TYPE_CHECKING:  # the workflow is parsed without NumPy
    from equitraj.data.trajectory import Trajectory

SYSTEMS = "data/sources/systems"
FRAMES = 2048  # of a source that does not say how many


def check_options(system: str, given: dict) -> None:
    """Check the name of a system and its options, without importing it.

    Raises:
        ValueError: an unknown system or option, or a value that is not allowed.
    """
    if system not in names(SYSTEMS):
        raise ValueError(f"system: unknown {system!r}; {nearest(system, names(SYSTEMS))}")
    check_values("options", given, dataclass_fields(LIBRARY / SYSTEMS / f"{system}.py", "Options"))


def n_points(system: str, given: dict) -> int:
    """The number of points of a system with these options."""
    path = LIBRARY / SYSTEMS / f"{system}.py"
    name = constant(path, "POINTS")
    if isinstance(name, int):
        return name
    return given.get(name, dataclass_fields(path, "Options")[name].default)


def engine(system: str) -> str:
    """Name and version of the package that moves the points of a system."""
    name = getattr(import_module(f"equitraj.data.sources.systems.{system}"), "ENGINE", "OpenMM")
    return f"{name} {version(name)}"


def simulate(system: str, given: dict, frames: int) -> "tuple[Trajectory, dict]":
    """Simulate `frames` frames; also the complete options, defaults included.

    Raises:
        ValueError: as `check_options`, or options that the system refuses.
    """
    check_options(system, given)
    if frames < 1:
        raise ValueError(f"frames: {frames}; expected at least 1")
    module = import_module(f"equitraj.data.sources.systems.{system}")
    options = module.Options(**given)
    return module.simulate(options, frames), asdict(options)
