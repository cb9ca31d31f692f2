"""What is exported from a run opens in MDAnalysis and ASE, and is what evaluation predicted or a
rollout gives."""

import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import ase.io
import h5py
import MDAnalysis
import numpy as np
import pytest
from safetensors.numpy import load_file

import evaluate
from called import called
from equitraj.base.files import read_json, write_json
from equitraj.data import writers
from equitraj.data.sources.reading import read_file
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames.run import run as align
from equitraj.prediction import export
from equitraj.training import run as training
from equitraj.training.method import Method
from study import REPOSITORY

TASK = {"name": "k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
METHOD = Method("autoregression", "autoregression", "none", "none", {}, {})


@pytest.fixture(scope="module")
def nanometres(chain) -> Trajectory:
    """The chain with units, velocities, masses and charges, far from the origin, 0.5 ps between
    frames."""
    velocity = np.gradient(chain.position, 0.5, axis=0)
    moved = replace(
        chain,
        position=chain.position + 20.0,
        time=0.5 * chain.time,
        velocity=velocity,
        mass=np.arange(5) + 1.0,
    )
    return replace(
        moved,
        length_unit="nm",
        time_unit="ps",
        features={"charge": np.array([[1.0], [-1], [0], [2], [-2]])},
    )


@pytest.fixture(scope="module")
def run_folder(nanometres, tmp_path_factory) -> Path:
    """An evaluated run where the workflow puts it."""
    results = tmp_path_factory.mktemp("study") / "results"
    lifted, runs = results / "data/chain/lifted.h5", results / "runs/k3/autoregression/nall"
    write(lifted, nanometres)
    align(lifted, TASK, "none", {"frames": "none", "options": {}}, results / "none.h5")
    training.run(TASK, METHOD, "all", [0], lifted, results / "none.h5", runs)
    evaluate.evaluate(runs / "seed0", nanometres, 10, 4)
    return runs / "seed0"


def run_script(*arguments: object) -> subprocess.CompletedProcess:
    return called("export.py", *arguments)


def opened(topology: Path, path: Path) -> MDAnalysis.Universe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of elements that beads do not have
        return MDAnalysis.Universe(str(topology), str(path))


def predicted(folder: Path) -> dict[str, np.ndarray]:
    with h5py.File(folder / "predictions.h5") as file:
        return {name: file[name][()] for name in ("newest", "prediction", "target")}


@pytest.mark.parametrize("suffix", ["xtc", "xyz"])
def test_mdanalysis_opens_predictions_and_truth(run_folder, nanometres, tmp_path, suffix):
    done = run_script(run_folder, "--output", tmp_path / f"a.{suffix}")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        f"a.{suffix}",
        f"a_truth.{suffix}",
        "a.pdb",
    }
    expected = predicted(run_folder)
    motion = np.sqrt(np.mean(np.diff(nanometres.position, axis=0) ** 2))
    for name, key in ((f"a.{suffix}", "prediction"), (f"a_truth.{suffix}", "target")):
        universe = opened(tmp_path / "a.pdb", tmp_path / name)
        position = universe.trajectory.timeseries(order="fac")
        # promised of XTC; MDAnalysis itself holds coordinates in single precision
        assert np.abs(position / 10 - expected[key]).max() < 0.01 * motion
        assert universe.bonds.indices.tolist() == nanometres.bonds.tolist()
        if suffix == "xtc":
            assert [f.time for f in universe.trajectory] == nanometres.time[
                expected["newest"] + 1
            ].tolist()
            assert [f.data["step"] for f in universe.trajectory] == (
                expected["newest"] + 1
            ).tolist()


def test_ase_opens_extended_xyz_with_every_digit(run_folder, nanometres, tmp_path):
    run_script(run_folder, "--output", tmp_path / "a.xyz")
    ours, truth = (ase.io.read(tmp_path / name, index=":") for name in ("a.xyz", "a_truth.xyz"))
    expected = predicted(run_folder)
    frame = expected["newest"] + 1
    np.testing.assert_array_equal([a.positions for a in ours], 10 * expected["prediction"])
    np.testing.assert_array_equal([a.positions for a in truth], 10 * expected["target"])
    error = 10 * np.linalg.norm(expected["prediction"] - expected["target"], axis=-1)
    np.testing.assert_allclose(
        [a.arrays["error"] for a in ours], error, rtol=1e-9
    )  # of values lost by cancellation
    np.testing.assert_array_equal(
        [a.arrays["velocity"] for a in truth], 10 * nanometres.velocity[frame]
    )
    assert "velocity" not in ours[0].arrays  # a method predicts positions
    assert [a.info["time"] for a in ours] == nanometres.time[frame].tolist()
    assert [a.info["step"] for a in ours] == frame.tolist() and {
        a.info["episode"] for a in ours
    } == {0}
    assert ours[0].get_chemical_symbols() == ["X"] * 5 and not ours[0].pbc.any()


def test_our_own_source_reads_what_was_exported(run_folder, nanometres, tmp_path):
    """From a lifted trajectory to a file and back, with what belongs to the points."""
    run_script(run_folder, "--output", tmp_path / "a.xyz")
    read = read_file({"path": str(tmp_path / "a_truth.xyz"), "time_step": 0.5})
    frame = predicted(run_folder)["newest"] + 1
    np.testing.assert_array_equal(read.position, 10 * nanometres.position[frame])
    np.testing.assert_array_equal(read.velocity, 10 * nanometres.velocity[frame])
    np.testing.assert_array_equal(read.mass, nanometres.mass)
    np.testing.assert_array_equal(read.features["charge"], nanometres.features["charge"])


def test_species_are_called_as_in_the_file_that_they_came_from(nanometres, tmp_path):
    named = replace(
        nanometres, species=np.array([0, 1, 1, 0, 1]), provenance={"species": ["C", "O"]}
    )
    writers.write_xyz(tmp_path / "a.xyz", named, np.arange(120), 1.0)
    assert ase.io.read(tmp_path / "a.xyz").get_chemical_symbols() == ["C", "O", "O", "C", "O"]
    writers.write_topology(tmp_path / "a.pdb", named)
    assert opened(tmp_path / "a.pdb", tmp_path / "a.xyz").atoms.names.tolist() == [
        "C",
        "O",
        "O",
        "C",
        "O",
    ]
    beads = replace(named, provenance={"species": ["head", "tail"]})
    writers.write_xyz(tmp_path / "b.xyz", beads, np.arange(120), 1.0)
    assert ase.io.read(tmp_path / "b.xyz").get_chemical_symbols() == ["X"] * 5
    writers.write_xyz(tmp_path / "c.xyz", replace(named, provenance={}), np.arange(120), 1.0)
    assert ase.io.read(tmp_path / "c.xyz").arrays["species_number"].tolist() == [0, 1, 1, 0, 1]


def test_a_rollout_feeds_back_its_own_predictions(run_folder, nanometres, tmp_path):
    run_script(
        run_folder, "--what", "rollout", "--start", 95, "--steps", 7, "--output", tmp_path / "a.xyz"
    )
    (weights,) = (
        v
        for k, v in load_file(run_folder / "model.safetensors").items()
        if k.startswith("trained/")
    )
    past = list(nanometres.position[93:96])
    for _ in range(7):
        past.append(past[-1] + np.einsum("k,knc->nc", weights, np.diff(past[-3:], axis=0)))
    frames = ase.io.read(tmp_path / "a.xyz", index=":")
    # the fitted weights are applied to displacements in float32, whose digits seven steps add up
    motion = np.abs(np.diff(nanometres.position, axis=0)).max()
    np.testing.assert_allclose(
        [a.positions / 10 for a in frames], past[3:], atol=7 * 2**-23 * motion * 10
    )
    assert [a.info["time"] for a in frames] == nanometres.time[96:103].tolist()


def test_a_rollout_starts_where_those_of_evaluation_do(run_folder, nanometres):
    newest = predicted(run_folder)["newest"]
    assert export.rollout(run_folder, nanometres, steps=10).frame[0] == newest[0] + 1
    assert (
        len(export.rollout(run_folder, nanometres).frame) == 119 - newest[0]
    )  # as far as there is truth


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "a.dcd"], "a.dcd: unknown suffix '.dcd'; allowed: .xtc, .xyz, .extxyz"),
        (
            ["--what", "rollout", "--start", "118", "--steps", "9", "--output", "a.xyz"],
            "frames 0 to 119.* at most 1",
        ),
        (
            ["--what", "rollout", "--start", "1", "--output", "a.xyz"],
            "needs 3 frames up to its start",
        ),
        (["--trajectory", "missing.h5", "--output", "a.xyz"], "missing.h5"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(run_folder, tmp_path, arguments, expected):
    done = run_script(run_folder, *arguments[:-1], tmp_path / arguments[-1])
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2, done.stderr
    assert re.search(expected, done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_failed_run_has_nothing_to_export(run_folder, nanometres, tmp_path):
    record = read_json(run_folder / "run.json")
    failed = run_folder.parent / "seed1"
    failed.mkdir(exist_ok=True)
    shutil.copy(run_folder / "model.safetensors", failed)
    write_json(
        failed / "run.json", record | {"status": "failed: the loss is not finite", "seed": 1}
    )
    evaluate.evaluate(failed, nanometres, 10, 4)
    for what in ("predictions", "rollout"):
        done = run_script(failed, "--what", what, "--output", tmp_path / "a.xtc")
        assert (
            "error:" in done.stderr and "ended with: failed: the loss is not finite" in done.stderr
        )
    with pytest.raises(ValueError, match="predictions of another trajectory"):
        export.predictions(run_folder, replace(nanometres, position=nanometres.position + 1))


def moving(scale: float) -> Trajectory:
    """Reduced units: coordinates near 27, and steps of a random walk of `scale`."""
    walk = np.cumsum(scale * np.random.default_rng(0).normal(size=(40, 12, 3)), axis=0)
    return Trajectory(27.0 + walk, np.zeros(40, int), np.arange(40.0))


@pytest.mark.parametrize(("scale", "rounding"), [(2.0, "1e-02"), (5e-3, "1e-05")])
def test_xtc_rounds_away_less_than_a_hundredth_of_the_motion(tmp_path, scale, rounding):
    frames = moving(scale)
    words = writers.write_xtc(tmp_path / "a.xtc", frames, np.arange(40), scale)
    assert f"rounded to {rounding} Angstrom" in words
    writers.write_topology(tmp_path / "a.pdb", frames)
    read = opened(tmp_path / "a.pdb", tmp_path / "a.xtc").trajectory.timeseries(order="fac")
    assert 0 < np.abs(read - frames.position).max() <= 0.01 * scale


def test_xtc_is_refused_where_single_precision_would_show_no_motion(tmp_path):
    """Single precision has steps of 2e-6 at 27."""
    with pytest.raises(
        ValueError, match="keeps coordinates of 27 Angstrom in single precision.*write .xyz"
    ):
        writers.write_xtc(tmp_path / "a.xtc", moving(5e-5), np.arange(40), 5e-5)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::UserWarning")  # of elements that beads do not have
def test_the_examples_of_the_page_run(run_folder, tmp_path, monkeypatch):
    page = (REPOSITORY / "docs/export.md").read_text()
    monkeypatch.chdir(tmp_path)
    for words in (
        ["--output", "egnn.xtc"],
        ["--what", "rollout", "--steps", "5", "--output", "rollout.xyz"],
    ):
        assert run_script(run_folder, *words).returncode == 0
    found = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(code, found)
    assert len(found["errors"]) == 5 and found["errors"][0].shape == (5,)
