"""What the workflow reads from files without importing them agrees with what importing them gives."""

import pytest

from equitraj.base import code, registry
from equitraj.base.allowed import options
from equitraj.base.claims import completed
from equitraj.base.registry import LIBRARY
from study import REPOSITORY


@pytest.mark.parametrize("name", registry.names("models"))
def test_a_model_read_as_text_agrees_with_its_module(name):
    spec, module = registry.model_spec(name), registry.load_model(name)
    assert spec.hyperparameters == options(module.Hyperparameters)
    assert spec.framework == module.FRAMEWORK
    assert spec.closed_form == (hasattr(module, "apply") and not hasattr(module, "build"))
    expected = {"rotation", "rotation_z", "reflection", "translation", "permutation"}
    assert set(completed(module.claims(module.Hyperparameters()))) == expected


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError, match="unknown model 'egn'; allowed: .*persistence.* Did you mean 'egnn'"
    ):
        registry.model_spec("egn")


MODEL = (REPOSITORY / "tests/models/dense.py").read_text()
WRONG_MODELS = {
    "no framework": (
        'FRAMEWORK = "torch"',
        "",
        "FRAMEWORK is None; expected one of 'numpy', 'jax', 'torch'",
    ),
    "unknown framework": ('"torch"', '"tensorflow"', "FRAMEWORK is 'tensorflow'; expected one of"),
    "framework by a call": ('"torch"', "chosen()", r"FRAMEWORK = chosen\(\); expected a literal"),
    "default that is no literal": (
        "width: int = 8",
        "width: int = 2 ** 3",
        r"width = 2 \*\* 3; expected",
    ),
    "no default": (
        "width: int = 8",
        "width: int",
        "Hyperparameters.width has no default; expected a literal",
    ),
    "no hyperparameters": (
        "class Hyperparameters",
        "class Options",
        "no Hyperparameters; expected a frozen dataclass",
    ),
    "no claims": ("def claims", "def claim", "no claims; expected claims"),
    "a claim missing": (
        '"reflection": True, ',
        "",
        "claims returns rotation, translation, permutation; expected",
    ),
    "neither build nor fit": (
        "def build",
        "def make",
        r"no build; expected build\(.*or fit\(...\) and apply",
    ),
    "fit without apply": ("def build", "def fit", "no apply; expected apply"),
    "pairs by an unknown option": (
        'FRAMEWORK = "torch"',
        'FRAMEWORK = "torch"\nALL_PAIRS = "radius"',
        "ALL_PAIRS is 'radius'; expected True, or an option: width",
    ),
    "syntax": (
        "def claims(hyperparameters):",
        "def claims(hyperparameters)",
        "line 17: expected ':'",
    ),
}


@pytest.mark.parametrize("case", WRONG_MODELS)
def test_a_wrong_model_file_is_told_in_one_line(tmp_path, case):
    right, wrong, message = WRONG_MODELS[case]
    assert right in MODEL
    (tmp_path / "mine.py").write_text(MODEL.replace(right, wrong))
    with pytest.raises(ValueError, match=message) as caught:
        registry.read_model(tmp_path / "mine.py")
    assert str(caught.value).startswith(f"{tmp_path}/mine.py") and "\n" not in str(caught.value)


def test_imports_are_followed_and_stay_within_the_library():
    found = {str(p.relative_to(LIBRARY)) for p in code.imported_files(LIBRARY.parent / "train.py")}
    assert {
        "training/run.py",
        "data/tasks.py",
        "data/trajectory.py",
        "base/files.py",
        "frames/__init__.py",
    } <= found
    assert not [
        name
        for name in found
        if name.startswith(("models/mlp", "training/jax", "training/torch", "report"))
    ]


def test_imports_between_rooms_flow_one_way():
    """A file imports from its own room and from rooms before it, in the order in which README lists
    them."""
    rooms = "base data frames models training tuning prediction symmetry chapter routes report study api".split()
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == set(rooms)
    for path in LIBRARY.glob("*/**/*.py"):
        room = path.relative_to(LIBRARY).parts[0]
        used = {file.relative_to(LIBRARY).parts[0] for file in code.direct_imports(path)} - {
            "__init__.py"
        }
        later = [name for name in used if rooms.index(name) > rooms.index(room)]
        assert not later, f"{path.relative_to(LIBRARY)} imports from {later}"


def test_a_model_that_borrows_from_another_depends_on_it():
    found = {p.name for p in code.imported_files(LIBRARY / "models" / "linear_sgd.py")}
    assert "linear_least_squares.py" in found


@pytest.mark.parametrize("name", registry.names(registry.ALIGNMENTS))
def test_an_alignment_read_as_text_agrees_with_its_module(name):
    from equitraj.base.claims import GENERATORS, LEVELS
    from equitraj.frames import load_alignment

    aligner = load_alignment(name)
    assert registry.alignment_options(name) == options(type(aligner))
    assert registry.is_learned(name) == aligner.learned
    assert all(getattr(aligner, g) in LEVELS for g in GENERATORS if g != "permutation")
    assert aligner.training in ("average", "draw")
