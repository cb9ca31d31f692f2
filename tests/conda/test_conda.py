"""`snakemake --sdm conda`, run for real: the small study in the environments of envs/, each made by
a solver.

Where there is a conda on PATH, it is used. Elsewhere bin/conda takes its place and channel.py the
place of conda-forge.
"""

import base64
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import channel
import pytest
from packaging.version import Version

from environments import ENVIRONMENTS, IMPORT_NAME, pins
from study import REPOSITORY, SMALL, checkout, snakemake, table

SNAKEMAKE_TAKES = Version("24.7.1")  # the oldest conda
# what one environment is there for and no package of another one needs
OWN = {
    "data": ["openmm", "MDAnalysis", "ase", "pyarrow"],
    "jax": ["jax", "jaxlib", "equinox", "optax"],
    "torch": ["torch", "torch_geometric", "e3nn"],
    "tune": ["optuna"],
    "report": ["yaml"],
}
HAS_TOO = {"tune": {"jax", "report"}}  # what an environment has of others
SEARCH = """
tune:
  small: { task: tiny_k3, method: tiny_mlp, trials: 2, space: { options.width: { choices: [4, 8] } } }
"""
FRAMEWORK = {
    "numpy": "data",
    "jax": "jax",
    "torch": "torch",
}  # in the name of a rule, and its environment
FOREST = REPOSITORY / "tests/models/forest.py"  # a model with an environment of its own
SCIKIT = REPOSITORY / "tests/models/scikit.yaml"
INTRUDER = "import sys\nwith open({log!r}, 'a') as log:\n    print({way!r}, sys.prefix, file=log)\n"


class Study(NamedTuple):
    """A checkout with the shell's variables for its runs, and the folder of packages that a Python
    must not see."""

    folder: Path
    variables: dict[str, str]
    outside: Path


def real_conda() -> bool:
    """Whether there is a conda on PATH that Snakemake takes."""
    if not shutil.which("conda"):
        return False
    found = subprocess.run(["conda", "--version"], capture_output=True, text=True).stdout
    number = re.search(r"\d+\.\d+\.\d+", found)
    return bool(number) and Version(number[0]) >= SNAKEMAKE_TAKES


def why_no_channel() -> str | None:
    """Why the Python that runs this cannot be packed for a channel."""
    wanted, base = pins(ENVIRONMENTS["data"])["python"], Path(sys.base_prefix)
    if (sys.platform, platform.machine(), sys.implementation.name) != (
        "linux",
        "x86_64",
        "cpython",
    ):
        return f"it packs CPython for Linux x86_64, this is {sys.implementation.name} on {platform.platform()}"
    if wanted != channel.PYTHON:
        return f"envs/*.yaml want Python {wanted}, and it packs the Python that runs this, {channel.PYTHON}"
    if base == Path("/usr") or (base / "conda-meta").is_dir():
        return f"the Python in {base} belongs to a distribution and needs files outside of its own folders"
    return None


def intruders(folder: Path) -> dict[str, str]:
    """Variables that show a Python packages of the user's; one that takes them up writes its prefix
    to a file."""
    path, user = (
        folder / "path",
        folder / "user" / "lib" / f"python{channel.PYTHON}" / "site-packages",
    )
    for place, module in ((path, "sitecustomize"), (user, "usercustomize")):
        place.mkdir(parents=True)
        (place / f"{module}.py").write_text(
            INTRUDER.format(log=str(folder / "seen.txt"), way=module)
        )
    return {"PYTHONPATH": str(path), "PYTHONUSERBASE": str(folder / "user")}


def stand_in(folder: Path) -> dict[str, str]:
    """Variables that put the stand-in for conda on PATH, and a channel built for it in `folder`."""
    if reason := why_no_channel():
        pytest.skip(f"no conda >= {SNAKEMAKE_TAKES} on PATH, and no stand-in: {reason}")
    try:
        built = channel.build(folder, [*ENVIRONMENTS.values(), SCIKIT])
    except channel.Unavailable as error:
        pytest.skip(f"no conda >= {SNAKEMAKE_TAKES} on PATH, and no stand-in: {error}")
    return {
        "CONDA_CHANNEL_ALIAS": built.parent.as_uri(),
        "CONDA_PKGS_DIRS": str(folder / "packages"),
        "PATH": f"{Path(__file__).with_name('bin')}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def run(study: Study, *arguments: str) -> subprocess.CompletedProcess:
    """Run the small study with its environments; output and errors together in `stdout`."""
    small = study.outside.parent / SMALL.name
    # as a process of its own, which sees what its variables show to every Python
    return snakemake(
        study.folder, *arguments, "--sdm", "conda", forked=False, also=small, **study.variables
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Study]:
    """A checkout in which nothing has run, and all that a run needs; gigabytes, taken away at the
    end."""
    folder = tmp_path_factory.mktemp("conda")
    study, outside = folder / "study", folder / "outside"
    study.mkdir()
    (folder / SMALL.name).write_text(SMALL.read_text() + SEARCH)
    try:
        # every job would compile all that it imports where the shell forbids to keep what was
        # compiled
        variables = intruders(outside) | {"PYTHONDONTWRITEBYTECODE": ""}
        variables |= {} if real_conda() else stand_in(folder)
        yield Study(checkout(study), variables, outside)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def study(bench) -> Study:
    """The small study, run to its report."""
    result = run(bench)
    assert result.returncode == 0, result.stdout[-6000:]
    return bench


def prefixes(study: Study) -> dict[str, Path]:
    """Environment to its folder: beside each one stands a copy of the file it was made from."""
    copies = {
        copy.read_text(): copy.with_suffix("")
        for copy in study.folder.glob(".snakemake/conda/*_.yaml")
    }
    return {
        name: copies[path.read_text()]
        for name, path in ENVIRONMENTS.items()
        if path.read_text() in copies
    }


def jobs(study: Study) -> Iterator[tuple[str, str, Path]]:
    """Rule, environment and log of each job, as Snakemake recorded them."""
    names = {path.read_text(): name for name, path in ENVIRONMENTS.items()}
    for record in map(Path.read_text, study.folder.glob(".snakemake/metadata/*")):
        job = json.loads(record)
        environment = names[base64.b64decode(job["conda_env"]).decode()]
        yield job["rule"], environment, study.folder / job["log"][0]


def python(study: Study, environment: str, code: str, **variables: str) -> str:
    """What code prints in the Python of an environment, with no variable of the shell's that adds
    to its path."""
    clean = (
        {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        | {"PYTHONNOUSERSITE": "1"}
        | variables
    )
    executable = prefixes(study)[environment] / "bin" / "python"
    result = subprocess.run([executable, "-c", code], env=clean, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def importable(study: Study, environment: str, modules: list[str]) -> set[str]:
    """Those of the modules that an environment finds."""
    code = f"from importlib.util import find_spec\nprint(*[m for m in {modules} if find_spec(m)])"
    return set(python(study, environment, code).split())


def test_the_study_runs_to_its_report(study):
    metrics = table(study.folder, "metrics")
    assert (metrics.status == "ok").all() and set(metrics.method) >= {
        "persistence",
        "tiny_egnn",
        "tiny_e3nn",
    }
    assert "tiny_egnn" in (study.folder / "reports/report.html").read_text()


def test_every_job_ran_in_the_python_of_the_environment_that_its_rule_names(study):
    folders, seen = prefixes(study), set()
    for rule, environment, log in jobs(study):
        prefix = re.match(r"# (\S+) python 3", log.read_text())
        assert prefix and Path(prefix[1]) == folders[environment], (
            f"{rule}: {log.read_text()[:200]}"
        )
        seen.add(Path(prefix[1]))
    assert seen == set(folders.values()) and len(seen) == len(ENVIRONMENTS)
    assert Path(sys.prefix) not in seen and Path(sys.base_prefix) not in seen


def test_every_log_is_that_of_a_recorded_job(study):
    logs = set((study.folder / "results/logs").rglob("*.log"))
    assert logs == {log for _, _, log in jobs(study)} and logs


def test_the_rules_of_a_framework_name_its_environment(study):
    named = {rule: environment for rule, environment, _ in jobs(study)}
    assert {"train_numpy", "train_jax", "train_torch"} <= {
        rule.removesuffix("_gpu") for rule in named
    }
    for rule, environment in named.items():
        framework = [FRAMEWORK[word] for word in rule.split("_") if word in FRAMEWORK]
        assert framework in ([], [environment]), f"{rule} runs in envs/{environment}.yaml"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_imports_the_packages_it_names(study, environment):
    named = [
        IMPORT_NAME.get(name, name) for name in pins(ENVIRONMENTS[environment]) if name != "python"
    ]
    python(study, environment, f"import {', '.join(named)}")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_package_of_another_environment_cannot_be_imported(study, environment):
    has = {environment} | HAS_TOO.get(environment, set())
    others = [module for name, modules in OWN.items() if name not in has for module in modules]
    assert importable(study, environment, OWN[environment]) == set(OWN[environment])
    assert importable(study, environment, others + ["snakemake", "pytest"]) == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_looks_for_packages_in_its_own_folder_only(study, environment):
    paths = python(
        study, environment, "import sys; print(*filter(None, sys.path), sep='\\n')"
    ).splitlines()
    folder = prefixes(study)[environment]
    assert paths and all(Path(path).is_relative_to(folder) for path in paths), paths


def test_no_job_sees_packages_on_pythonpath_or_of_the_user(study):
    seen = study.outside / "seen.txt"
    by_jobs = seen.read_text().splitlines()
    assert not [
        line
        for line in by_jobs
        for prefix in prefixes(study).values()
        if line.endswith(f" {prefix}")
    ]
    # what could have been seen: by the Python that runs snakemake, and by one that looks at the
    # user's packages
    python(study, "data", "", PYTHONNOUSERSITE="", PYTHONUSERBASE=study.variables["PYTHONUSERBASE"])
    assert f"sitecustomize {sys.prefix}" in by_jobs
    assert f"usercustomize {prefixes(study)['data']}" in seen.read_text().splitlines()


def test_a_model_with_an_environment_of_its_own_runs_in_it(study, tmp_path):
    folder = checkout(tmp_path / "own")
    shutil.copy(FOREST, folder / "workflow/scripts/equitraj/models")
    shutil.copy(SCIKIT, folder / "envs")
    (tmp_path / "own.yaml").write_text(
        "methods: { forest: { model: forest } }\nstudy: { tasks: [tiny_k3], methods: [forest], "
        "seeds: [0] }"
    )
    kept = study.folder / ".snakemake/conda"  # the other environments are those of the study
    target = "results/runs/tiny_k3/forest/nall/seed0/metrics.json"
    result = snakemake(
        folder,
        target,
        "--conda-prefix",
        str(kept),
        "--sdm",
        "conda",
        also=tmp_path / "own.yaml",
        **study.variables,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert json.loads((folder / target).read_text())["status"] == "ok"
    (made,) = (
        copy.with_suffix("")
        for copy in kept.glob("*_.yaml")
        if copy.read_text() == SCIKIT.read_text()
    )
    for step in ("train", "evaluate"):
        prefix = re.match(
            r"# (\S+) python 3", (folder / f"results/logs/{step}/tiny_k3/forest.log").read_text()
        )
        assert prefix and Path(prefix[1]) == made
    assert importable(study, "data", ["sklearn"]) == set()


def test_a_second_run_has_nothing_to_do_and_makes_no_environment(study):
    again = run(study)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout, again.stdout[-3000:]
    all_jobs = run(study, "--forceall", "--conda-create-envs-only")
    assert all_jobs.returncode == 0 and "Creating conda environment" not in all_jobs.stdout, (
        all_jobs.stdout[-3000:]
    )


def test_a_container_would_hold_every_environment(bench):
    result = run(bench, "--containerize")
    assert result.returncode == 0, result.stdout[-3000:]
    for path in ENVIRONMENTS.values():
        lines = [line for line in path.read_text().splitlines() if "=" in line]
        assert f"envs/{path.name}" in result.stdout and all(
            line in result.stdout for line in lines
        ), path
    assert result.stdout.count("conda env create") == len(ENVIRONMENTS)


def test_a_pin_that_does_not_exist_fails_in_the_words_of_the_solver(bench, tmp_path):
    folder = shutil.copytree(
        bench.folder, tmp_path / "study", ignore=shutil.ignore_patterns(".snakemake", "results")
    )
    pinned = folder / "envs/data.yaml"
    pinned.write_text(re.sub(r"numpy =\S+", "numpy =99.99", pinned.read_text()))
    result = run(
        bench._replace(folder=folder), "results/data/tiny/raw.h5", "--conda-create-envs-only"
    )
    assert result.returncode != 0 and "Could not create conda environment" in result.stdout, (
        result.stdout[-3000:]
    )
    assert re.search(r"numpy.{0,3}99\.99", result.stdout), result.stdout[-3000:]
    assert real_conda() or "No candidates were found for numpy 99.99.*" in result.stdout, (
        result.stdout[-3000:]
    )
