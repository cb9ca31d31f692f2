"""What a model file says of itself, read without importing it.

A registry is a folder: `models/` is the list of models, `alignments/` that of alignments. The
workflow is parsed in an environment that has neither jax nor torch, so the constants and the fields
of `Hyperparameters` are read from the text.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from equitraj.base.allowed import CONSTRAINTS, Choice, Constraint, Option, nearest
from equitraj.base.claims import GENERATORS, IMPLIED_BY

LIBRARY = Path(__file__).parents[1]
ALIGNMENTS = "frames/alignments"
FRAMEWORKS = ("numpy", "jax", "torch")
PREDICTIONS = ("residual", "displacement", "velocity", "acceleration")
CONSTANTS = (
    "FRAMEWORK",
    "MINIMUM_HISTORY",
    "GPU",
    "PREDICTS",
    "ENVIRONMENT",
    "ALL_PAIRS",
)  # of a model file
EXPECTED = {
    "Hyperparameters": "a frozen dataclass of options with literal defaults",
    "claims": "claims(hyperparameters), which symmetries it claims",
    "build": "build(hyperparameters, shape, ...) of a network",
    "fit": "fit(hyperparameters, ...) of a closed form",
    "apply": "apply(parameters, ...) beside fit",
}


@dataclass(frozen=True)
class ModelSpec:
    """Attributes: framework ("numpy", "jax" or "torch"), minimum_history (frames), hyperparameters
    (by name), closed_form (it has `fit` and `apply` in place of `build`), gpu (its training profits
    from one), predicts (what a network's output is: one of `PREDICTIONS`), environment (the name of
    a file in envs/, None for the framework's), all_pairs (whether it compares all pairs of points,
    or the name of the option that is 0 where it does)."""

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
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    """The modules of a folder of the library: `names("models")`."""
    return sorted(
        path.stem for path in (LIBRARY / folder).glob("*.py") if not path.stem.startswith("_")
    )


def check_values(key: str, given: dict, options: dict[str, Option]) -> None:
    """Check options against the fields of the dataclass that takes them.

    Raises:
        ValueError: an unknown option with the nearest match, or a value that is not allowed.
    """
    for name, value in given.items():
        if name not in options:
            raise ValueError(f"{key}: unknown name {name!r}; {nearest(name, list(options))}")
        options[name].check(f"{key}.{name}", value)


@cache
def dataclass_fields(path: Path, name: str) -> dict[str, Option]:
    """Fields of the dataclass `name` in a Python file, literal defaults and constraints; {} without
    such a class."""
    fields = [
        node for node in _annotated(path, name) if "ClassVar" not in ast.unparse(node.annotation)
    ]
    return {
        n.target.id: Option(
            ast.literal_eval(n.value) if n.value else None, _constraint(n.annotation)
        )
        for n in fields
    }


def _constraint(annotation: ast.expr) -> Constraint | None:
    """The constraint in `Literal[...]` or `Annotated[type, Range(...)]`."""
    match annotation:
        case ast.Subscript(ast.Name("Literal"), values):
            found = ast.literal_eval(values)
            return Choice(found if isinstance(found, tuple) else (found,))
        case ast.Subscript(
            ast.Name("Annotated"), ast.Tuple([_, ast.Call(ast.Name(name), given, named)])
        ):
            if name in CONSTRAINTS:
                bounds = {keyword.arg: ast.literal_eval(keyword.value) for keyword in named}
                return CONSTRAINTS[name](*map(ast.literal_eval, given), **bounds)
    return None


def _annotated(path: Path, name: str) -> list[ast.AnnAssign]:
    """The annotated assignments in the class `name` of a Python file."""
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [
                n
                for n in node.body
                if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            ]
    return []


def alignment_options(name: str) -> dict[str, Option]:
    """Options of `alignments/{name}.py`."""
    return dataclass_fields(LIBRARY / ALIGNMENTS / f"{name}.py", "Alignment")


def is_learned(name: str) -> bool:
    """Whether the frame of `alignments/{name}.py` is a network that is trained together with the
    model."""
    fields = _annotated(LIBRARY / ALIGNMENTS / f"{name}.py", "Alignment")
    return any(node.target.id == "learned" and ast.literal_eval(node.value) for node in fields)


@cache
def constant(path: Path, name: str, default: object = None) -> object:
    """The literal value of a constant in a Python file; without one, `default`, where it is not
    None."""
    for node in parsed(path).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            return ast.literal_eval(node.value)
    if default is not None:
        return default
    raise ValueError(f"{path}: no constant {name}")


@cache
def model_spec(name: str) -> ModelSpec:
    """What `models/{name}.py` says of itself.

    Raises:
        ValueError: there is no such model.
    """
    if name not in names("models"):
        raise ValueError(f"unknown model {name!r}; {nearest(name, names('models'))}")
    return read_model(LIBRARY / "models" / f"{name}.py")


def read_model(path: Path) -> ModelSpec:
    """What a model file says of itself.

    Raises:
        ValueError: it is no Python, or lacks a name or a literal that every model has; one line
        with file and name.
    """
    try:
        constants, functions = _definitions(parsed(path))
    except SyntaxError as error:
        raise ValueError(
            f"{path}, line {error.lineno}: {error.msg}; expected a Python file"
        ) from error
    value = {n: _literal(path, n, constants[n]) for n in CONSTANTS if n in constants}
    framework, closed_form = value.get("FRAMEWORK"), "fit" in functions
    if framework not in FRAMEWORKS:
        raise ValueError(
            f"{path}: FRAMEWORK is {framework!r}; expected one of {', '.join(map(repr, FRAMEWORKS))}"
        )
    if (predicts := value.get("PREDICTS", "residual")) not in PREDICTIONS or (
        closed_form and "PREDICTS" in value
    ):
        wanted = (
            "no such constant in a closed form"
            if closed_form
            else f"one of {', '.join(map(repr, PREDICTIONS))}"
        )
        raise ValueError(f"{path}: PREDICTS is {predicts!r}; expected {wanted}")
    for wanted in ("Hyperparameters", "claims", *(("fit", "apply") if closed_form else ("build",))):
        if wanted not in functions:
            others = (
                ""
                if closed_form or wanted != "build"
                else ", or fit(...) and apply(...) of a closed form"
            )
            raise ValueError(f"{path}: no {wanted}; expected {EXPECTED[wanted]}{others}")
    _check_claims(path, functions["claims"])
    options, all_pairs = _hyperparameters(path), value.get("ALL_PAIRS", False)
    if not isinstance(all_pairs, bool) and all_pairs not in options:
        raise ValueError(
            f"{path}: ALL_PAIRS is {all_pairs!r}; expected True, or an option: {', '.join(options)}"
        )
    return ModelSpec(
        framework=framework,
        minimum_history=value.get("MINIMUM_HISTORY", 1),
        hyperparameters=options,
        closed_form=closed_form,
        gpu=value.get("GPU", False),
        predicts=predicts,
        environment=value.get("ENVIRONMENT"),
        all_pairs=all_pairs,
    )


def _definitions(tree: ast.Module) -> tuple[dict[str, ast.expr], dict[str, ast.stmt]]:
    """The constants of a module, and what else it defines or imports, by name."""
    constants, others = {}, {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], value):
                constants[name] = value
            case ast.FunctionDef(name) | ast.ClassDef(name):
                others[name] = node
            case ast.ImportFrom(names=imported):
                others |= {alias.asname or alias.name: node for alias in imported}
    return constants, others


def _literal(path: Path, name: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(
            f"{path}: {name} = {ast.unparse(node)}; expected a literal, as the file is not run"
        ) from error


def _hyperparameters(path: Path) -> dict[str, Option]:
    """The fields of Hyperparameters, every default a literal."""
    for node in _annotated(path, "Hyperparameters"):
        if node.value is None:
            raise ValueError(
                f"{path}: Hyperparameters.{node.target.id} has no default; expected a literal"
            )
        _literal(path, f"Hyperparameters.{node.target.id}", node.value)
    return dataclass_fields(path, "Hyperparameters")


def _check_claims(path: Path, function: ast.stmt) -> None:
    """Check that the dictionaries that `claims` returns as they are written have every generator
    and no other."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            found = [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
            if set(found) - set(IMPLIED_BY) != set(GENERATORS) and len(found) == len(
                node.value.keys
            ):
                raise ValueError(
                    f"{path}: claims returns {', '.join(found)}; expected {', '.join(GENERATORS)}"
                )


def load_model(name: str):
    """The module `models/{name}.py`, imported."""
    from importlib import import_module

    spec = model_spec(name)
    try:
        return import_module(f"equitraj.models.{name}")
    except ModuleNotFoundError as error:
        if spec.environment is None:
            raise
        raise ValueError(
            f"models/{name}.py needs {error.name}, which is not installed here; install the packages of "
            f"envs/{spec.environment}.yaml, or run with --sdm conda"
        ) from error
