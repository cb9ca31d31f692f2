"""Five sources from their files to one report; the errors of both baselines are those of a few
lines of NumPy."""

import re

import ase
import ase.io
import MDAnalysis
import numpy as np
import pandas as pd
import pytest
import yaml

from study import checkout, snakemake, table

LENGTHS = (14, 17, 12, 15)  # of the trials; the last two are the test episodes
TOPOLOGY = """4 atoms in two molecules
4
    1MOL     CA    1   0.100   0.100   0.100
    1MOL     CB    2   0.100   0.100   0.100
    2MOL     CA    3   0.100   0.100   0.100
    2MOL     CB    4   0.100   0.100   0.100
   1.00000   1.20000   1.40000
"""


def walk(seed: int, frames: int, points: int, dimension: int, scale: float = 0.5) -> np.ndarray:
    """Points (frames, points, dimension) with slowly changing velocities."""
    step = np.cumsum(
        np.random.default_rng(seed).normal(scale=0.2 * scale, size=(frames, points, dimension)),
        axis=0,
    )
    return np.cumsum(step + scale, axis=0)


def trials(folder):
    """Trials of different lengths with velocities and charges, one .npz each, listed."""
    positions = [walk(i, n, 4, 3) for i, n in enumerate(LENGTHS)]
    for i, x in enumerate(positions):
        charge = np.random.default_rng(i).choice([-1.0, 1.0], 4)
        np.savez(folder / f"trial{i}.npz", x=x, v=np.gradient(x, axis=0), q=charge)
    arrays = {"position": "x", "velocity": "v", "charge": "q"}
    return {"path": [f"trial{i}.npz" for i in range(len(LENGTHS))], "arrays": arrays}, positions


def globbed(folder):
    """The files of a folder by a pattern, planar."""
    (folder / "walks").mkdir()
    positions = [walk(10 + i, n, 3, 2) for i, n in enumerate(LENGTHS)]
    for i, x in enumerate(positions):
        np.save(folder / f"walks/{i:02}.npy", x)
    return {"path": "walks/*.npy"}, [np.pad(x, [(0, 0), (0, 0), (0, 1)]) for x in positions]


def molecules(folder):
    """A wrapped XTC with a topology, of which two atoms are selected; followed by `np.unwrap`, from
    what XTC kept."""
    (folder / "top.gro").write_text(TOPOLOGY)
    box = np.array([10.0, 12.0, 14.0])
    universe = MDAnalysis.Universe(str(folder / "top.gro"))
    with MDAnalysis.Writer(str(folder / "run.xtc"), 4) as writer:
        for i, x in enumerate(walk(20, 40, 4, 3, scale=1.0)):
            universe.atoms.positions, universe.trajectory.ts.time = x % box, 2.0 * i
            writer.write(universe.atoms)
    kept = MDAnalysis.Universe(
        str(folder / "top.gro"), str(folder / "run.xtc")
    ).trajectory.timeseries(order="fac")
    assert np.abs(np.diff(kept, axis=0)).max() > 9  # it does jump
    source = {"path": "run.xtc", "topology": "top.gro", "selection": "name CA", "unwrap": True}
    return source, [np.unwrap(kept[:, ::2].astype(float), period=box, axis=0)]


def tracks(folder):
    """A CSV of tracks in a plane, in no order, with names of its own."""
    x = walk(30, 40, 3, 2)
    rows = pd.DataFrame(
        [
            {"t": 10 * t, "particle": 7 - n, "px": px, "py": py}
            for t, frame in enumerate(x)
            for n, (px, py) in enumerate(frame)
        ]
    )
    rows.sample(frac=1, random_state=0).to_csv(
        folder / "tracks.csv", index=False, float_format="%.17g"
    )
    columns = {"frame": "t", "id": "particle", "x": "px", "y": "py"}
    return {"path": "tracks.csv", "columns": columns}, [np.pad(x, [(0, 0), (0, 0), (0, 1)])]


def extended_xyz(folder):
    """Extended XYZ as ASE writes it, with eight digits."""
    x = walk(40, 40, 3, 3).round(8)
    ase.io.write(folder / "run.xyz", [ase.Atoms("OHH", frame) for frame in x], format="extxyz")
    return {"path": "run.xyz"}, [x]


SOURCES = {f.__name__: f for f in (trials, globbed, molecules, tracks, extended_xyz)}
SPLITS = {
    True: {"by": "episode", "train": 1, "validation": 1, "test": 2},
    False: {"train": 12, "validation": 6, "test": 12},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A checkout in which the study of all five has run, and the positions of each by episode."""
    folder, positions = checkout(tmp_path_factory.mktemp("sources")), {}
    config = {
        "sources": {},
        "tasks": {},
        "audit": {"samples": 2, "elements": 1},
        "rollout": {"steps": 2, "starts": 1},
    }
    for name, make in SOURCES.items():
        source, positions[name] = make(folder)
        config["sources"][name] = {"kind": "file"} | source
        split = SPLITS[len(positions[name]) > 1]
        config["tasks"][name] = {"source": name, "history": 2, "lag": 1, "split": split}
    config["study"] = {
        "tasks": list(SOURCES),
        "methods": ["persistence", "constant_velocity"],
        "train_sizes": ["all"],
    }
    config["study"] |= {"seeds": [0], "figures": ["accuracy"], "title": "Sources"}
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    result = snakemake(folder, configfile=folder / "study.yaml")
    assert result.returncode == 0, result.stdout[-6000:]
    return folder, positions


@pytest.mark.parametrize("name", SOURCES)
def test_errors_of_the_baselines_are_those_of_numpy(study, name):
    folder, positions = study
    tests = (
        positions[name][-2:] if len(positions[name]) > 1 else [positions[name][0][-14:]]
    )  # 12 targets and 2 before
    errors = {"persistence": [], "constant_velocity": []}
    for x in tests:
        before, now, after = x[:-2], x[1:-1], x[2:]
        errors["persistence"].append(after - now)
        errors["constant_velocity"].append(after - (2 * now - before))
    metrics = table(folder, "metrics").set_index(["task", "method"])["mse"]
    for method, error in errors.items():
        expected = np.mean(np.concatenate(error) ** 2)
        assert metrics[name, method] == pytest.approx(
            expected, rel=1e-9
        )  # float64, differences of numbers near 100


def test_all_of_them_are_in_the_report(study):
    folder, _ = study
    text = (folder / "reports/report.html").read_text()
    assert all(re.search(rf"\b{name}\b", text) for name in SOURCES)
    again = snakemake(folder, configfile=folder / "study.yaml")
    assert "Nothing to be done" in again.stdout


def test_a_new_file_of_a_pattern_is_read_and_nothing_else(study):
    folder, _ = study
    np.save(folder / "walks/99.npy", walk(99, 12, 3, 2))
    try:
        planned = snakemake(folder, "-n", configfile=folder / "study.yaml").stdout
    finally:
        (folder / "walks/99.npy").unlink()
    assert "Reading the file of globbed" in planned and "Reading the file of tracks" not in planned
