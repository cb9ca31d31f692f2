"""Small data that tests share."""

import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from study import MIRROR, MIRROR_MISSING, REPOSITORY, checkout, snakemake

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault(
    "CUDA_VISIBLE_DEVICES", ""
)  # the same numbers on machines with and without a GPU
# The studies and tests train the same few networks again and again: the first process compiles each
# for all.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(REPOSITORY / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Programs that run for milliseconds are compiled in a third of the time without optimisation; the
# others are the flags of `equitraj.training.jax`, which test_compiled.py leaves as they are.
XLA_FLAGS = "--xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", f"{XLA_FLAGS} --xla_backend_optimization_level=0")

# an example takes as long as the machine lets it
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def chain():
    """A planar chain of 5 points over 120 frames: smooth random motion, drifting and bending."""
    from equitraj.data.trajectory import Trajectory

    rng = np.random.default_rng(0)
    time = np.arange(120.0)
    phase, amplitude = rng.uniform(0, 6, (2, 5, 2)), 0.2 * rng.normal(size=(5, 2))
    planar = np.arange(5)[:, None] * [0.4, 0.1] + amplitude * np.sin(
        0.15 * time[:, None, None] + phase[0]
    )
    position = np.concatenate([planar + 0.01 * time[:, None, None], np.zeros((120, 5, 1))], axis=-1)
    bonds = np.stack([np.arange(4), np.arange(1, 5)], axis=1)
    return Trajectory(position, np.zeros(120, int), time, bonds=bonds)


@pytest.fixture(scope="session")
def paths():
    """The chapters' trajectory, lifted with z = 0; skipped where its mirror is not at hand."""
    if MIRROR_MISSING:
        pytest.skip(f"no {MIRROR}/paths.npz; the workflow downloads it, tests do not")
    from equitraj.data.trajectory import Trajectory

    planar = np.load(MIRROR / "paths.npz")["arr"]
    position = np.concatenate([planar, np.zeros((*planar.shape[:2], 1))], axis=-1)
    bonds = np.stack([np.arange(11), np.arange(1, 12)], axis=1)
    return Trajectory(
        position, np.zeros(len(position), int), np.arange(float(len(position))), bonds=bonds
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A checkout in which the tiny study has run; the processes that share the tests share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny_study"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            result = snakemake(checkout(folder))
            assert result.returncode == 0, result.stdout[-6000:]
        assert (folder / "reports/report.html").exists(), (
            f"the tiny study failed in {folder}, as said elsewhere"
        )
    return folder


@pytest.fixture()
def fresh(tmp_path) -> Path:
    """A checkout in which nothing has run."""
    return checkout(tmp_path)
