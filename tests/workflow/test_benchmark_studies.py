"""The studies of published benchmarks: all plan, and two run to their tables on small files of the
same layouts."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from equitraj.data.sources.reading import read_file
from mocap_files import SKELETON, angles, written_motion
from study import REPOSITORY, snakemake, table

BASELINES = ["persistence", "constant_velocity", "autoregression"]


@pytest.mark.parametrize("name", ["motion", "md17", "adk"])
def test_a_study_plans_its_runs_without_its_data(fresh, name):
    plan = snakemake(fresh, "--dry-run", configfile=REPOSITORY / f"studies/{name}.yaml")
    assert plan.returncode == 0, plan.stdout
    jobs = dict(
        line.split()
        for line in plan.stdout.splitlines()
        if line.startswith(("fetch ", "train_numpy "))
    )
    assert jobs["fetch"] == {"motion": "2", "md17": "2", "adk": "1"}[name], jobs


def ran(folder: Path, study: str, task: str, **changes: dict):
    """The errors of the baselines on a task of a study, by method; its files are in the folder
    `mirror`."""
    overlay = {"mirror": "mirror", "study": {"tasks": [task], "methods": BASELINES}} | changes
    (folder / "small.yaml").write_text(yaml.safe_dump(overlay))
    target = "results/tables/metrics.csv"
    files = {"configfile": folder / f"studies/{study}.yaml", "also": folder / "small.yaml"}
    done = snakemake(folder, target, **files)
    assert done.returncode == 0, done.stdout
    rows = table(folder, "metrics")
    assert set(rows["status"]) == {"ok"}
    return rows.groupby("method")["mse"].first()


def test_motion_capture_from_a_mirror_to_its_table(fresh):
    """The protocol's error of constant velocity, as its code has it: x(t) + 30 (x(t+1) - x(t)) at t
    + 30."""
    (fresh / "mirror").mkdir()
    (fresh / "mirror/09.asf").write_text(SKELETON)
    for trial in range(11):
        written_motion(fresh / f"mirror/09_{trial + 1:02}.amc", angles(130, trial))
    mse = ran(fresh, "motion", "run_30")
    squares = {"persistence": [], "constant_velocity": []}
    for trial in (3, 7, 8):  # the published test trials
        here = {
            "path": str(fresh / f"mirror/09_{trial + 1:02}.amc"),
            "topology": str(fresh / "mirror/09.asf"),
        }
        x = read_file(here).position
        start = np.arange(90)
        velocity = x[start + 1] - x[start]
        squares["constant_velocity"].append((x[start] + 30 * velocity - x[start + 30]) ** 2)
        squares["persistence"].append((x[start + 1] - x[start + 30]) ** 2)
    for method, each in squares.items():
        assert mse[method] == pytest.approx(np.mean(each), rel=1e-6)
    assert mse["autoregression"] < mse["persistence"] < mse["constant_velocity"]


def test_md17_from_a_mirror_to_its_table(fresh):
    (fresh / "mirror").mkdir()
    random = np.random.default_rng(0)
    position = random.normal(size=(600, 9, 3)).cumsum(axis=0).cumsum(axis=0)  # goes on as it went
    species = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1], np.uint8)
    np.savez(
        fresh / "mirror/md17_ethanol.npz", R=position, z=species, E=np.zeros((600, 1)), F=position
    )
    split = {"by": "random", "seed": 100, "train": 200, "validation": 100, "test": 100}
    changes = {
        "sources": {"ethanol": {"start": 10, "stop": 590, "frames": 580}},
        "tasks": {"ethanol": {"lag": 5, "split": split}},
    }
    mse = ran(fresh, "md17", "ethanol", **changes)
    assert mse["autoregression"] <= 1.05 * mse["constant_velocity"] < 0.5 * mse["persistence"]
    splits = table(fresh, "splits")
    assert splits.set_index("split")["samples"].to_dict() == {
        "train": 200,
        "validation": 100,
        "test": 100,
    }
