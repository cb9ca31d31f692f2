"""What is said of a file, on data of which the answer is known; and that the study that is proposed
runs."""

import json
import subprocess
import sys

import ase.io
import h5py
import numpy as np
import pytest
import yaml

from called import called
from equitraj.data import inspection
from equitraj.data import trajectory as files
from equitraj.data.inspection import contents, jumps, motion, space
from equitraj.data.trajectory import Trajectory
from equitraj.study import config as configuration
from study import MIRROR, MIRROR_MISSING, REPOSITORY, merged

SCRIPTS = REPOSITORY / "workflow/scripts"


def run_script(*arguments: object) -> subprocess.CompletedProcess:
    return called("describe.py", *arguments)


def one_episode(position: np.ndarray) -> Trajectory:
    return Trajectory(position, np.zeros(len(position), int), np.arange(float(len(position))))


def walk(displacement: np.ndarray) -> Trajectory:
    return one_episode(np.cumsum(displacement, axis=0))


def autoregressive(weights: list[float], frames: int = 1500, points: int = 6) -> np.ndarray:
    """Displacements that are a linear combination of those before, the newest first, plus unit
    noise."""
    rng = np.random.default_rng(0)
    made = np.zeros((frames, points, 3))
    for t in range(len(weights), frames):
        made[t] = sum(w * made[t - 1 - i] for i, w in enumerate(weights)) + rng.normal(
            size=(points, 3)
        )
    return made


@pytest.mark.parametrize(
    ("weights", "history"), [([], 1), ([0.8], 2), ([1.2, -0.6], 3), ([0.2, 0.0, 0.7], 4)]
)
def test_an_autoregressive_process_of_order_p_needs_p_displacements(weights, history):
    """The errors fall to the variance of the noise, and no further."""
    found = motion.measure(walk(autoregressive(weights)))
    assert found.history == history and found.lag == 1
    # 300 held-out frames of 18 coordinates: the variance of unit noise to 1 / sqrt(2700), thrice
    assert found.errors[8] == pytest.approx(1.0, abs=0.06)


def test_correlation_of_an_exponential_memory():
    """C(k) = a^k falls below 1/e at k = -1 / ln a: 9.5 frames for 0.9."""
    found = motion.measure(walk(autoregressive([0.9], frames=8000)))
    assert found.memory == pytest.approx(10, abs=1)
    assert found.next_correlation == pytest.approx(0.9, abs=0.02)


def test_errors_of_the_baselines_are_those_of_their_formulas():
    path = walk(autoregressive([0.8]))
    found = motion.measure(path)
    newest = np.arange(1199, 1499)  # the last fifth of what has a target
    position = path.position
    assert found.no_motion[1] == pytest.approx(
        np.mean((position[newest + 1] - position[newest]) ** 2), rel=0.01
    )
    steady = position[newest + 1] - 2 * position[newest] + position[newest - 1]
    assert found.constant_velocity[1] == pytest.approx(np.mean(steady**2), rel=0.01)


def test_episodes_are_not_joined():
    """A process that starts anew in each of 12 episodes, far from where the last one ended."""
    parts = [autoregressive([1.2, -0.6], frames=150).cumsum(0) + 1e6 * i for i in range(12)]
    cut = Trajectory(
        np.concatenate(parts), np.repeat(np.arange(12), 150), np.tile(np.arange(150.0), 12)
    )
    found = motion.measure(cut)
    assert found.history == 3 and found.split["by"] == "episode" and found.displacement < 10
    assert not jumps.measure(cut).first


def test_lag_where_the_motion_is_lost_in_rounding():
    """Steps of 0.0015 rounded to 0.001, as in an XTC file: over 4 frames 0.003, over 8 frames
    0.0042."""
    path = np.random.default_rng(0).normal(scale=0.0015, size=(3000, 10, 3)).cumsum(0)
    found = motion.measure(one_episode(np.round(path, 3)))
    assert found.rounding == 1e-3 and found.lag == 8
    assert (
        motion.measure(one_episode(path)).rounding == 0
        and motion.measure(one_episode(path)).lag == 1
    )
    single = np.round(path, 3).astype(np.float32).astype(float) + 0.0
    assert motion.measure(one_episode(single)).rounding == 1e-3


def test_a_wrapped_walk_is_found_in_its_box():
    free = np.random.default_rng(0).normal(scale=0.1, size=(1500, 40, 3)).cumsum(0)
    free += np.random.default_rng(1).uniform(0, 10, (40, 3))
    wrapped = free.copy()
    wrapped[..., :2] = np.mod(free[..., :2], [8.0, 10.0])
    found = jumps.measure(one_episode(wrapped))
    assert set(found.box) == {"x", "y"} and not found.sudden
    # points come as near to both walls as a step is long, in thousands of frames far nearer
    assert found.box["x"] == pytest.approx(8.0, abs=0.01) and found.box["y"] == pytest.approx(
        10.0, abs=0.01
    )
    assert found.wrapped == np.sum(np.abs(np.diff(wrapped - free, axis=0)) > 1)
    assert "looks wrapped in a box of 8 along x" in jumps.described(found)[0]
    assert not jumps.measure(one_episode(free)).box
    np.testing.assert_allclose(
        np.diff(jumps.unwrapped(one_episode(wrapped), {"x": 8.0, "y": 10.0}).position, axis=0),
        np.diff(free, axis=0),
        atol=1e-9,
    )


def test_a_point_that_jumps_is_named():
    path = np.random.default_rng(0).normal(scale=0.1, size=(300, 5, 3)).cumsum(0)
    path[200:, 3] += [20.0, 0, 0]
    found = jumps.measure(one_episode(path))
    assert not found.box and found.sudden == 1 and found.first == (200, 3)


def harmonic_chain() -> np.ndarray:
    """12 beads that tremble by 0.05 about places 1.5 apart on a line: neighbours at 1.5 and 3."""
    rest = np.outer(np.arange(12) * 1.5, [1.0, 0, 0])
    return rest + np.random.default_rng(0).normal(scale=0.05, size=(200, 12, 3))


def test_a_harmonic_chain_has_its_spacing_its_gap_and_its_order():
    found = space.measure(one_episode(harmonic_chain()))
    assert found.nearest[1] == pytest.approx(
        1.5, abs=0.1
    )  # the nearer of two neighbours that tremble
    assert 1.8 < found.gap < 2.7 and found.neighbours == pytest.approx(22 / 12)
    assert found.chain and not found.flat
    order = np.random.default_rng(1).permutation(12)
    assert not space.measure(one_episode(harmonic_chain()[:, order])).chain


def test_a_crystal_in_its_periodic_box_has_six_neighbours():
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), -1).reshape(-1, 3)
    frames = np.mod(grid + np.random.default_rng(0).normal(scale=0.03, size=(10, 216, 3)), 6.0)
    found = space.measure(one_episode(frames), box={"x": 6.0, "y": 6.0, "z": 6.0})
    assert 1.0 < found.gap < np.sqrt(2) and found.neighbours == pytest.approx(6, abs=0.01)
    assert not found.chain


def test_a_gas_has_no_gap_and_a_plane_is_flat():
    gas = np.random.default_rng(0).uniform(size=(20, 200, 3))
    assert space.measure(one_episode(gas)).gap is None
    turned = (gas * [1, 1, 0]) @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert space.measure(one_episode(turned)).flat and not space.measure(one_episode(gas)).flat


def test_pairs_at_constant_distances_are_counted():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 4, 3)) * 5
    direction = rng.normal(size=(50, 4, 3))
    second = first + direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    assert space.measure(one_episode(np.concatenate([first, second], 1))).constant == 4


def test_arrays_are_told_by_name_and_shape(tmp_path):
    frames = np.zeros((7, 5, 3))
    np.savez(
        tmp_path / "a.npz",
        forces=frames,
        v=frames,
        coords=frames,
        q=np.zeros(5),
        t=np.zeros(7),
        note="x",
    )
    found = contents.arrays(tmp_path / "a.npz")
    assert {a.name: a.shape for a in found}["q"] == (5,)
    roles = {role: array.name for role, array in contents.guessed(found).items()}
    assert roles == {"position": "coords", "velocity": "v", "charge": "q", "time": "t"}
    np.savez(tmp_path / "b.npz", q=np.zeros(5))
    with pytest.raises(ValueError, match=r"no array of positions.*q \(5,\) float64"):
        contents.guessed(contents.arrays(tmp_path / "b.npz"))
    (tmp_path / "c.npz").write_bytes(b"PK cut off")
    with pytest.raises(ValueError, match="c.npz: cannot be read"):
        contents.arrays(tmp_path / "c.npz")


def test_arrays_are_named_in_the_entry(tmp_path):
    """Velocities that are wrong by a factor of ten are told; a file that is said to be HDF5 needs
    names too."""
    position = np.random.default_rng(0).normal(size=(120, 5, 3)).cumsum(0)
    velocity = np.diff(position, axis=0, append=position[-1:]) * 10
    np.savez(tmp_path / "a.npz", coords=position, v=velocity, q=np.arange(5.0))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["run/pos"], file["run/q"] = position, np.arange(5.0)
    ours, theirs = (inspection.look({"path": str(tmp_path / name)}) for name in ("a.npz", "b.h5"))
    assert ours.study["sources"]["a"]["arrays"] == {
        "position": "coords",
        "velocity": "v",
        "charge": "q",
    }
    assert theirs.study["sources"]["b"]["arrays"] == {"position": "run/pos", "charge": "run/q"}
    np.testing.assert_array_equal(ours.trajectory.velocity, velocity)
    assert (
        "displacements are 0.1 times the given velocities times the time step: are" in ours.text()
    )
    both = inspection.look({"path": [str(tmp_path / "a.npz")] * 12, "array": "coords"}, "twelve")
    assert both.study["tasks"]["twelve_k1"]["split"]["by"] == "episode"


def test_a_file_with_a_box_that_jumps_is_followed(tmp_path):
    free = np.random.default_rng(0).normal(scale=0.3, size=(80, 6, 3)).cumsum(0)
    atoms = [ase.Atoms("H6", positions=frame, cell=[5, 5, 5], pbc=True) for frame in free]
    for frame in atoms:
        frame.wrap()
    ase.io.write(tmp_path / "a.xyz", atoms, format="extxyz")
    found = inspection.look({"path": str(tmp_path / "a.xyz")})
    assert (
        found.study["sources"]["a"]["unwrap"] is True
        and "-> unwrap: true" in found.said["Jumps"][0]
    )
    np.testing.assert_allclose(
        np.diff(found.trajectory.position, axis=0), np.diff(free, axis=0), atol=2e-8
    )  # 8 decimals


def test_of_many_frames_the_first_are_looked_at_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "MOST", 1000)
    np.save(tmp_path / "walk.npy", autoregressive([1.0], frames=1500))
    found = inspection.look({"kind": "file", "path": str(tmp_path / "walk.npy")})
    assert (
        "the first 1,000 of 1,500 frames" in found.text()
        and "1500 frames, 6 points" in found.text()
    )


def test_a_table_of_tracks(tmp_path):
    position = np.random.default_rng(0).normal(size=(60, 3, 2)).cumsum(0)
    rows = [
        f"{t},{i},{position[t, i, 0]!r},{position[t, i, 1]!r}" for t in range(60) for i in range(3)
    ]
    table = (
        tmp_path / "chain.csv"
    )  # config.yaml has a source of this name, with which it must not be merged
    table.write_text("t,bead,x,y\n" + "\n".join(rows).replace("np.float64(", "").replace(")", ""))
    done = run_script(table, "--source", '{"columns": {"frame": "t", "id": "bead"}}')
    assert done.returncode == 0, done.stderr
    configuration.check(study_of(done.stdout))
    assert study_of(done.stdout)["study"]["tasks"] == [
        "my_chain_k1",
        "my_chain_k2",
    ]  # a walk remembers nothing; baselines need two
    source = study_of(done.stdout)["sources"]["my_chain"]
    assert (
        source["columns"] == {"frame": "t", "id": "bead"}
        and source["lift"] == "zeros"
        and source["frames"] == 60
    )


def study_of(text: str) -> dict:
    """The whole configuration with a printed study over config.yaml."""
    return merged(yaml.safe_load((REPOSITORY / "config.yaml").read_text()), yaml.safe_load(text))


def test_what_is_printed_is_a_study_that_is_valid_and_fetched(tmp_path):
    np.savez(tmp_path / "my trial-1.npz", v=np.zeros((200, 12, 3)), positions=harmonic_chain())
    done = run_script(tmp_path / "my trial-1.npz")
    assert done.returncode == 0, done.stderr
    config = study_of(done.stdout)
    configuration.check(config)
    source = config["sources"]["my_trial_1"]
    assert source["bonds"] == "chain" and source["frames"] == 200
    assert all(config["tasks"][name]["inputs"] == ["velocity"] for name in config["study"]["tasks"])
    assert config["rollout"]["steps"] == 40  # a fifth of the frames is for the test
    assert config["methods"]["e3nn"]["options"]["max_radius"] == pytest.approx(2.2, abs=0.5)
    assert "Orientation\n#   oriented" in done.stdout
    called(
        "fetch.py", "--source", json.dumps(source), "--output", tmp_path / "raw.h5"
    ).check_returncode()
    np.testing.assert_array_equal(files.read(tmp_path / "raw.h5").position, harmonic_chain())


def test_what_cannot_be_used_is_told_in_a_line(tmp_path):
    np.save(tmp_path / "a.npy", harmonic_chain()[:3])
    np.save(tmp_path / "b.npy", np.ones((30, 4, 3)))
    refused = {
        "a.npy": "3 frames in 1 episodes are too few",
        "b.npy": "no point moves",
        "no.npz": "no file '.*no.npz'",
    }
    for path, expected in refused.items():
        with pytest.raises(ValueError, match=expected):
            inspection.look({"path": str(tmp_path / path)})
    done = run_script(tmp_path / "no.npz")
    assert done.returncode == 1 and "error: path: no file" in done.stderr.splitlines()[1]


@pytest.mark.skipif(MIRROR_MISSING, reason=f"no {MIRROR}/paths.npz")
def test_the_chapters_trajectory():
    found = inspection.look({"path": str(MIRROR / "paths.npz")})
    (task,) = found.study["tasks"].values()
    assert "rollout" not in found.study
    assert (
        task["history"] == 4 and task["lag"] == 1
    )  # K = 3 errs by half as much again, K = 6 by 4 % less
    assert found.study["sources"]["paths"] == {
        "kind": "file", "path": str(MIRROR / "paths.npz"), "frames": 2048, "bonds": "chain", "lift": "zeros",
    }  # fmt: skip


# Python looks for modules in the folder of the script that it runs.
def test_no_command_hides_a_module_of_the_standard_library():
    commands = {path.stem for path in SCRIPTS.glob("*.py")}
    assert not commands & sys.stdlib_module_names


@pytest.mark.parametrize(
    "script", ["fetch.py", "audit.py", "report.py"]
)  # tests/workflow run all others
def test_other_commands_start(script):
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "usage" in done.stdout, done.stderr
