"""Files laid out as those of the field's benchmarks, served over HTTP and fetched by the command."""

import functools
import http.server
import json
import threading

import MDAnalysis
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from called import called
from equitraj.base.files import file_sha256
from equitraj.data import tasks
from equitraj.data import trajectory as files
from equitraj.data.sources import entry
from equitraj.data.sources.reading import read_file
from mocap_files import SKELETON, angles, written_motion
from study import REPOSITORY, merged


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of the files of the folder `web`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *arguments: None
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()


def fetched(folder, source: dict) -> tuple[files.Trajectory, str]:
    """The trajectory that the command makes of a download, and what it prints."""
    words = ["--source", json.dumps({"kind": "download"} | source), "--output", folder / "raw.h5"]
    result = called("fetch.py", *words)
    assert result.returncode == 0, result.stderr
    assert [p.name for p in folder.glob("download-*")] == []
    return files.read(folder / "raw.h5"), result.stderr


def study(name: str) -> dict:
    """The configuration with a study laid over it."""
    layers = [REPOSITORY / "config.yaml", REPOSITORY / f"studies/{name}.yaml"]
    return merged(*(yaml.safe_load(path.read_text(encoding="utf-8")) for path in layers))


def by_hand(values: dict[str, np.ndarray], frame: int) -> np.ndarray:
    """The four joints, each rotation written out as products of rotations about one axis."""

    def product(order, degrees):  # the first axis turns first: it stands to the right
        result = np.eye(3)
        for axis, angle in zip(order, degrees, strict=True):
            result = (
                Rotation.from_rotvec(np.radians(angle) * np.eye(3)["xyz".index(axis)]).as_matrix()
                @ result
            )
        return result

    root, femur, tibia = (values[name][frame] for name in ("root", "femur", "tibia"))
    turn = product("xyz", root[3:])
    start = root[:3]
    hip = start + turn @ (2.5 * np.array([0.6, -0.8, 0]))
    own = product("xyz", [10, -30, 20])
    turn = turn @ own @ product("xyz", femur) @ own.T
    knee = hip + turn @ np.array([0, -7.2, 0])
    own = product("zyx", [0, 40, 20])
    turn = turn @ own @ product("x", tibia) @ own.T
    return np.stack([start, hip, knee, knee + turn @ (7 * np.array([0.36, -0.48, 0.8]))])


def test_motion_capture_is_fetched_in_the_order_of_its_episodes(tmp_path, server):
    (tmp_path / "web/35.asf").write_text(SKELETON)
    motions = [angles(frames, seed) for seed, frames in enumerate((8, 9, 10))]
    for i, values in enumerate(motions):
        written_motion(tmp_path / f"web/35_0{i + 1}.amc", values)
    urls = [f"{server}/35_0{i + 1}.amc" for i in range(3)]
    walk = study("motion")["sources"]["walk"]
    ours = {"url": urls, "topology_url": f"{server}/35.asf", "episodes": [2, 0], "stop": 9}
    found, log = fetched(tmp_path, walk | ours)
    assert found.episode.tolist() == [0] * 9 + [1] * 8
    expected = [by_hand(motions[2], t) for t in range(9)] + [
        by_hand(motions[0], t) for t in range(8)
    ]
    np.testing.assert_allclose(found.position, expected, atol=1e-12)
    assert found.bonds.tolist() == [[0, 1], [1, 2], [2, 3]] and found.time_unit == "s"
    sums = [
        file_sha256(tmp_path / "web" / name)
        for name in ("35_01.amc", "35_02.amc", "35_03.amc", "35.asf")
    ]
    assert (
        found.provenance["sha256"] == sums[:3] and found.provenance["topology"]["sha256"] == sums[3]
    )
    assert all(f"to pin what was fetched: sha256: {each}" in log for each in sums)


@pytest.mark.parametrize(
    ("skeleton", "motion", "expected"),
    [
        (SKELETON, "1\nroot 1 2 3 4 5 6\nfemur 1 2 3\n", "a.amc: frame 1 has no tibia"),
        (
            SKELETON,
            "1\nroot 1 2 3 4 5 6\nfemur 1 2\n",
            "a.amc: line 3: 'femur 1 2' does not fit the skeleton",
        ),
        (
            SKELETON,
            "1\nroot 1 2 3 4 5 6\nroot 1 2 3 4 5 6\n",
            "a.amc: line 3: .* does not fit the skeleton",
        ),
        (SKELETON, "1\narm 1 2\n", "a.amc: line 2: 'arm 1 2' does not fit the skeleton"),
        (
            SKELETON,
            "1\nroot 1 2 3 4 5 six\n",
            "a.amc: line 2: could not convert string to float: 'six'",
        ),
        (SKELETON, "root 1 2 3 4 5 6\n", "a.amc: line 1"),
        (SKELETON, "", "a.amc: no frames"),
        ("nothing", "", "a.asf: not a skeleton .KeyError: 'root'."),
        (SKELETON.replace("hip femur", "tibia femur"), "", "a.asf: not a skeleton .CycleError"),
        (SKELETON.replace("root hip", ""), "", "a.asf: not a skeleton .KeyError: 'hip'"),
        (
            SKELETON.replace("dof rx\n", "dof l\n"),
            "",
            "a.asf: not a skeleton .ValueError: tibia has the degree of freedom 'l'",
        ),
        (SKELETON.replace("length 7.2", "length long"), "", "a.asf: not a skeleton .ValueError"),
    ],
    ids=range(12),
)
def test_a_wrong_motion_is_told(tmp_path, skeleton, motion, expected):
    (tmp_path / "a.asf").write_text(skeleton)
    (tmp_path / "a.amc").write_text(motion)
    with pytest.raises(ValueError, match=expected):
        read_file({"path": str(tmp_path / "a.amc"), "topology": str(tmp_path / "a.asf")})


def test_a_motion_needs_a_skeleton(tmp_path):
    with pytest.raises(ValueError, match="topology_url: no value; kind download, format mocap"):
        entry.check({"kind": "download", "url": "https://host/a.amc", "sha256": None})


def md17(path, frames=400) -> tuple[np.ndarray, np.ndarray]:
    """A file of the layout of MD17: ethanol's atoms in a random walk."""
    species = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1], np.uint8)
    position = np.random.default_rng(0).normal(size=(frames, 9, 3)).cumsum(axis=0)
    energy, force = np.zeros((frames, 1)), np.zeros((frames, 9, 3))
    np.savez(
        path,
        R=position,
        z=species,
        E=energy,
        F=force,
        name="ethanol",
        theory="DFT",
        md5="0",
        type="d",
    )
    return position, species


def test_md17_is_fetched_without_hydrogens(tmp_path, server):
    position, species = md17(tmp_path / "web/md17_ethanol.npz")
    source = study("md17")["sources"]["ethanol"] | {"url": f"{server}/md17_ethanol.npz"}
    source |= {"start": 10, "stop": 390, "frames": 380}
    found, log = fetched(tmp_path, source)
    np.testing.assert_array_equal(found.position, position[10:390, species > 1])
    assert found.species.tolist() == [6, 6, 8] and (found.length_unit, found.time_unit) == (
        "Angstrom",
        "ps",
    )
    assert file_sha256(tmp_path / "web/md17_ethanol.npz") in log


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"omit_species": [1, 6, 8]}, r"omit_species: \[1, 6, 8\] leaves none of the 9 points"),
        ({"omit_species": [1], "arrays": {"position": "R"}}, "omit_species: .* has no species"),
    ],
)
def test_points_that_cannot_be_left_out(tmp_path, keys, expected):
    md17(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=expected):
        read_file(
            {"path": str(tmp_path / "a.npz"), "arrays": {"position": "R", "species": "z"}} | keys
        )


def test_bonds_and_features_follow_the_points_that_stay(tmp_path):
    position = np.random.default_rng(0).normal(size=(5, 4, 3))
    bonds, charge = [[0, 1], [1, 2], [2, 3]], [0.0, 1.0, 2.0, 3.0]
    np.savez(
        tmp_path / "a.npz", x=position, z=["H", "C", "C", "O"], b=bonds, q=charge, v=2 * position
    )
    names = {"position": "x", "species": "z", "bonds": "b", "charge": "q", "velocity": "v"}
    found = read_file({"path": str(tmp_path / "a.npz"), "arrays": names, "omit_species": ["H"]})
    assert found.bonds.tolist() == [[0, 1], [1, 2]] and found.features[
        "charge"
    ].ravel().tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found.velocity, 2 * position[:, 1:])


def protein(folder, residues=3, frames=40) -> np.ndarray:
    """A PSF and a DCD of a few residues, named as AdK's; the PSF as MDAnalysis reads it, the DCD
    written by it."""
    names = ["N", "HN", "CA", "C", "O"]
    n = residues * len(names)
    universe = MDAnalysis.Universe.empty(
        n, residues, atom_resindex=np.repeat(np.arange(residues), len(names)), trajectory=True
    )
    lines = ["PSF", "", "       1 !NTITLE", " REMARKS a few residues", "", f"{n:8d} !NATOM"]
    for i in range(n):
        residue, name = i // len(names) + 1, names[i % len(names)]
        lines.append(
            f"{i + 1:8d} 4AKE {residue:<4d} ALA  {name:<4s} {name[0]:<4s} {0.1 * i:10.6f}     "
            f"{12.0:9.4f}           0"
        )
    lines += ["", f"{2:8d} !NBOND: bonds", "       1       2       1       3", ""]
    (folder / "a.psf").write_text("\n".join(lines) + "\n")
    position = np.random.default_rng(0).normal(size=(frames, n, 3)).astype(np.float32)
    with MDAnalysis.Writer(str(folder / "a.dcd"), n, dt=240.0) as writer:
        for now in position:
            universe.atoms.positions = now
            writer.write(universe.atoms)
    return position


def test_a_protein_is_fetched_from_addresses_that_do_not_name_their_files(tmp_path, server):
    position = protein(tmp_path / "web")
    for name, number in (("a.psf", "8672230"), ("a.dcd", "8672074")):
        (tmp_path / "web" / name).rename(tmp_path / "web" / number)
    source = study("adk")["sources"]["adk"]
    source |= {"url": f"{server}/8672074#a.dcd", "topology_url": f"{server}/8672230#a.psf"}
    source |= {"sha256": file_sha256(tmp_path / "web/8672074"), "topology_sha256": None}
    found, log = fetched(tmp_path, source)
    backbone = [i for i in range(15) if i % 5 != 1]
    np.testing.assert_allclose(found.position, position[:, backbone], atol=1e-6)
    assert (
        found.time[1] - found.time[0] == pytest.approx(240)
        and found.time_unit == "ps"
        and found.box is None
    )
    assert found.bonds.tolist() == [[0, 1]] and "8672074#a.dcd: not checked" not in log
    assert (
        "8672230#a.psf: not checked, its source has no sha256; to pin what was fetched: sha256: "
        in log
    )


@pytest.mark.parametrize("lag", [1, 29])
def test_samples_drawn_at_random_are_in_one_split_and_inside_an_episode(lag):
    episode = np.repeat([0, 1, 2], [100, 40, 20])
    split = {"by": "random", "seed": 3, "train": 20, "validation": 10, "test": 12}
    parts = tasks.split_frames(episode, 2, lag, split)
    newest = np.concatenate(list(parts.values()))
    assert [len(part) for part in parts.values()] == [20, 10, 12] and len(set(newest)) == 42
    assert (episode[newest - 1] == episode[newest + lag]).all()
    assert all((np.diff(part) > 0).all() for part in parts.values())
    again = tasks.split_frames(episode, 2, lag, split | {"seed": 4})
    assert (tasks.split_frames(episode, 2, lag, split)["test"] == parts["test"]).all()
    assert (again["train"] != parts["train"]).any()
    with pytest.raises(ValueError, match="split: train 300 .* samples, but the data have"):
        tasks.split_frames(episode, 2, lag, split | {"train": 300})
