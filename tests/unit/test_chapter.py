"""The chapters' numbers: the shared data where they are at hand, small made-up chains elsewhere."""

import csv
from pathlib import Path

import numpy as np
import pytest

from called import called
from equitraj.chapter import alignment2d, data, distance, ladder, table
from equitraj.data import trajectory

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data/paths.npz"


@pytest.fixture(scope="module")
def paths():
    if not SHARED.is_file():
        pytest.skip(
            f"{SHARED} is not there: the chapters' trajectory may not be kept in the repository"
        )
    planar = np.load(SHARED)["arr"]
    return np.concatenate([planar, np.zeros((*planar.shape[:2], 1))], -1)


def chain(frames=24, points=12, seed=0):
    """A planar chain of points that moves smoothly, lifted to 3-D with z = 0."""
    rng = np.random.default_rng(seed)
    start, speed = (
        np.cumsum(rng.normal(size=(points, 2)), 0) * 0.3 + 5,
        rng.normal(size=(points, 2)) * 0.01,
    )
    phase = np.sin(np.arange(frames) / 5)[:, None, None]
    planar = (
        start
        + np.arange(frames)[:, None, None] * speed
        + 0.02 * phase * rng.normal(size=(points, 2))
    )
    return np.concatenate([planar, np.zeros((frames, points, 1))], -1)


def write_chain(path, position):
    trajectory.write(
        path,
        trajectory.Trajectory(
            position, np.zeros(len(position), int), np.arange(len(position)) * 1.0
        ),
    )


def run(*arguments):
    return called("chapter.py", *arguments)


# the baseline


def test_baseline_as_printed(paths):
    baseline = pytest.importorskip("equitraj.chapter.baseline")
    result = baseline.run(paths, data.N_TRAIN)
    # Five digits: what follows depends on the order in which the machine's float32 sums are taken.
    assert result["validation_rmse"][-1] == pytest.approx(table.PRINTED["baseline_rmse"], rel=1e-5)
    assert result["rotation_difference"] == pytest.approx(
        table.PRINTED["baseline_rotation"], rel=1e-5
    )
    assert result["translation_difference"] == pytest.approx(
        table.PRINTED["baseline_translation"], rel=1e-5
    )
    assert result["validation_mse"] == pytest.approx(result["validation_rmse"][-1] ** 2, rel=1e-5)
    assert result["persistence_mse"] == pytest.approx(
        2.4315e-5, rel=5e-5
    )  # half of the fifth digit
    assert result["velocity_mse"] == pytest.approx(1.6459e-7, rel=5e-5)


def test_network_points_are_the_chapters():
    baseline = pytest.importorskip("equitraj.chapter.baseline")
    network = pytest.importorskip("equitraj.chapter.network")
    np.testing.assert_allclose(
        network.POINTS_KEY_58, baseline._older_random(58, (12, 3)), rtol=1e-6
    )  # float32


def test_scan_is_the_loop():
    """The jitted scan against the chapter's recipe in plain NumPy, in float64; float32 leaves six
    digits."""
    baseline = pytest.importorskip("equitraj.chapter.baseline")
    frames, labels = data.pairs(chain())
    w, b = np.zeros((3, 3)), 0.0
    for _ in range(2):
        for x, y in zip(frames[:15], labels[:15], strict=True):
            residual = 2 / x.size * (x @ w + b - y)
            w, b = w - 1e-6 * x.T @ residual, b - 1e-6 * residual.sum()
    result = baseline.train(chain(), 15, epochs=2)
    np.testing.assert_allclose(result["w"], w, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(result["b"], b, rtol=1e-4)


def test_least_squares_against_lstsq_of_the_stacked_problem():
    baseline = pytest.importorskip("equitraj.chapter.baseline")
    rng = np.random.default_rng(3)
    frames, labels = rng.normal(size=(2, 9, 5, 3))
    w, b = baseline.least_squares(frames, labels)
    x, y = frames.reshape(-1, 3), labels.reshape(-1, 3)
    design = np.concatenate(
        [np.kron(x, np.eye(3)), np.ones((3 * len(x), 1))], 1
    )  # unknowns: W row by row, then b
    expected = np.linalg.lstsq(design, y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(np.append(w.ravel(), b), expected, rtol=1e-10, atol=1e-12)


# measures


def test_equivariance_errors_find_what_is_broken():
    frames = np.random.default_rng(1).normal(size=(20, 5, 3)) + 4

    def relative(displace):
        return {
            name: error[1] for name, error in data.equivariance_errors(displace, frames).items()
        }

    def about_centre(x):
        return x - x.mean(1, keepdims=True)

    assert max(relative(about_centre).values()) < 1e-13  # a hundred roundings of float64
    from_origin = relative(lambda x: 0.1 * x)
    assert (
        max(from_origin["rotation"], from_origin["reflection"])
        < 1e-13
        < 0.1
        < from_origin["translation"]
    )
    along_x = relative(lambda x: np.broadcast_to([0.1, 0, 0], x.shape))
    assert along_x["translation"] < 1e-13 < 0.1 < min(along_x["rotation"], along_x["reflection"])
    handed = relative(lambda x: np.cross(about_centre(x), np.roll(about_centre(x), 1, axis=1)))
    assert max(handed["rotation"], handed["translation"]) < 1e-12 < 0.1 < handed["reflection"]


def test_haar_and_mirrors():
    rotation, mirror = data.haar_rotations(500, 0), data.mirrors(500, 0)
    for matrices, determinant in ((rotation, 1), (mirror, -1)):
        np.testing.assert_allclose(
            matrices @ matrices.swapaxes(1, 2),
            np.broadcast_to(np.eye(3), matrices.shape),
            atol=1e-12,
        )
        np.testing.assert_allclose(np.linalg.det(matrices), determinant)
    assert np.abs(rotation.mean(0)).max() < 4 / np.sqrt(
        3 * 500
    )  # the Haar mean is 0, an entry's variance 1/3


def test_parity():
    start, value = data.pairs(chain())
    exact, still = data.parity(start, value, value), data.parity(start, value, start)
    assert exact == dict.fromkeys(("chapter", "x", "y", "displacement"), 1.0)
    assert still["displacement"] <= 0 < 0.9 < still["chapter"]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    slope = np.polyfit(x, y, 1)
    assert data.r2(y, np.polyval(slope, x)) == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


# the e3nn network


@pytest.fixture(scope="module")
def tiny_network(tmp_path_factory):
    """One epoch on ten frames, from the command line."""
    pytest.importorskip("e3nn")
    pytest.importorskip("torch_geometric")
    folder = tmp_path_factory.mktemp("network")
    write_chain(folder / "lifted.h5", chain(16))
    files = "--input", folder / "lifted.h5", "--output", folder / "network.npz"
    done = run("network", *files, "--train", 10, "--epochs", 1, "--seed", 3)
    assert done.returncode == 0, done.stderr
    return done.stderr, data.read_arrays(folder / "network.npz")


def test_network_run(tiny_network):
    log, arrays = tiny_network
    assert "epoch 1/1: validation loss" in log
    assert arrays["train_prediction"].shape == (10, 12, 3)
    assert arrays["validation_prediction"].shape == (5, 12, 3)
    assert arrays["validation_loss"][0] == pytest.approx(
        arrays["validation_mse"], rel=1e-4
    )  # float32, other order
    # the reflection in the plane of the chain leaves the input alone, so no output can leave the
    # plane
    assert not arrays["extrapolated"][:, 2].any()


def test_network_symmetry(tiny_network):
    _, arrays = tiny_network
    for generator in data.GENERATORS:
        for weights in ("trained", "initial"):
            assert (
                arrays[f"{generator}_relative_{weights}_float64"] < 1e-12
            )  # built in float64, constants as well
            assert (
                1e-9 < arrays[f"{generator}_relative_{weights}_float32"] < 1e-3
            )  # float32 rounds to 6e-8


def test_network_is_seeded():
    network = pytest.importorskip("equitraj.chapter.network")
    first, second, other = (
        network.train(chain(7), 3, 1, seed)[1]["validation_loss"] for seed in (1, 1, 2)
    )
    assert first == second != other


# the butane ladder


def test_ladder_pattern():
    verdicts = {
        key: ladder.verdict(np.median(v))
        for key, v in ladder.relative_changes(seed=1, count=40).items()
    }
    permuted = {"permutation_same_element", "permutation_with_features"}
    invariant = {
        "linear": set(),
        "dense": set(),
        "permutation": permuted,
        "permutation+translation": permuted | {"translation"},
        "permutation+translation+rotation": permuted | {"translation", "rotation", "reflection"},
    }
    for (model, change), verdict in verdicts.items():
        assert verdict == ("invariant" if change in invariant[model] else "changed"), (
            model,
            change,
        )
    for key, (before, after) in table.PRINTED_ENERGIES.items():
        assert verdicts[key] == ladder.verdict(abs(after - before) / abs(before)), key


def test_ladder_threshold_is_far_from_both_sides():
    medians = np.array([np.median(v) for v in ladder.relative_changes(count=40).values()])
    assert not (
        (medians > ladder.INVARIANT_BELOW / 100) & (medians < ladder.INVARIANT_BELOW * 1e6)
    ).any()


def test_ladder_models_against_plain_loops():
    rng = np.random.default_rng(5)
    energy = ladder.distance_model(2, rng, 14)(ladder.BUTANE, ladder.ELEMENT)
    w1, b1, w2, b2 = ladder._weights(3, 2, np.random.default_rng(5))
    for draw in range(2):
        total = 0.0
        for i in range(14):
            for j in range(14):
                squared = np.sum((ladder.BUTANE[i] - ladder.BUTANE[j]) ** 2)
                total += np.tanh(np.append(squared, ladder.ELEMENT[j]) @ w1[draw] + b1[draw])
        assert energy[draw] == pytest.approx(total @ w2[draw] + b2[draw], rel=1e-12)


def test_ladder_file(tmp_path):
    assert run("ladder", "--output", tmp_path / "ladder.csv").returncode == 0
    rows = list(csv.DictReader((tmp_path / "ladder.csv").open()))
    assert list(rows[0]) == ["model", "generator", "relative_change", "verdict"]
    assert len(rows) == 5 * 6


# planar alignments and distance features


def test_planar_alignments_are_the_chapters():
    frames = chain()[..., :2]
    vector = alignment2d.vector01(frames)
    np.testing.assert_allclose(vector[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(vector[:, 1, 1], 0, atol=1e-12)
    assert (vector[:, 1, 0] < 0).all()  # the vector from point 1 to point 0 points to positive x
    principal = alignment2d.principal_axes(frames)
    moments = principal.swapaxes(1, 2) @ principal
    assert (moments[:, 0, 0] > moments[:, 1, 1]).all()
    np.testing.assert_allclose(moments[:, 0, 1], 0, atol=1e-10)


def test_reference_alignment_against_scipy():
    from scipy.spatial.transform import Rotation

    frames = chain()
    centred = frames - frames.mean(1, keepdims=True)
    moved = alignment2d.to_reference(frames[..., :2] @ alignment2d.rotation(0.7), frames[0, :, :2])
    for planar, frame in zip(moved, centred, strict=True):
        best = Rotation.align_vectors(centred[0], frame)[0].apply(frame)
        # scipy may leave the plane by half a turn; in the plane no angle does better
        assert np.sum((planar - centred[0, :, :2]) ** 2) >= np.sum((best - centred[0]) ** 2) - 1e-9
        angles = alignment2d.rotation(np.linspace(0, 2 * np.pi, 361))
        tried = np.sum((frame[:, :2] @ angles - centred[0, :, :2]) ** 2, axis=(1, 2))
        assert np.sum((planar - centred[0, :, :2]) ** 2) <= tried.min() + 1e-9


def test_distance_features():
    near, far = 0.6, 4.0
    r = np.linspace(near, far, 100)
    assert (distance.bins(r, near, far).sum(1) == 1).all()
    np.testing.assert_allclose(
        distance.radial_basis(r, near, far)[0, :2], np.exp([0, -1])
    )  # one spacing away: 1/e
    energy = distance.morse(r, near, far)
    assert energy.min() == pytest.approx(
        -1, abs=1e-3
    )  # the grid of 100 misses the minimum by half a step at most
    errors = {
        name: distance.readout_error(energy, f(r, near, far))
        for name, f in distance.FEATURES.items()
    }
    assert errors["repeated"] == pytest.approx(distance.readout_error(energy, r[:, None]))
    assert (
        errors["learned sub-network"]
        < 0.1 * errors["radial basis functions"]
        < 0.1 * errors["repeated"]
    )


# the table and the command line


def test_table_of_tiny_models(tiny_network, tmp_path):
    pytest.importorskip("jax")
    write_chain(tmp_path / "lifted.h5", chain(16))
    done = run(
        "baseline",
        "--input",
        tmp_path / "lifted.h5",
        "--train",
        10,
        "--output",
        tmp_path / "baseline.npz",
    )
    assert done.returncode == 0, done.stderr
    data.write_arrays(tmp_path / "network.npz", **tiny_network[1])
    inputs = [f"--{name}={tmp_path / name}.npz" for name in ("baseline", "network")]
    done = run(
        "table", "--input", tmp_path / "lifted.h5", *inputs, "--output", tmp_path / "chapter.csv"
    )
    assert done.returncode == 0, done.stderr
    rows = {row["quantity"]: row for row in csv.DictReader((tmp_path / "chapter.csv").open())}
    assert tuple(next(iter(rows.values()))) == table.COLUMNS
    row = rows["baseline: rotation difference"]
    assert float(row["relative_difference"]) == pytest.approx(
        float(row["ours"]) / float(row["chapter"]) - 1, rel=0.06
    )
    assert rows["e3nn network: parity R2 as in the chapter"]["chapter"] == ""
    assert all(np.isfinite(float(row["ours"])) and row["note"] for row in rows.values())


def test_too_few_frames(tmp_path):
    write_chain(tmp_path / "short.h5", chain(5))
    done = run("baseline", "--input", tmp_path / "short.h5", "--output", tmp_path / "out.npz")
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[1]
        == f"error: {tmp_path}/short.h5: 5 frames; 1637 training pairs need 1639; lower --train"
    )
    assert not (tmp_path / "out.npz").exists()


def test_models_of_different_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match="baseline was trained on 10 pairs, network on 11"):
        table.write_table(
            tmp_path / "x.csv", chain(), {"n_train": np.array(10)}, {"n_train": np.array(11)}
        )
    assert not list(tmp_path.iterdir())
