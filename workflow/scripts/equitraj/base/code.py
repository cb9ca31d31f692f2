"""The code behind a result: the files of the library that a command runs, and the digest of what
they do.

A change of the digest makes results again. Comments, docstrings and the layout of a text do
nothing, and are left out.
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

from equitraj.base import registry
from equitraj.base.files import write_json
from equitraj.base.registry import ALIGNMENTS, is_learned, model_spec


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """The files of the library that a Python file imports, directly or through others; itself not
    among them."""
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
    """The files of the library that a Python file imports itself."""
    return frozenset().union(*map(files_of_module, facts(path)["imports"]))


def method_files(model: str, frames: str) -> list[Path]:
    """The files that decide what a method is, and that no other file imports by name.

    They are those of its model and alignment, of the training loop of its framework, and of what is
    put around its network: the unit of its output, and the frame that it learns.
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
    """A command, such as `train.py`, and the files that it runs for a method and does not import by
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
    """The digest of the code that a command runs for a method, and of other files."""
    return code_digest(*command_files(command, model, frames), *others)


@cache
def with_imports(*paths: Path) -> list[Path]:
    """Files, and all files of the library that are run when they are imported."""
    given = {*paths, *(package for path in paths for package in _packages_of(path))}
    return sorted(given.union(*map(imported_files, given)), key=str)


def _packages_of(path: Path) -> list[Path]:
    """The `__init__.py` of each package of the library that a file lies in."""
    inside = [place for place in path.parents if place.is_relative_to(registry.LIBRARY)]
    return [place / "__init__.py" for place in inside if (place / "__init__.py").is_file()]


def code_digest(*paths: Path) -> str:
    """The sha256 of what Python files, and all files of the library that they import, do."""
    digests = (f"{_name(path)} {syntax_digest(path)}" for path in with_imports(*paths))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


@cache
def _name(path: Path) -> str:
    return relpath(path, registry.LIBRARY.parent)


def syntax_digest(path: Path) -> str:
    """The sha256 of the syntax tree of a Python file without its docstrings."""
    return facts(path)["digest"]


KIND = 2  # of what is kept: another number, and all files are read anew
_kept: dict[str, dict] = {}  # what is known of files, by path


def keep(place: Path) -> None:
    """Read from a file what an earlier process found out of the library, and write there what this
    one does.

    To parse all files of the library takes longer than all else before a workflow that has nothing
    to do.
    """
    try:
        _kept.update(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # it is written anew
        pass
    before = len(_kept), [known["state"] for known in _kept.values()]

    def write() -> None:
        if (
            len(_kept),
            [known["state"] for known in _kept.values()],
        ) != before and place.parent.is_dir():
            write_json(place, _kept)

    atexit.register(write)


@cache
def facts(path: Path) -> dict:
    """What a Python file imports of the library, its docstring and constants, and the digest of
    what it does.

    A file of the same size and time of change is not parsed again.
    """
    found = path.stat()
    state = [found.st_size, found.st_mtime_ns, sys.version, KIND]
    known = _kept.get(str(path))
    if known is None or known["state"] != state:
        tree = ast.parse(
            path.read_text(encoding="utf-8")
        )  # not kept: those of all files take much memory
        known = {
            "state": state,
            "imports": sorted(_imports(tree)),
            "docstring": ast.get_docstring(tree) or "",
        }
        known |= {"constants": _constants(tree), "digest": _digest(tree)}
        _kept[str(path)] = known
    return known


def _imports(tree: ast.Module) -> set[str]:
    """The modules of the library that a file imports, and what it takes from them, which may be
    modules."""
    modules = set()
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "equitraj":
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {
                alias.name for alias in node.names if alias.name.split(".")[0] == "equitraj"
            }
    return modules


def _constants(tree: ast.Module) -> dict[str, list]:
    """The tuples and lists of texts that a module assigns to names."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Tuple(items) | ast.List(items)):
                texts = [item.value for item in items if isinstance(item, ast.Constant)]
                found |= (
                    {name: texts}
                    if len(texts) == len(items) and all(isinstance(t, str) for t in texts)
                    else {}
                )
    return found


def _digest(tree: ast.Module) -> str:
    """The sha256 of a syntax tree, from which it takes the docstrings."""
    for node in (tree, *_statements(tree)):
        if _has_docstring(node):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _has_docstring(node: ast.AST) -> bool:
    can_have_one = isinstance(
        node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    )
    return can_have_one and ast.get_docstring(node, clean=False) is not None


@cache
def files_of_module(module: str) -> frozenset[Path]:
    """The file of a module of the library, if it is one, and what is run before it: `__init__.py`
    of its packages."""
    path = registry.LIBRARY.joinpath(*module.split(".")[1:])
    packages = [path, *path.parents]
    above = packages[: packages.index(registry.LIBRARY) + 1]
    may_be = [path.with_suffix(".py"), *(package / "__init__.py" for package in above)]
    return frozenset(file for file in may_be if file.is_file())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements in a block and in the blocks within: `ast.walk` without the expressions, three
    times as fast."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, name, None) or []:
            yield child
            yield from _statements(child)
