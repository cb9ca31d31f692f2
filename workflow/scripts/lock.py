"""Write envs/NAME.lock.txt beside each envs/NAME.yaml: every package that pip would install, with
version and sha256.

python workflow/scripts/lock.py      (needs `pip install uv`, and a network that reaches PyPI)

`pip install --require-hashes -r envs/torch.lock.txt` then installs exactly these files, or fails.
For conda, the command `snakedeploy pin-conda-envs envs/*.yaml` writes the same of conda's packages;
Snakemake takes such a file where it stands.
"""

import shutil
import subprocess
from pathlib import Path

import yaml

from equitraj.base import command
from equitraj.base.files import atomic

ENVS = Path(__file__).parents[2] / "envs"
PYPI_NAME = {
    "matplotlib-base": "matplotlib",
    "pytorch": "torch",
    "pytorch_geometric": "torch-geometric",
}
PYPI_NAME |= {"python-vesin": "vesin"}


def requirements(environment: Path) -> tuple[str, list[str]]:
    """Return the Python version of an environment, and its other packages as pip names them."""
    lines = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
    pins = dict(line.split(" =") for line in lines)
    python = pins.pop("python")
    named = [(PYPI_NAME.get(name, name), version) for name, version in pins.items()]
    return python, [f"{name}=={version}" for name, version in named]


def main() -> None:
    if not (uv := shutil.which("uv")):
        raise ValueError("uv: not installed; pip install uv")
    for environment in sorted(ENVS.glob("*.yaml")):
        python, pins = requirements(environment)
        options = ["--universal", "--generate-hashes", "--no-annotate", "--no-header", "--quiet"]
        call = [uv, "pip", "compile", "-", "--python-version", python, *options]
        done = subprocess.run(call, input="\n".join(pins), capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{environment}: {done.stderr.strip()}")
        head = f"# Made of {environment.name} by: python workflow/scripts/lock.py\n"
        with atomic(environment.with_suffix(".lock.txt")) as path:
            path.write_text(head + done.stdout, encoding="utf-8")


if __name__ == "__main__":
    command.run(main)
