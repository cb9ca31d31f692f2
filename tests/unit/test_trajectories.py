"""Rollouts that are kept, collected and put into a page: what can be read back from it is what was
measured."""

import base64
import gzip
import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

import rolled
from equitraj.prediction.kept import STARTS, STEPS, Kept
from equitraj.report import rollouts, trajectories


@pytest.fixture(scope="module")
def study(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rolled")
    return folder, rolled.tables(chain, folder)


def test_a_run_keeps_the_rollouts_that_its_table_is_the_mean_of(study):
    folder, rows = study
    for method in rolled.METHODS:
        with h5py.File(folder / f"results/runs/wave/{method}/nall/seed0/rollout.h5") as file:
            off = file["prediction"][()].astype(float) - file["truth"][()]
            distance = file["distance"][()].astype(float)
        assert off.shape == (rolled.STEPS, 2, 5, 3)
        np.testing.assert_allclose(np.linalg.norm(off, axis=-1), distance, atol=1e-6)
        mse = rows.loc[rows["method"] == method, "mse"]
        np.testing.assert_allclose(np.square(distance).mean((1, 2)) / 3, mse, rtol=1e-5)


def test_no_more_is_kept_than_the_first_steps_of_the_first_starts_and_nothing_after_the_last_number(
    chain, tmp_path
):
    kept, truth = Kept(chain, np.arange(5)), np.ones((5, 5, 3))
    for _ in range(STEPS + 10):
        kept.add(truth + 1, truth)
    kept.write(tmp_path / "long.h5")
    ends = Kept(chain, np.arange(5))
    for value in (1.0, 2.0, 1e200, 3.0):  # more than float32 holds
        ends.add(truth * value, truth)
    ends.write(tmp_path / "ends.h5")
    Kept(chain).write(tmp_path / "none.h5")
    for name, steps, starts in (("long", STEPS, STARTS), ("ends", 2, STARTS), ("none", 0, 0)):
        with h5py.File(tmp_path / f"{name}.h5") as file:
            assert file["prediction"].shape == file["truth"].shape == (steps, starts, 5, 3)
            assert file["distance"].shape == (steps, starts, 5) and len(file["starts"]) == starts


def test_the_distance_is_that_of_float64(chain):
    kept, truth = Kept(chain, [0]), np.full((1, 5, 3), 1e6)
    kept.add(truth + 1e-4, truth)
    assert kept.steps[0][2] == pytest.approx(1e-4 * np.sqrt(3), rel=1e-5)


def test_a_step_takes_the_time_of_all_its_frames(chain, tmp_path):
    """Steps of three frames, a quarter of a unit of time apart."""
    folder = tmp_path / "mine/nall/seed0"
    folder.mkdir(parents=True)
    kept, truth = Kept(chain, [4]), chain.position[[7]]
    kept.add(truth, truth)
    kept.write(folder / "rollout.h5")
    record = {
        "task": {"name": "t", "source": "s", "lag": 3},
        "method": {"name": "mine", "model": "mlp"},
    }
    runs, measured = (
        {folder: record | {"train_size": "all", "seed": 0}},
        {folder: {"status": "ok", "mse": 1.0}},
    )
    rollouts.write_rollouts(
        tmp_path / "all.h5", runs, measured, {"s": replace(chain, time=0.25 * chain.time)}
    )
    with h5py.File(tmp_path / "all.h5") as file:
        assert file["t"].attrs["interval"] == 0.75


def runs_of(*errors: float, model: str = "mlp", size: str = "all") -> tuple[dict, dict]:
    """Records and metrics of as many methods, and one of constant velocity that is the worst."""
    named = [(f"m{i}", model, error) for i, error in enumerate(errors)] + [
        ("cv", "constant_velocity", 99.0)
    ]
    runs, measured = {}, {}
    for name, made_of, error in named:
        for seed in (0, 1):
            folder = rolled.Path(f"runs/t/{name}/n{size}/seed{seed}")
            method = {"name": name, "model": made_of}
            runs[folder] = {
                "task": {"name": "t"},
                "method": method,
                "train_size": size,
                "seed": seed,
            }
            measured[folder] = {"status": "ok", "mse": error}
    return runs, measured


def test_the_most_accurate_methods_are_chosen_and_constant_velocity_beside_them():
    runs, measured = runs_of(*range(9, 0, -1))
    names = [folder.parts[2] for folder in rollouts.chosen(runs, measured)["t"]]
    assert names == ["m8", "m7", "m6", "m5", "m4", "m3", "cv"]


def test_the_first_seed_that_ended_well_with_the_most_training_samples_is_shown():
    runs, measured = runs_of(1.0)
    fewer = runs_of(0.1, size="50")
    measured[rolled.Path("runs/t/m0/nall/seed0")]["status"] = "failed: Diverged"
    found = rollouts.chosen(fewer[0] | runs, fewer[1] | measured)["t"]
    assert [str(folder) for folder in found] == ["runs/t/m0/nall/seed1", "runs/t/cv/nall/seed0"]


@pytest.mark.parametrize(
    "n_steps, room, frames, starts",
    [
        (10, 10**6, 11, 2),
        (100, 2 * 100 * 50, 34, 2),
        (100, 100 * 21, 21, 1),
        (100, 100 * 2, 2, 1),
        (100, 100, 0, 0),
    ],
)
def test_of_long_rollouts_as_many_steps_are_shown_as_there_is_room_for(
    n_steps, room, frames, starts
):
    shown, count = trajectories.frames_shown(n_steps, 100, room)
    assert (len(shown), count) == (frames, starts) and 100 * frames * starts <= room
    assert not shown or shown[0] == 0 and len(set(np.diff(shown))) == 1 and shown[-1] <= n_steps


def unpacked(page: dict) -> tuple[list[dict], bytes]:
    return json.loads(page["data"]), gzip.decompress(base64.b64decode(page["positions"]))


def test_the_page_holds_what_was_measured(study):
    folder, rows = study
    page = trajectories.trajectories(folder)
    (task,), blob = unpacked(page)
    assert (task["name"], task["unit"], task["frames"]) == (
        "wave",
        "nm",
        list(range(rolled.STEPS + 1)),
    )
    assert [method["name"] for method in task["methods"]] == [
        "autoregression",
        "constant_velocity",
        "persistence",
    ]
    frames, points = len(task["frames"]), task["points"]
    with h5py.File(folder / "rollouts.h5") as file:
        truth = np.concatenate([file["wave/before"][()][None], file["wave/truth"][()]])
        centre = truth.mean(2, keepdims=True)
        extent = np.abs(truth - centre).max()
        for method in task["methods"]:
            group, mine = (
                file["wave/methods"][method["name"]],
                rows[rows["method"] == method["name"]],
            )
            np.testing.assert_allclose(method["mean"], [0, *np.sqrt(mine["mse"])], rtol=1e-3)
            both = np.square(np.array(method["rmse"])).mean(0)  # two starts are all that there are
            np.testing.assert_allclose(np.sqrt(both), method["mean"], rtol=2e-3)
            for i, start in enumerate(task["starts"]):
                drawn = np.frombuffer(
                    blob, "<i2", frames * points * 3, method["positions"][i]
                ).reshape(frames, points, 3)
                wanted = (group["prediction"][:, i] - centre[1:, i]) / extent
                np.testing.assert_allclose(drawn[1:] * task["grain"], wanted, atol=task["grain"])
                shades = np.frombuffer(blob, "u1", frames * points, method["shades"][i]).reshape(
                    frames, points
                )
                wanted = np.minimum(group["distance"][:, i] / start["top"], 1) * 255
                assert np.abs(shades[1:] - wanted).max() <= 0.51 and not shades[0].any()


def test_without_rollouts_there_is_nothing_to_show(study, tmp_path):
    shutil.copy(study[0] / "rollout.csv", tmp_path)
    assert trajectories.trajectories(tmp_path) is None
    h5py.File(tmp_path / "rollouts.h5", "w").close()
    assert trajectories.trajectories(tmp_path) is None


def test_a_page_of_many_large_rollouts_stays_small_and_says_what_it_left_out(tmp_path):
    rng, count = np.random.default_rng(0), 7
    with h5py.File(tmp_path / "rollouts.h5", "w", track_order=True) as file:
        for name, points in (("few", 12), ("many", 2000), ("crowd", 30_000)):
            group = file.create_group(name)
            group.attrs.update({"length_unit": "nm", "time_unit": "ps", "interval": 0.1})
            truth = rng.normal(size=(100, 2, points, 3)).astype("f4")
            group["starts"], group["truth"], group["before"] = [5, 9], truth, truth[0]
            group["bonds"] = np.empty((0, 2), int)
            for i in range(count):
                method = group.create_group(f"methods/m{i}")
                method["prediction"], method["distance"] = (
                    truth,
                    rng.random((100, 2, points)).astype("f4"),
                )
                method.attrs.update({"train_size": "all", "seed": 0})
    (tmp_path / "rollout.csv").write_text(",".join(trajectories.COLUMNS) + "\n")
    page = trajectories.trajectories(tmp_path)
    assert (
        page["left_out"] == ["crowd"]
        and len(page["positions"]) + len(page["data"]) + len(page["library"]) < 1.5e6
    )
    few, many = json.loads(page["data"])
    assert (
        len(few["starts"]) == 2
        and len(many["starts"]) == 1
        and len(many["frames"]) < len(few["frames"])
    )
    assert page["finding"] == "On `few` no rollout has numbers to its end."


def test_a_rollout_that_ends_early_has_fewer_errors_than_the_truth_has_steps(
    study, tmp_path, chain
):
    folder, _ = study
    for name in ("rollouts.h5", "rollout.csv"):
        shutil.copy(folder / name, tmp_path)
    with h5py.File(tmp_path / "rollouts.h5", "a") as file:
        group = file["wave/methods/persistence"]
        for name in ("prediction", "distance"):
            short = group[name][:4]
            del group[name]
            group[name] = short
    page = trajectories.trajectories(tmp_path)
    persistence = next(
        m for m in json.loads(page["data"])[0]["methods"] if m["name"] == "persistence"
    )
    assert [len(errors) for errors in persistence["rmse"]] == [5, 5]


def test_the_library_is_the_one_that_was_published(monkeypatch, tmp_path):
    assert b"$3Dmol" in trajectories.library()
    (tmp_path / "README.md").write_text((trajectories.VENDOR / "README.md").read_text())
    (tmp_path / "3Dmol-min.js").write_bytes(trajectories.library() + b" ")
    monkeypatch.setattr(trajectories, "VENDOR", tmp_path)
    with pytest.raises(ValueError, match="3Dmol-min.js: sha256 .*; expected the one in"):
        trajectories.library()
