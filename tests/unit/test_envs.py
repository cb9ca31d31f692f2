"""Conda environments and pip requirements name the same versions, and each environment what its
rules import."""

import ast
import re
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

import lock
from environments import CONDA_NAME, ENVIRONMENTS, IMPORT_NAME, PYPI_NAME, pins
from equitraj.base import code, registry
from equitraj.base.registry import ALIGNMENTS
from equitraj.data.sources.entry import FORMATS
from equitraj.data.sources.simulation import SYSTEMS
from study import REPOSITORY

RUNNER_ONLY = {
    "snakemake",
    "pygments",
    "jsonschema",
}  # what parses and starts the workflow; no job imports it
LIBRARY, MODELS = registry.LIBRARY, registry.names("models")


def files_of(framework: str) -> set[str]:
    return {
        f"equitraj/models/{m}.py" for m in MODELS if registry.model_spec(m).framework == framework
    }


def registered(folder: str) -> set[str]:
    return {f"equitraj/{folder}/{name}.py" for name in registry.names(folder)}


def loop_of(framework: str) -> set[str]:
    """What trains and audits the networks of a framework."""
    folders = ("training", "training/units", "frames/canonical", "symmetry/lie")
    return {f"equitraj/{folder}/{framework}.py" for folder in folders}


# what rules take from the registries by wildcards
STARTS = {
    "data": files_of("numpy") | registered(ALIGNMENTS) | registered(SYSTEMS) | registered(FORMATS),
    "jax": files_of("jax") | registered(ALIGNMENTS) | loop_of("jax"),
    "torch": files_of("torch") | registered(ALIGNMENTS) | loop_of("torch"),
    "tune": files_of("jax") | registered(ALIGNMENTS) | loop_of("jax"),
    "report": registered("report/figures"),
}


RULE = re.compile(
    r"^ *(?:use rule (?P<parent>\w+) as (?P<name>\w+)|rule ?(?P<own>\w*)).*?(?=^ *(?:use )?rule\b|\Z)",
    re.M | re.S,
)


def add_what_rules_name() -> None:
    """Add the commands and library files that each rule names to those of the environment it names."""
    known: dict[str, tuple[str, list[str]]] = {}
    for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")):
        for rule in RULE.finditer(path.read_text()):
            called = " ".join(re.findall(r"(?:script|code)\(([^)]*)\)", rule[0]))
            # what a rule does not say it has from its parent
            parent_called, parent_environments = known.get(rule["parent"], (called, []))
            called = called or parent_called
            environments = environments_named(rule[0]) or parent_environments
            known[rule["name"] or rule["own"]] = called, environments
            for environment in environments:  # a target has none
                # chapter.py imports what its verb needs
                STARTS[environment] |= files_called(called) - {"chapter.py"}
    assert all(known[rule][1] == FRAMEWORKS for rule in ("evaluate", "audit"))
    assert known["train_torch_gpu"][1] == ["torch"]


FRAMEWORKS = ["data", "jax", "torch"]  # the environments of methods


def environments_named(rule: str) -> list[str]:
    """The environments in the text of a rule."""
    if "environment_of_method" in rule:
        return FRAMEWORKS
    if named := re.search(r'environment\("(\w+)"\)', rule):
        return [named[1].replace("numpy", "data")]
    return re.findall(r"envs/(\w+)\.yaml", rule)[:1]


def files_called(called: str) -> set[str]:
    """The files in the arguments of `script` and `code`."""
    found = re.findall(r'(f?)"([\w/]+\.py)"', called)
    return {
        f"equitraj/{file}" if "/" in file else file for formatted, file in found if not formatted
    }


add_what_rules_name()
# predictor.py imports the framework of the run that it loads, and no other; neighbours.py finds
# pairs for networks
LOADED_ON_DEMAND = {
    "data": {"jax", "equinox", "torch", "vesin"},
    "jax": {"torch"},
    "torch": {"jax", "equinox"},
    "tune": {"torch"},
    "report": set(),
}
LOOP = {
    "jax": ("jax", "jax_epoch", "jax_samples", "pushforward"),
    "torch": ("torch", "dense", "graphs"),
}
OTHER_FRAMEWORK = {
    "data": {"jax", "torch"},
    "jax": {"torch"},
    "torch": {"jax"},
    "tune": {"torch"},
    "report": set(),
}


def requirements() -> dict[str, str]:
    lines = (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return {CONDA_NAME.get(name, name): version for name, version in pinned.items()}


def imported(env: str) -> set[str]:
    """Top-level packages that the code of an environment's rules imports, the other frameworks'
    loops left out."""
    paths = {registry.LIBRARY.parent / start for start in STARTS[env]}
    paths |= {file for path in paths for file in code.imported_files(path)}
    skipped = {
        LIBRARY / "training" / f"{name}.py"
        for other in OTHER_FRAMEWORK[env]
        for name in LOOP[other]
    }
    found = set()
    for path in paths - skipped:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"equitraj"}


@pytest.mark.parametrize("env", STARTS)
def test_versions_agree_with_the_requirements(env):
    pinned = requirements()
    assert {k: v for k, v in pins(ENVIRONMENTS[env]).items() if k != "python"} == {
        k: pinned[k] for k in pins(ENVIRONMENTS[env]) if k != "python"
    }


@pytest.mark.parametrize("env", STARTS)
def test_the_python_is_the_oldest_that_the_code_is_written_for(env):
    target = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"][
        "target-version"
    ]
    assert "py" + pins(ENVIRONMENTS[env])["python"].replace(".", "") == target


def test_every_requirement_stands_in_an_environment():
    in_environments = {name for env in STARTS for name in pins(ENVIRONMENTS[env])}
    assert set(requirements()) - in_environments == RUNNER_ONLY


def test_what_is_installed_is_what_is_pinned():
    installed = {
        name: metadata.version(PYPI_NAME.get(name, name)).split("+")[0] for name in requirements()
    }
    assert installed == requirements()


@pytest.mark.parametrize("env", STARTS)
def test_an_environment_names_what_its_rules_import(env):
    named = {IMPORT_NAME.get(name, name) for name in pins(ENVIRONMENTS[env])}
    missing = imported(env) - named - LOADED_ON_DEMAND[env]
    assert not missing, f"envs/{env}.yaml lacks {missing}"


def test_the_profile_for_slurm_repeats_the_default_one():
    default, slurm = (
        yaml.safe_load((REPOSITORY / f"profiles/{name}/config.yaml").read_text())
        for name in ("default", "slurm")
    )
    assert default.items() <= slurm.items()  # Snakemake reads one of the two


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_lock_file_has_the_pins_of_its_environment_and_a_hash_for_every_package(env):
    text = (REPOSITORY / f"envs/{env}.lock.txt").read_text()
    packages = re.split(r"\n(?=\S)", text.split("\n", 1)[1].strip())
    locked = {re.match(r"[\w.-]+==[\w.]+", package)[0] for package in packages}
    assert set(lock.requirements(ENVIRONMENTS[env])[1]) <= locked, "python workflow/scripts/lock.py"
    assert all("--hash=sha256:" in package for package in packages)


def test_the_extras_of_the_package_allow_the_pinned_versions():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, project["dependencies"] + extras):
        assert requirement.specifier.contains(
            requirements()[CONDA_NAME.get(requirement.name, requirement.name)]
        )


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"\n## {version}" in (REPOSITORY / "CHANGELOG.md").read_text()
