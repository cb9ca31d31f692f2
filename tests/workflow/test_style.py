"""The workflow and the code are clean by the tools that say so."""

import subprocess
import sys
from pathlib import Path

import pytest

from study import REPOSITORY, snakemake

BIN = Path(sys.executable).parent
COMMANDS = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "snakefmt": [BIN / "snakefmt", "--check", "Snakefile", "workflow/rules"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_code_is_clean(name):
    result = subprocess.run(COMMANDS[name], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_snakemake_lint_is_clean(fresh):
    result = snakemake(fresh, "--lint")
    assert result.returncode == 0, result.stdout
