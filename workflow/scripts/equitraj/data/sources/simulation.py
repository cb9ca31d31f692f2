"""Simulated systems by name: the files in the folder `systems/` are the available systems.

A system is a file with a dataclass `Options` (documented fields with literal defaults), a function
`simulate(options, frames) -> Trajectory`, and a constant `POINTS`. `POINTS` is the name of the
option that gives the number of points, or the number itself if it never changes. A system that
OpenMM does not simulate also has `ENGINE`, the name of its package.
"""

from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from equitraj.base.registry import LIBRARY, check_values, constant, dataclass_fields, names, nearest

if TYPE_CHECKING:  # the workflow is parsed without NumPy
    from equitraj.data.trajectory import Trajectory

SYSTEMS = "data/sources/systems"
FRAMES = 2048  # default of a source's `frames`


def check_options(system: str, options: dict) -> None:
    """Check the name of a system and its options, without importing it.

    Raises:
        ValueError: an unknown system or option, or a value that is not allowed.
    """
    systems = names(SYSTEMS)
    if system not in systems:
        raise ValueError(f"system: unknown {system!r}; {nearest(system, systems)}")
    path = LIBRARY / SYSTEMS / f"{system}.py"
    check_values("options", options, dataclass_fields(path, "Options"))


def n_points(system: str, options: dict) -> int:
    """The number of points of a system with these options."""
    path = LIBRARY / SYSTEMS / f"{system}.py"
    points = constant(path, "POINTS")
    if isinstance(points, int):
        return points
    option = str(points)
    default = dataclass_fields(path, "Options")[option].default
    return options.get(option, default)


def engine(system: str) -> str:
    """Name and version of the package that simulates a system."""
    name = f"equitraj.data.sources.systems.{system}"
    module = import_module(name)
    package = getattr(module, "ENGINE", "OpenMM")
    return f"{package} {version(package)}"


def simulate(system: str, options: dict, frames: int) -> "tuple[Trajectory, dict]":
    """Simulate `frames` frames.

    Returns:
        The trajectory, and all options, defaults included.

    Raises:
        ValueError: the errors of `check_options`, or options that the system refuses.
    """
    check_options(system, options)
    if frames < 1:
        raise ValueError(f"frames: {frames}; expected at least 1")
    module = import_module(f"equitraj.data.sources.systems.{system}")
    complete = module.Options(**options)
    return module.simulate(complete, frames), asdict(complete)
