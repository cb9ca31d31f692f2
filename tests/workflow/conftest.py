"""The real workflow, run once for all tests on tiny data, in a copy of the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "studies")
TINY = Path(__file__).with_name("tiny.yaml")


def checkout(folder: Path) -> Path:
    """A copy of the workflow in `folder`."""
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def snakemake(folder: Path, *arguments: str, configfile: Path = TINY) -> subprocess.CompletedProcess:
    """Run snakemake in `folder`; output and errors together in `stdout`."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--configfile", str(configfile)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A checkout in which the tiny study has run."""
    folder = checkout(tmp_path_factory.mktemp("tiny"))
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout[-6000:]
    return folder


@pytest.fixture()
def fresh(tmp_path) -> Path:
    """A checkout in which nothing has run."""
    return checkout(tmp_path)
