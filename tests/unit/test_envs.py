"""Conda environments and pip requirements name the same versions, and each environment what its rules import."""

import ast
import re
import sys
import tomllib
from importlib import metadata

import pytest
import yaml

from equitraj import registry
from study import REPOSITORY

CONDA_NAME = {"torch": "pytorch", "torch-geometric": "pytorch_geometric", "matplotlib": "matplotlib-base"}
IMPORT_NAME = {"pytorch": "torch", "pytorch_geometric": "torch_geometric", "matplotlib-base": "matplotlib"}
IMPORT_NAME |= {"mdanalysis": "MDAnalysis", "pyyaml": "yaml"}
RUNNER_ONLY = {"snakemake", "pygments", "jsonschema"}  # what parses and starts the workflow; no job imports it
LIBRARY, MODELS = registry.LIBRARY, registry.names("models")


def files_of(framework: str) -> list[str]:
    return [f"equitraj/models/{m}.py" for m in MODELS if registry.model_spec(m).framework == framework]


FIGURES = [f"equitraj/figures/{p.name}" for p in (LIBRARY / "figures").glob("*.py")]
COMMON = ["train.py", "evaluate.py", "audit.py"]
STARTS = {
    "data": ["fetch.py", "simulate.py", "lift.py", "align.py", "diagnose.py", *COMMON, *files_of("numpy"),
             "equitraj/sources/systems/bead_chain.py", "equitraj/chapter/ladder.py", "equitraj/chapter/table.py"],
    "jax": [*COMMON, *files_of("jax"), "equitraj/training/jax.py", "equitraj/chapter/baseline.py"],
    "torch": [*COMMON, *files_of("torch"), "equitraj/training/torch.py", "equitraj/chapter/network.py"],
    "report": ["collect.py", "report.py", "figure.py", *FIGURES],
}  # fmt: skip
# predictor.py imports the framework of the run that it loads, and no other
LOADED_ON_DEMAND = {"data": {"jax", "equinox", "torch"}, "jax": {"torch"}, "torch": {"jax", "equinox"}, "report": set()}
OTHER_FRAMEWORK = {"data": {"jax", "torch"}, "jax": {"torch"}, "torch": {"jax"}, "report": set()}


def packages(env: str) -> dict[str, str]:
    """Package to version in an environment file."""
    lines = yaml.safe_load((REPOSITORY / "envs" / f"{env}.yaml").read_text())["dependencies"]
    return dict(re.fullmatch(r"([\w.-]+) =([\w.]+)", line).groups() for line in lines)


def requirements() -> dict[str, str]:
    lines = (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return {CONDA_NAME.get(name, name): version for name, version in pinned.items()}


def imported(env: str) -> set[str]:
    """Top-level packages that the code of an environment's rules imports, the other frameworks' loops left out."""
    paths = {registry.LIBRARY.parent / start for start in STARTS[env]}
    paths |= {file for path in paths for file in registry.imported_files(path)}
    skipped = {LIBRARY / "training" / f"{name}.py" for name in OTHER_FRAMEWORK[env]}
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
    assert {k: v for k, v in packages(env).items() if k != "python"} == {
        k: pinned[k] for k in packages(env) if k != "python"
    }


@pytest.mark.parametrize("env", STARTS)
def test_the_python_is_the_oldest_that_the_code_is_written_for(env):
    target = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["target-version"]
    assert "py" + packages(env)["python"].replace(".", "") == target


def test_every_requirement_stands_in_an_environment():
    in_environments = {name for env in STARTS for name in packages(env)}
    assert set(requirements()) - in_environments == RUNNER_ONLY


def test_what_is_installed_is_what_is_pinned():
    pypi_name = {conda: pypi for pypi, conda in CONDA_NAME.items()}
    installed = {name: metadata.version(pypi_name.get(name, name)).split("+")[0] for name in requirements()}
    assert installed == requirements()


@pytest.mark.parametrize("env", STARTS)
def test_an_environment_names_what_its_rules_import(env):
    named = {IMPORT_NAME.get(name, name) for name in packages(env)}
    missing = imported(env) - named - LOADED_ON_DEMAND[env]
    assert not missing, f"envs/{env}.yaml lacks {missing}"
