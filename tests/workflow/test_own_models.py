"""Models of a user's own reach the report by files and configuration alone, as docs/add-a-model.md
says."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from study import PARTS, REPOSITORY, TINY, checkout, environment, snakemake, table

MODELS = REPOSITORY / "tests/models"
NEEDED = ("tests/conftest.py", "tests/study.py", "tests/unit/test_models.py", "pyproject.toml")
STUDY = """
sources:
  springs:
    kind: file
    path: springs.npz
    arrays: { position: x, velocity: v, mass: m, charge: q, time: t }
    bonds: none
tasks:
  springs:
    source: springs
    history: 1
    lag: 1
    inputs: [velocity, mass, charge]
    split: { by: time, train: 0.6, validation: 0.2, test: 0.2 }
methods:
  mine: { model: leapfrog, alignment: centre_of_mass, training: { epochs: 60, batch_size: 16, learning_rate: 0.01 } }
  dense: { model: dense, alignment: centre_of_mass, training: { epochs: 2, batch_size: 16 } }
  forest: { model: forest }
  ridge: { model: kernel_ridge }
study:
  tasks: [springs]
  methods: [persistence, constant_velocity, mine, dense, forest, ridge]
  seeds: [0]
  figures: [accuracy, audit_matrix]
audit: { samples: 4, elements: 1 }
"""


def springs() -> dict[str, np.ndarray]:
    """Two trials of four points, each pair on a spring of strength m_i m_j / M: x'' = -(x - centre
    of mass)."""
    rng, time = np.random.default_rng(0), 0.2 * np.arange(70.0)
    mass, charge = np.array([1.0, 2.0, 1.0, 4.0]), np.array([1.0, -1.0, 1.0, 1.0])
    amplitude, phase = rng.normal(size=(2, 1, 4, 3)), rng.uniform(0, 6, (2, 1, 4, 1))
    drift, t = 0.1 * rng.normal(size=(2, 1, 1, 3)), time[None, :, None, None]

    def about_the_centre(y: np.ndarray) -> np.ndarray:
        return y - (mass[:, None] * y).sum(2, keepdims=True) / mass.sum()

    x = about_the_centre(amplitude * np.sin(t + phase)) + drift * t
    v = about_the_centre(amplitude * np.cos(t + phase)) + drift
    return {"x": x, "v": v, "m": mass, "q": charge, "t": time}


def digests(folder: Path) -> dict[str, str]:
    """The files of a checkout, and what is in them."""
    files = [
        path
        for part in PARTS
        for path in [folder / part, *(folder / part).rglob("*")]
        if path.is_file()
    ]
    kept = [path for path in files if "__pycache__" not in path.parts]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in kept
    }


def example() -> tuple[str, str]:
    """Path and code of the example in docs/add-a-model.md."""
    page = (REPOSITORY / "docs/add-a-model.md").read_text()
    return re.search(r"`(workflow/\S+\.py)`:\n\n```python\n(.*?)```", page, re.S).groups()


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A checkout with the models, the environment and the study of a user, run to its report; its
    files before that."""
    folder = checkout(tmp_path_factory.mktemp("own"))
    before = digests(folder)
    path, code = example()
    (folder / path).write_text(code)
    for model in MODELS.glob("*.py"):
        shutil.copy(model, folder / "workflow/scripts/equitraj/models")
    shutil.copy(MODELS / "scikit.yaml", folder / "envs")
    np.savez(folder / "springs.npz", **springs())
    (folder / "studies/own.yaml").write_text(STUDY)
    result = snakemake(folder, configfile=TINY, also=folder / "studies/own.yaml")
    assert result.returncode == 0, result.stdout[-6000:]
    return folder, before


def test_every_model_has_its_row_and_its_audit(own):
    metrics, audit = (table(own[0], name) for name in ("metrics", "audit"))
    assert dict(zip(metrics.method, metrics.status, strict=True)) == dict.fromkeys(
        ["persistence", "constant_velocity", "mine", "dense", "forest", "ridge"], "ok"
    )
    error = metrics.set_index("method").mse
    assert error["mine"] < error["constant_velocity"] < error["persistence"]
    trained = audit[audit.weights == "trained"]
    assert set(trained.method) == set(metrics.method)
    assert (
        not trained[(trained.agrees == "no")][["method", "generator", "dtype"]].to_numpy().tolist()
    )
    exact = trained[(trained.method == "mine") & (trained.claim == "exact")]
    assert {"rotation", "mirror", "permutation", "euclidean"} <= set(exact.generator)
    page = (own[0] / "reports/report.html").read_text()
    assert all(f">{name}<" in page for name in ("mine", "dense", "forest", "ridge"))


def test_no_file_of_the_project_was_touched(own):
    folder, before = own
    after = digests(folder)
    assert {name: after[name] for name in before} == before
    added = {name for name in after if name not in before}
    names = {
        f"workflow/scripts/equitraj/models/{m}.py"
        for m in ("leapfrog", *(path.stem for path in MODELS.glob("*.py")))
    }
    assert added == names | {"envs/scikit.yaml", "studies/own.yaml"}


def test_the_tests_that_the_page_names_pass(own):
    folder = own[0]
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    page = (REPOSITORY / "docs/add-a-model.md").read_text()
    words = re.search(r"`python (-m pytest \S+ -k leapfrog)`", page)[1].split()
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0 and re.search(r"\b[1-9]\d* passed", done.stdout + done.stderr), (
        done.stdout[-3000:]
    )
