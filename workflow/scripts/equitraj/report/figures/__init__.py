"""Figures: one file each, holding the caption (its docstring), INPUTS (the keys it reads) and
`draw(inputs)`."""

import importlib
from pathlib import Path
from types import ModuleType

from equitraj.base.code import facts
from equitraj.base.registry import nearest

FOLDER = Path(__file__).parent
HELPERS = {"__init__", "style"}


def names() -> list[str]:
    """Every figure that exists: the Python files of this folder that assign INPUTS."""
    return sorted(
        path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS and inputs(path.stem)
    )


def inputs(name: str) -> tuple[str, ...]:
    """The INPUTS of figure `name`, read from its text, so that a workflow can ask without importing
    matplotlib."""
    return tuple(facts(FOLDER / f"{name}.py")["constants"].get("INPUTS", ()))


def read_by(name: str) -> tuple[str, ...]:
    """The keys that `figure.py` reads for figure `name`: its INPUTS, and where it may show errors
    what they are in."""
    keys = inputs(name)
    return (*keys, "sources") if "summary" in keys else keys


def load(name: str) -> ModuleType:
    """The module of figure `name`.

    Raises:
        ValueError: there is no such figure; the message gives the nearest names.
    """
    if name not in names():
        raise ValueError(f"no figure {name!r}; {nearest(name, names())}")
    return importlib.import_module(f"equitraj.report.figures.{name}")


def caption(name: str) -> str:
    """The general caption of figure `name`, its docstring, read from its text."""
    return " ".join(facts(FOLDER / f"{name}.py")["docstring"].split())
