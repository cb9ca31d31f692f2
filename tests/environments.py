"""The conda environments of envs/: their pins, and what a package is called by conda, by PyPI and
by Python."""

import re
from pathlib import Path

import yaml

from lock import PYPI_NAME
from study import REPOSITORY

ENVIRONMENTS = {path.stem: path for path in sorted((REPOSITORY / "envs").glob("*.yaml"))}
CONDA_NAME = {pypi: conda for conda, pypi in PYPI_NAME.items()}
IMPORT_NAME = {
    "pytorch": "torch",
    "pytorch_geometric": "torch_geometric",
    "matplotlib-base": "matplotlib",
}
IMPORT_NAME |= {
    "mdanalysis": "MDAnalysis",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "python-vesin": "vesin",
}


def pins(environment: Path) -> dict[str, str]:
    """Package to version, as an environment file pins them."""
    lines = yaml.safe_load(environment.read_text())["dependencies"]
    return dict(re.fullmatch(r"([\w.-]+) =([\w.]+)", line).groups() for line in lines)
