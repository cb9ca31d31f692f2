"""Simulated systems by name: the folder `systems/` is the list of them.

A system is a file with a dataclass `Options` (documented fields with literal defaults) and
`simulate(options, frames) -> Trajectory`.
"""

from dataclasses import asdict
from importlib import import_module

from equitraj.base.registry import LIBRARY, check_values, dataclass_fields, names, nearest
from equitraj.data.trajectory import Trajectory

SYSTEMS = "data/sources/systems"


def check_options(system: str, given: dict) -> None:
    """Check the name of a system and its options, without importing it.

    Raises:
        ValueError: an unknown system or option, or a value of another type than the default.
    """
    if system not in names(SYSTEMS):
        raise ValueError(f"system: unknown {system!r}; {nearest(system, names(SYSTEMS))}")
    check_values("options", given, dataclass_fields(LIBRARY / SYSTEMS / f"{system}.py", "Options"))


def simulate(system: str, given: dict, frames: int) -> tuple[Trajectory, dict]:
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
