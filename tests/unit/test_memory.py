"""A method that compares more pairs of points than memory holds is refused, at parsing or in its
first job."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from equitraj.base import memory, registry
from equitraj.base.allowed import Option
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames.run import run as align
from equitraj.study import config, fits
from equitraj.training.method import Method
from equitraj.training.run import run as train
from study import REPOSITORY, TINY, merged

SPEC = replace(
    registry.model_spec("mlp"), all_pairs="max_radius", hyperparameters={"max_radius": Option(0.0)}
)


@pytest.fixture
def study(monkeypatch):
    """A study of 10,000 simulated beads, whose pairs take 64 x 10^8 x 32 numbers of 4 bytes with
    EGNN: 819 GB."""
    monkeypatch.chdir(REPOSITORY)
    whole = merged(
        *(yaml.safe_load(path.read_text()) for path in (REPOSITORY / "config.yaml", TINY))
    )
    name = whole["study"]["tasks"][0]
    source = whole["sources"][whole["tasks"][name]["source"]]
    source["options"] = source.get("options", {}) | {"beads": 10_000}
    whole["methods"]["pairs"] = {
        "model": "egnn",
        "options": {"width": 32},
        "training": {"batch_size": 64},
    }
    whole["study"] |= {"methods": ["persistence", "pairs"], "tasks": [name]}
    return whole


def test_what_exceeds_memory_is_refused_at_parsing_with_its_size(study):
    with pytest.raises(
        ValueError,
        match="methods.pairs: egnn compares all pairs of 10000 points, .* at least 819 GB",
    ):
        config.check(study | {"memory_gb": 800})
    config.check(study | {"memory_gb": 820})


def test_without_a_limit_it_is_the_memory_of_this_machine(study, monkeypatch):
    monkeypatch.setattr(memory, "machine", lambda: 1e12)
    fits.check_memory("pairs", study, 10_000)
    monkeypatch.setattr(memory, "machine", lambda: 1e11)
    with pytest.raises(ValueError, match="of 100 GB"):
        fits.check_memory("pairs", study, 10_000)
    fits.check_memory("pairs", study, None)  # too little is known


def test_a_cutoff_takes_a_method_off_the_list():
    method = {"options": {}, "training": {"batch_size": 1, "precision": "float64"}}
    with pytest.raises(ValueError, match="set options.max_radius to the distance"):
        memory.check("m", "near", SPEC, method, 1000, 1e6)
    memory.check("m", "near", SPEC, method | {"options": {"max_radius": 0.3}}, 1000, 1e6)
    assert memory.needed(SPEC, {}, method["training"], 1000) == 1000**2 * memory.PAIR_NUMBERS * 8
    assert not memory.takes_all_pairs(registry.model_spec("mlp"), {})


def test_the_first_job_that_knows_the_points_refuses_it(tmp_path, monkeypatch):
    position = np.random.default_rng(0).normal(size=(12, 40, 3))
    write(tmp_path / "a.h5", Trajectory(position, np.zeros(12, int), np.arange(12.0)))
    task = {
        "name": "t",
        "history": 1,
        "lag": 1,
        "split": {"by": "time", "train": 4, "validation": 3, "test": 3},
    }
    align(tmp_path / "a.h5", task, "none", {"frames": "none", "options": {}}, tmp_path / "b.h5")
    monkeypatch.setattr(memory, "machine", lambda: 1e6)
    with pytest.raises(ValueError, match="methods.m: egnn compares all pairs of 40 points"):
        train(task, Method("m", "egnn"), "all", [0], tmp_path / "a.h5", tmp_path / "b.h5", tmp_path)
