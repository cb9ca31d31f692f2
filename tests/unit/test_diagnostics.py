"""What an alignment does to data, where the answer is known; the four tables that `diagnose.py`
writes."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from called import called
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames import Frames, diagnostics, load_alignment
from equitraj.frames.axes import extent
from equitraj.frames.diagnostics import Aligner
from equitraj.frames.run import run


def cloud(n_frames: int = 40, n_points: int = 6) -> np.ndarray:
    """Histories of two frames of points of clearly different principal moments."""
    return np.random.default_rng(0).normal(size=(n_frames, 2, n_points, 3)) * [3, 2, 1]


def aligner(name: str, history: np.ndarray, **options: object) -> Aligner:
    alignment = load_alignment(name, options)
    return Aligner(alignment, alignment.fit(history[:, -1]))


def row(name: str, history: np.ndarray, **options: object) -> dict[str, float]:
    return diagnostics.diagnose(
        aligner(name, history, **options), history, np.zeros(len(history), int)
    )[0]


def frames_of(rotation: np.ndarray) -> Frames:
    """One frame per sample from rotations (B, 3, 3)."""
    return Frames.single(np.asarray(rotation, float), np.zeros((len(rotation), 3)))


def test_without_alignment_one_moved_point_moves_itself_and_rotations_stay():
    history = cloud()
    found, gains = diagnostics.diagnose(aligner("none", history), history, np.zeros(40, int))
    np.testing.assert_allclose(gains, np.eye(6), atol=1e-10)  # rounding over the nudge of 1e-4
    assert found["perturbation_gain"] == pytest.approx(1, rel=1e-6)
    assert found["jump_rate"] == 0 and found["far_share"] == 0
    newest = history[:, -1]
    expected = np.sqrt(2 * np.mean((newest**2).sum(-1))) / extent(newest)  # E|Rx - x|^2 = 2|x|^2
    assert found["rotation_error"] == pytest.approx(expected, rel=0.25)  # 40 random rotations


def test_a_shift_of_point_0_moves_all_points_when_it_is_the_origin():
    """Moving the origin by e moves the other 5 points by -e: a gain of sqrt(5), and each other
    point by 1."""
    history = cloud()
    found, gains = diagnostics.diagnose(aligner("point0", history), history, np.zeros(40, int))
    assert found["perturbation_gain"] == pytest.approx(np.sqrt(5), rel=1e-6)
    expected = np.eye(6)
    expected[0] = [0, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(gains, expected, atol=1e-10)


def test_the_share_of_far_points_at_the_centre_of_mass_is_that_of_the_formula():
    """A shift e of one point moves itself by (1 - 1/N) e and each other by -e/N."""
    history = cloud()
    newest = history[:, -1]
    distance = np.linalg.norm(newest[:, :, None] - newest[:, None], axis=-1)
    far = (distance > extent(newest)).sum(2)
    expected = np.mean(far / 36 / ((5 / 6) ** 2 + 5 / 36))
    assert row("centre_of_mass", history)["far_share"] == pytest.approx(expected, rel=1e-6)


def test_the_gain_of_an_alignment_is_that_of_finite_differences_of_its_coordinates():
    history, size = cloud(3), 1e-4 * extent(cloud(3)[:, -1])
    found = diagnostics.response(aligner("gram_schmidt", history), history)
    direction = np.random.default_rng(0).normal(size=(6, 3, 3))[
        2
    ]  # that of the third point, moved third

    def inside(points: np.ndarray) -> np.ndarray:
        x = points[1] - points[0]
        x = x / np.linalg.norm(x)
        z = np.cross(x, points[2] - points[0])
        z = z / np.linalg.norm(z)
        return (points - points[0]) @ np.stack([x, np.cross(z, x), z]).T

    for sample in range(3):
        shifted = history[sample, -1].copy()
        shifted[2] += size * direction[sample] / np.linalg.norm(direction[sample])
        change = np.linalg.norm(inside(shifted) - inside(history[sample, -1]), axis=1) / size
        np.testing.assert_allclose(found[2, sample], change, rtol=1e-6, atol=1e-9)


def test_only_the_newest_frame_of_a_history_is_perturbed():
    """Onto the same frame before it, a moved point turns the points; had both frames moved, nothing
    would turn."""
    history = np.repeat(cloud()[:, :1], 2, axis=1)
    turned = diagnostics.response(aligner("kabsch_previous", history), history)
    centred = diagnostics.response(aligner("centre_of_mass", history), history)
    assert np.abs(turned - centred).max() > 0.01


def test_alignments_that_remove_rotations_are_told_from_those_that_do_not():
    history = cloud()
    exact = [
        ("gram_schmidt", {}),
        ("kabsch_mean", {}),
        ("principal_axes_signed", {}),
        ("weighted_frames", {}),
    ]
    for name, options in [
        *exact,
        ("frame_averaging", {}),
        ("frame_averaging", {"reflections": True}),
    ]:
        found = row(name, history, **options)
        assert (
            max(value for key, value in found.items() if key.startswith("rotation_error")) < 1e-10
        ), name
    for name in ("centre_of_mass", "principal_axes", "kabsch_previous"):
        assert row(name, history)["rotation_error"] > 0.5, name
    assert (
        row("centre_of_mass", history)["rotation_error_coincident"] < 1e-10
    )  # nothing is left to turn
    assert (
        row("vector01", history)["rotation_error_collinear"]
        < 1e-10
        < row("vector01", history)["rotation_error_planar"]
    )
    assert row("frame_averaging", history)["reflection_error"] > 0.1
    assert row("frame_averaging", history, reflections=True)["reflection_error"] < 1e-10


def test_degenerate_histories_are_what_they_are_called():
    history = cloud()
    made = diagnostics.degenerate(history)
    spread = {
        kind: np.linalg.svd(points[:, -1] - points[:, -1].mean(1, keepdims=True), compute_uv=False)
        for kind, points in made.items()
    }
    size = spread["planar"][:, :1]
    assert (spread["planar"] > 1e-12 * size).sum(1).tolist() == [2] * len(history)
    assert (spread["collinear"] > 1e-12 * size).sum(1).tolist() == [1] * len(history)
    np.testing.assert_allclose(spread["symmetric"][:, 0], spread["symmetric"][:, 1], rtol=1e-12)
    np.testing.assert_allclose(spread["coincident"] / size, 0, atol=1e-12)
    for points in made.values():
        np.testing.assert_allclose(points[:, -1].mean(1), history[:, -1].mean(1), atol=1e-12)


def steps(rotation: np.ndarray, episode: list[int]) -> float:
    """The jump rate of an alignment that gives these rotations (T, 3, 3)."""

    class Given:
        def frames(self, history, reference=None, rng=None):
            return frames_of(rotation[history[:, -1, 0, 0].astype(int)])

    history = np.tile(np.arange(len(rotation))[:, None, None, None], (1, 1, 2, 3)).astype(float)
    return diagnostics.jump_rate(Aligner(Given()), history, np.array(episode))


def test_jumps_are_counted_within_episodes_only():
    flip = np.diag([-1.0, -1, 1])
    rotation = np.stack([np.eye(3), np.eye(3), flip, flip, np.eye(3)])
    assert steps(rotation, [0] * 5) == pytest.approx(2 / 4)
    assert steps(rotation, [0, 0, 1, 1, 1]) == pytest.approx(1 / 3)
    assert steps(rotation[:1], [0]) == 0


@pytest.mark.parametrize(("degrees", "jumped"), [(85, False), (95, True), (180, True)])
def test_a_turn_of_over_90_degrees_about_any_axis_is_a_jump(degrees, jumped):
    axis = np.random.default_rng(0).normal(size=(20, 3))
    turn = Rotation.from_rotvec(
        np.deg2rad(degrees) * axis / np.linalg.norm(axis, axis=1, keepdims=True)
    ).as_matrix()
    before = Rotation.random(20, rng=np.random.default_rng(1)).as_matrix()
    assert (diagnostics.jumps(frames_of(before), frames_of(turn @ before)) == jumped).all()
    assert diagnostics.jumps(frames_of(before), frames_of(-before)).all()  # a reflection


def test_rows_of_zeros_neither_jump_nor_hide_a_jump():
    full, line = np.eye(3), np.diag([1.0, 0, 0])
    before = frames_of([full, line, line, line, 0 * full, 0 * full])
    after = frames_of([line, full, line, -line, 0 * full, line])
    expected = [
        True,
        True,
        False,
        True,
        False,
        True,
    ]  # an axis lost, found, kept, flipped; nothing; an axis found
    np.testing.assert_array_equal(diagnostics.jumps(before, after), expected)


def test_the_order_of_a_set_of_frames_is_no_jump():
    history = cloud()
    same = np.repeat(history[:1], 2, axis=0)
    frames = load_alignment("frame_averaging").frames(same)
    other = Frames(frames.rotation[:, ::-1], frames.origin, frames.weight)
    assert not diagnostics.jumps(frames, other).any()
    alone = frames_of(frames.rotation[:, 0]), frames_of(frames.rotation[:, 3])
    assert diagnostics.jumps(*alone).all()


def test_the_eigengap_of_known_clouds():
    position = np.zeros((10, 6, 3))
    position[:, [0, 1], 0] = [2, -2]
    position[:, [2, 3], 1] = [1, -1]
    turned = position @ Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    np.testing.assert_allclose(diagnostics.eigengap(turned), (8 - 2) / 8)
    np.testing.assert_array_equal(diagnostics.eigengap(np.ones((2, 4, 3))), 0)


NAMES = ["none", "kabsch_mean", "stochastic_frame_averaging", "learned_frame", "chosen"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The tables of a small task, as the command writes them."""
    folder, history = tmp_path_factory.mktemp("diagnose"), cloud(60, 4)
    lifted = folder / "data" / "walk" / "lifted.h5"
    lifted.parent.mkdir(parents=True)
    write(lifted, Trajectory(history[:, -1], np.repeat([0, 1], 30), np.arange(60.0)))
    split = {"by": "time", "train": 30, "validation": 10, "test": 10}
    task = {"name": "walk_k2", "source": "walk", "history": 2, "lag": 1, "split": split}
    alignments = {name: {"frames": name, "options": {}} for name in NAMES}
    alignments["chosen"] = {"frames": "gram_schmidt", "options": {"points": [3, 1, 2]}}
    aligned = [folder / "aligned" / "walk_k2" / f"{name}.h5" for name in NAMES]
    for name, path in zip(NAMES, aligned, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        run(lifted, task, name, alignments[name], path)
    (folder / "tasks.json").write_text(json.dumps({"walk_k2": task}))
    (folder / "alignments.json").write_text(json.dumps(alignments))
    words = ["--tasks", folder / "tasks.json", "--alignments", folder / "alignments.json"]
    words += ["--aligned", folder / "aligned"]
    called(
        "diagnose.py", *words, "--trajectories", lifted, "--output", folder / "tables"
    ).check_returncode()
    return {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}


def test_the_command_writes_the_four_tables_without_learned_alignments(tables):
    assert set(tables) == {"alignment", "perturbation", "eigengap", "isotropy"}
    assert set(tables["alignment"]["alignment"]) == set(NAMES) - {"learned_frame"}
    assert tables["alignment"].notna().all(axis=None)
    assert tables["perturbation"].groupby("alignment").size().eq(16).all()
    assert tables["eigengap"]["gap"].is_monotonic_increasing
    assert (
        list(tables["eigengap"]["quantile"])[:3] == [0, 0.01, 0.05]
        and len(tables["eigengap"]) == 15
    )
    assert list(tables["isotropy"]["verdict"]) == [
        "oriented"
    ]  # spreads of 3, 2 and 1 along x, y and z
    assert list(tables["isotropy"].columns) == ["task", "frames", "statistic", "p_value", "verdict"]


def test_the_gain_in_the_table_is_that_of_an_alignment_with_its_options(tables):
    gain = tables["perturbation"].set_index(["alignment", "moved", "point"])["gain"]
    np.testing.assert_allclose(gain["none"].unstack(), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(
        gain["chosen"].unstack().loc[0], [1, 0, 0, 0], atol=1e-10
    )  # point 0 is not chosen
