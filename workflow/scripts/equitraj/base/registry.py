"""Read the constants and options of model files without importing them.

A registry is a folder: `models/` lists the models, `alignments/` the alignments. The workflow is
parsed in an environment without JAX and torch, so that constants and the fields of
`Hyperparameters` are read from the text of the files.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from equitraj.base.allowed import CONSTRAINTS, Choice, Constraint, Option, nearest
from equitraj.base.claims import GENERATORS, IMPLIED_BY

LIBRARY = Path(__file__).parents[1]
ALIGNMENTS = "frames/alignments"
FRAMEWORKS = ("numpy", "jax", "torch")
PREDICTIONS = ("residual", "displacement", "velocity", "acceleration")
CONSTANTS = (  # of a model file
    *("FRAMEWORK", "MINIMUM_HISTORY", "GPU"),
    *("PREDICTS", "ENVIRONMENT", "ALL_PAIRS"),
)
EXPECTED = {
    "Hyperparameters": "a frozen dataclass of options with literal defaults",
    "claims": "claims(hyperparameters), which symmetries it claims",
    "build": "build(hyperparameters, shape, ...) of a network",
    "fit": "fit(hyperparameters, ...) of a closed form",
    "apply": "apply(parameters, ...) beside fit",
}


@dataclass(frozen=True)
class ModelSpec:
    """What a model file declares.

    Attributes:
        framework: "numpy", "jax" or "torch".
        minimum_history: the number of frames that the model needs.
        hyperparameters: the options by name.
        closed_form: whether the model has `fit` and `apply` in place of `build`.
        gpu: whether its training profits from a GPU.
        predicts: what the output of a network is, one of `PREDICTIONS`.
        environment: the name of a file in envs/; None for the framework's own.
        all_pairs: whether the model compares all pairs of points, or the name of the option that
            is 0 if it does.
    """

    framework: str
    minimum_history: int
    hyperparameters: dict[str, Option]
    closed_form: bool
    gpu: bool
    predicts: str = "residual"
    environment: str | None = None
    all_pairs: bool | str = False


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    text = path.read_text(encoding="utf-8")
    return ast.parse(text)


def names(folder: str) -> list[str]:
    """Return the modules in a folder of the library: `names("models")`."""
    stems = [path.stem for path in (LIBRARY / folder).glob("*.py")]
    return sorted(stem for stem in stems if not stem.startswith("_"))


def check_values(key: str, given: dict, options: dict[str, Option]) -> None:
    """Check options against the fields of the dataclass that takes them.

    Raises:
        ValueError: an option is unknown (with the nearest match), or its value is not allowed.
    """
    for name, value in given.items():
        if name not in options:
            hint = nearest(name, options)
            raise ValueError(f"{key}: unknown name {name!r}; {hint}")
        options[name].check(f"{key}.{name}", value)


@cache
def dataclass_fields(path: Path, name: str) -> dict[str, Option]:
    """Return the fields of dataclass `name` in a Python file; {} if the file has no such class.

    Defaults and constraints must be literals.
    """
    options = {}
    for field, node in _annotated(path, name).items():
        if "ClassVar" in ast.unparse(node.annotation):
            continue
        default = ast.literal_eval(node.value) if node.value else None
        options[field] = Option(default, _constraint(node.annotation))
    return options


def _constraint(annotation: ast.expr) -> Constraint | None:
    """Return the constraint in `Literal[...]` or `Annotated[type, Range(...)]`."""
    match annotation:
        case ast.Subscript(ast.Name("Literal"), values):
            allowed = ast.literal_eval(values)
            return Choice(allowed if isinstance(allowed, tuple) else (allowed,))
        case ast.Subscript(ast.Name("Annotated"), ast.Tuple([_, ast.Call() as call])):
            return _called_constraint(call)
    return None


def _called_constraint(call: ast.Call) -> Constraint | None:
    if not isinstance(call.func, ast.Name) or call.func.id not in CONSTRAINTS:
        return None
    positional = [ast.literal_eval(argument) for argument in call.args]
    named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    return CONSTRAINTS[call.func.id](*positional, **named)


def _annotated(path: Path, name: str) -> dict[str, ast.AnnAssign]:
    """Return the annotated assignments in the class `name` of a Python file, by target."""
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            statements = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            return {s.target.id: s for s in statements if isinstance(s.target, ast.Name)}
    return {}


def alignment_options(name: str) -> dict[str, Option]:
    """Return the options of `alignments/{name}.py`."""
    path = LIBRARY / ALIGNMENTS / f"{name}.py"
    return dataclass_fields(path, "Alignment")


def is_learned(name: str) -> bool:
    """Whether `alignments/{name}.py` learns its reference frame together with the model."""
    path = LIBRARY / ALIGNMENTS / f"{name}.py"
    learned = _annotated(path, "Alignment").get("learned")
    return learned is not None and bool(learned.value and ast.literal_eval(learned.value))


@cache
def constant(path: Path, name: str, default: Any = None) -> Any:
    """Return the literal value of a constant in a Python file.

    Raises:
        ValueError: the file has no such constant, and there is no default.
    """
    for node in parsed(path).body:
        match node:
            case ast.Assign([ast.Name(target), *_], value) if target == name:
                return ast.literal_eval(value)
    if default is not None:
        return default
    raise ValueError(f"{path}: no constant {name}")


@cache
def model_spec(name: str) -> ModelSpec:
    """Return what `models/{name}.py` declares.

    Raises:
        ValueError: there is no such model.
    """
    models = names("models")
    if name not in models:
        raise ValueError(f"unknown model {name!r}; {nearest(name, models)}")
    return read_model(LIBRARY / "models" / f"{name}.py")


def read_model(path: Path) -> ModelSpec:
    """Return what a model file declares.

    Raises:
        ValueError: the file is no Python, or lacks a name or a literal that every model has; one
            line with file and name.
    """
    try:
        constants, functions = _definitions(parsed(path))
    except SyntaxError as error:
        reason = f"{path}, line {error.lineno}: {error.msg}"
        raise ValueError(f"{reason}; expected a Python file") from error
    value: dict[str, Any] = {}  # their types are checked below
    for name in CONSTANTS:
        if name in constants:
            value[name] = _literal(path, name, constants[name])
    closed_form = "fit" in functions
    _check_constants(path, value, closed_form)
    _check_functions(path, functions, closed_form)
    _check_claims(path, functions["claims"])
    options = _hyperparameters(path)
    all_pairs = value.get("ALL_PAIRS", False)
    if not isinstance(all_pairs, bool) and all_pairs not in options:
        listed = ", ".join(options)
        raise ValueError(
            f"{path}: ALL_PAIRS is {all_pairs!r}; expected True, or an option: {listed}"
        )
    return ModelSpec(
        framework=value["FRAMEWORK"],
        minimum_history=value.get("MINIMUM_HISTORY", 1),
        hyperparameters=options,
        closed_form=closed_form,
        gpu=value.get("GPU", False),
        predicts=value.get("PREDICTS", "residual"),
        environment=value.get("ENVIRONMENT"),
        all_pairs=all_pairs,
    )


def _check_constants(path: Path, value: dict[str, Any], closed_form: bool) -> None:
    framework = value.get("FRAMEWORK")
    if framework not in FRAMEWORKS:
        allowed = ", ".join(map(repr, FRAMEWORKS))
        raise ValueError(f"{path}: FRAMEWORK is {framework!r}; expected one of {allowed}")
    predicts = value.get("PREDICTS", "residual")
    if closed_form and "PREDICTS" in value:
        expected = "no such constant in a closed form"
    elif predicts not in PREDICTIONS:
        allowed = ", ".join(map(repr, PREDICTIONS))
        expected = f"one of {allowed}"
    else:
        return
    raise ValueError(f"{path}: PREDICTS is {predicts!r}; expected {expected}")


def _check_functions(path: Path, functions: dict[str, ast.stmt], closed_form: bool) -> None:
    required = ["fit", "apply"] if closed_form else ["build"]
    for name in ("Hyperparameters", "claims", *required):
        if name not in functions:
            others = ", or fit(...) and apply(...) of a closed form" if name == "build" else ""
            raise ValueError(f"{path}: no {name}; expected {EXPECTED[name]}{others}")


def _definitions(tree: ast.Module) -> tuple[dict[str, ast.expr], dict[str, ast.stmt]]:
    """Return the constants of a module, and what else it defines or imports, by name."""
    constants: dict[str, ast.expr] = {}
    others: dict[str, ast.stmt] = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], value):
                constants[name] = value
            case ast.FunctionDef(name) | ast.ClassDef(name):
                others[name] = node
            case ast.ImportFrom(names=imported):
                for alias in imported:
                    others[alias.asname or alias.name] = node
    return constants, others


def _literal(path: Path, name: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        text = ast.unparse(node)
        raise ValueError(
            f"{path}: {name} = {text}; expected a literal, as the file is not run"
        ) from error


def _hyperparameters(path: Path) -> dict[str, Option]:
    """Return the fields of Hyperparameters; every default must be a literal."""
    for field, node in _annotated(path, "Hyperparameters").items():
        name = f"Hyperparameters.{field}"
        if node.value is None:
            raise ValueError(f"{path}: {name} has no default; expected a literal")
        _literal(path, name, node.value)
    return dataclass_fields(path, "Hyperparameters")


def _check_claims(path: Path, function: ast.stmt) -> None:
    """Check that each dictionary which `claims` returns has every generator and no other key."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Return) or not isinstance(node.value, ast.Dict):
            continue
        keys = node.value.keys
        claimed = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
        are_written = len(claimed) == len(keys)  # none is computed
        if are_written and set(claimed) - set(IMPLIED_BY) != set(GENERATORS):
            listed, expected = ", ".join(claimed), ", ".join(GENERATORS)
            raise ValueError(f"{path}: claims returns {listed}; expected {expected}")


def load_model(name: str) -> ModuleType:
    """Import the module `models/{name}.py`.

    Raises:
        ValueError: the model names an environment, whose packages are not installed here.
    """
    from importlib import import_module

    spec = model_spec(name)
    try:
        return import_module(f"equitraj.models.{name}")
    except ModuleNotFoundError as error:
        if spec.environment is None:
            raise
        raise ValueError(
            f"models/{name}.py needs {error.name}, which is not installed here; install the "
            f"packages of envs/{spec.environment}.yaml, or run with --sdm conda"
        ) from error
