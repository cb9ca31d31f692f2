"""Find the library files that a command runs, and compute the digest of their code.

A change of the digest makes results again. Comments, docstrings and layout do not enter it.
"""

import ast
import atexit
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from os.path import relpath
from pathlib import Path
from typing import TypeGuard

from equitraj.base import registry
from equitraj.base.files import write_json
from equitraj.base.registry import ALIGNMENTS, is_learned, model_spec


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """Return the library files that a file imports, directly or through others, without itself."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for file in direct_imports(waiting.pop()):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return frozenset(found - {path})


@cache
def direct_imports(path: Path) -> frozenset[Path]:
    """Return the library files that a Python file imports directly."""
    modules = facts(path)["imports"]
    return frozenset(file for module in modules for file in files_of_module(module))


def method_files(model: str, frames: str) -> list[Path]:
    """Return the files that define a method and that no other file imports by name.

    These are its model, its alignment, the training loop of its framework, and the wrappers of its
    network: the unit of its output and the reference frame that it learns.
    """
    spec = model_spec(model)
    names = [f"models/{model}.py", f"{ALIGNMENTS}/{frames}.py"]
    if not spec.closed_form:
        names.append(f"training/{spec.framework}.py")
    if spec.predicts != "residual":
        names.append(f"training/units/{spec.framework}.py")
    if is_learned(frames):
        names.append(f"frames/canonical/{spec.framework}.py")
    return [registry.LIBRARY / name for name in names]


def command_files(command: str, model: str, frames: str) -> list[Path]:
    """Return a command, such as `train.py`, and the files that it runs without importing them by
    name."""
    files, spec = (
        [registry.LIBRARY.parent / command, *method_files(model, frames)],
        model_spec(model),
    )
    if command == "audit.py" and not spec.closed_form:
        files.append(registry.LIBRARY / f"symmetry/lie/{spec.framework}.py")
    return files


@cache
def command_digest(command: str, model: str, frames: str, *others: Path) -> str:
    """Return the digest of the code that a command runs for a method, and of other files."""
    files = command_files(command, model, frames)
    return code_digest(*files, *others)


@cache
def with_imports(*paths: Path) -> list[Path]:
    """Return files and all library files that run when they are imported."""
    packages = {package for path in paths for package in _packages_of(path)}
    given = packages.union(paths)
    imported = given.union(*map(imported_files, given))
    return sorted(imported, key=str)


def _packages_of(path: Path) -> list[Path]:
    """Return the `__init__.py` of each library package that contains a file."""
    packages = [place for place in path.parents if place.is_relative_to(registry.LIBRARY)]
    files = [package / "__init__.py" for package in packages]
    return [file for file in files if file.is_file()]


def code_digest(*paths: Path) -> str:
    """Return the sha256 of the code of Python files and of all library files that they import."""
    files = with_imports(*paths)
    lines = [f"{_name(file)} {syntax_digest(file)}" for file in files]
    text = "\n".join(lines)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _name(path: Path) -> str:
    return relpath(path, registry.LIBRARY.parent)


def syntax_digest(path: Path) -> str:
    """Return the sha256 of a Python file's syntax tree without docstrings."""
    return facts(path)["digest"]


VERSION = 2  # of the facts that are kept; files are parsed again after a change
_kept: dict[str, dict] = {}  # the facts of files by path


def keep(place: Path) -> None:
    """Read facts about the library that an earlier process kept, and keep those of this process.

    Parsing the library takes longer than everything else in a workflow that has nothing to do.
    """
    try:
        text = place.read_text(encoding="utf-8")
        _kept.update(json.loads(text))
    except (OSError, ValueError):  # it is written again
        pass
    before = _states()

    def write() -> None:
        if _states() != before and place.parent.is_dir():
            write_json(place, _kept)

    atexit.register(write)


def _states() -> list:
    return [known["state"] for known in _kept.values()]


@cache
def facts(path: Path) -> dict:
    """Return the library imports, docstring, constants and digest of a Python file.

    A file whose size and time of change are known is not parsed again.
    """
    status = path.stat()
    state = [status.st_size, status.st_mtime_ns, sys.version, VERSION]
    known = _kept.get(str(path))
    if known is not None and known["state"] == state:
        return known
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)  # not kept: the trees of all files take much memory
    known = {
        "state": state,
        "imports": sorted(_imports(tree)),
        "docstring": ast.get_docstring(tree) or "",
        "constants": _constants(tree),
        "digest": _digest(tree),  # last, because it removes docstrings from the tree
    }
    _kept[str(path)] = known
    return known


def _imports(tree: ast.Module) -> set[str]:
    """Return the library modules that a file may import: `a` and `a.b` for `from a import b`."""
    modules = set()
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            modules.add(module)
            modules.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
    return {module for module in modules if module.split(".")[0] == "equitraj"}


def _constants(tree: ast.Module) -> dict[str, list[str]]:
    """Return the tuples and lists of strings that a module assigns to names."""
    constants = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Tuple(items) | ast.List(items)):
                values = [item.value for item in items if isinstance(item, ast.Constant)]
                texts = [value for value in values if isinstance(value, str)]
                if len(texts) == len(items):
                    constants[name] = texts
    return constants


def _digest(tree: ast.Module) -> str:
    """Remove the docstrings of a syntax tree, and return the sha256 of the rest."""
    for node in (tree, *_statements(tree)):
        if _has_docstring(node):
            del node.body[0]
    text = ast.dump(tree)
    return hashlib.sha256(text.encode()).hexdigest()


def _has_docstring(node: ast.AST) -> TypeGuard[ast.Module | ast.ClassDef | ast.FunctionDef]:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return ast.get_docstring(node, clean=False) is not None


@cache
def files_of_module(module: str) -> frozenset[Path]:
    """Return the file of a library module, and the `__init__.py` files that run before it."""
    path = registry.LIBRARY.joinpath(*module.split(".")[1:])
    folders = [path, *path.parents]
    packages = folders[: folders.index(registry.LIBRARY) + 1]
    candidates = [package / "__init__.py" for package in packages]
    candidates.append(path.with_suffix(".py"))
    return frozenset(file for file in candidates if file.is_file())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in a block and in the blocks within it.

    `ast.walk` would visit the expressions too, which takes three times as long.
    """
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, name, None) or []:
            yield child
            yield from _statements(child)
