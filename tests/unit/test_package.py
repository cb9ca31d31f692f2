"""The package as it is installed: the wheel, in a fresh environment, with nothing beside it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from equitraj.base.files import read_json, write_json
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.training import run as training
from equitraj.training.method import Method
from study import REPOSITORY

TASK = {"name": "space_k2", "source": "chain_in_space", "history": 2, "lag": 1}
RUN = Path("results/runs/space_k2/autoregression/nall/seed0")
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}


def call(*words: object, folder: Path) -> str:
    """What a command prints, with nothing of this environment but how to reach an index of
    packages."""
    kept = {
        k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy")
    }
    clean = kept | {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [str(w) for w in words], cwd=folder, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def pip_of(python: Path) -> list[object]:
    """The pip of this environment, at work in another."""
    return [sys.executable, "-m", "pip", "--python", python]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(REPOSITORY / "workflow/scripts/equitraj", source / "workflow/scripts/equitraj")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    call(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "-w",
        folder,
        source,
        folder=folder,
    )
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    python = folder / "venv/bin/python"
    call(
        *pip_of(python),
        "install",
        "--quiet",
        "--no-compile",
        next(folder.glob("*.whl")),
        folder=folder,
    )
    return python


@pytest.fixture(scope="module")
def study(chain, tmp_path_factory) -> Path:
    """A folder with the results of one trained closed form."""
    folder = tmp_path_factory.mktemp("study")
    results = folder / "results"
    lifted, none = results / "data/chain_in_space/lifted.h5", results / "aligned/space_k2/none.h5"
    write(lifted, chain)
    align(lifted, TASK, "none", {"frames": "none", "options": {}}, none)
    method = Method("autoregression", "autoregression")
    training.run(TASK, method, "all", [0], lifted, none, folder / RUN.parent)
    return folder


def test_the_lines_of_readme_run_in_a_fresh_environment(python, study):
    text = (REPOSITORY / "README.md").read_text()
    (lines,) = (
        code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "import equitraj" in code
    )
    assert len(lines.strip().splitlines()) == 4
    printed = call(python, "-c", lines, folder=study)
    rotation = next(line for line in printed.splitlines() if line.split()[:1] == ["rotation"])
    assert rotation.split()[1:3] == ["exact", "exact"]


def test_a_missing_framework_is_told_with_the_extra_that_brings_it(python, study):
    record = read_json(study / RUN / "run.json")
    record |= {"framework": "jax", "method": record["method"] | {"name": "mine", "model": "egnn"}}
    network = study / "network"
    shutil.copytree(study / RUN, network)
    write_json(network / "run.json", record)
    code = (
        "import equitraj\ntry: equitraj.load('network')\nexcept ImportError as error: print(error)"
    )
    printed = call(python, "-c", code, folder=study)
    assert printed == "network: mine needs equinox; pip install 'equitraj[jax]'\n"


def test_the_installed_package_has_its_version_and_no_framework(python, tmp_path):
    version = call(python, "-c", "import equitraj; print(equitraj.__version__)", folder=tmp_path)
    assert f'\nversion = "{version.strip()}"\n' in (REPOSITORY / "pyproject.toml").read_text()
    listed = json.loads(call(*pip_of(python), "list", "--format=json", folder=tmp_path))
    installed = {package["name"] for package in listed}
    assert "equitraj" in installed and not installed & {
        "jax",
        "torch",
        "pandas",
        "matplotlib",
        "snakemake",
    }
