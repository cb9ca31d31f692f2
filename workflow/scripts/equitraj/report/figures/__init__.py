"""Figures, one per file.

Each file holds the caption (its docstring), INPUTS (the keys that it reads) and `draw(inputs)`.
"""

import importlib
from pathlib import Path
from types import ModuleType

from equitraj.base.code import facts
from equitraj.base.registry import nearest

FOLDER = Path(__file__).parent
HELPERS = {"__init__", "style"}


def names() -> list[str]:
    """All figures: the Python files of this folder that assign INPUTS."""
    files = FOLDER.glob("*.py")
    stems = {path.stem for path in files}
    figures = [stem for stem in stems - HELPERS if inputs(stem)]
    return sorted(figures)


def inputs(name: str) -> tuple[str, ...]:
    """The INPUTS of figure `name`, read from the text of its file.

    A workflow can thus ask for them without importing matplotlib.
    """
    constants = _facts(name)["constants"]
    keys = constants.get("INPUTS", ())
    return tuple(keys)


def _facts(name: str) -> dict:
    path = FOLDER / f"{name}.py"
    return facts(path)


def read_by(name: str) -> tuple[str, ...]:
    """The keys that `figure.py` reads for figure `name`.

    They are its INPUTS, and `sources` if it may show errors, which need a unit.
    """
    keys = inputs(name)
    if "summary" not in keys:
        return keys
    return (*keys, "sources")


def load(name: str) -> ModuleType:
    """Import the module of figure `name`.

    Raises:
        ValueError: there is no such figure; the message gives the nearest names.
    """
    known = names()
    if name not in known:
        raise ValueError(f"no figure {name!r}; {nearest(name, known)}")
    return importlib.import_module(f"equitraj.report.figures.{name}")


def caption(name: str) -> str:
    """The general caption of figure `name`: its docstring, read from the text of its file."""
    docstring = _facts(name)["docstring"]
    words = docstring.split()
    return " ".join(words)
