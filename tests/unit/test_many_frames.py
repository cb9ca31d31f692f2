"""Data of many parts: the results are those of one part, and no step holds all frames."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

from equitraj.base import registry
from equitraj.data import features, parts, tasks
from equitraj.data.tasks import Histories, SampleParts
from equitraj.data.trajectory import (
    Trajectory,
    at_frames,
    opened,
    opened_observables,
    read,
    read_observables,
    write,
)
from equitraj.frames import diagnostics, load_alignment
from equitraj.frames.run import run as align
from equitraj.prediction import evaluation
from equitraj.prediction.predictor import Predictor
from equitraj.report import film
from equitraj.training import samples
from equitraj.training.method import Method
from equitraj.training.run import fitted

TASK = {"name": "t", "source": "s", "history": 3, "lag": 2, "inputs": ["velocity", "charge"]}
TASK["split"] = {"by": "time", "train": 0.6, "validation": 0.2, "test": 0.2}
ROUNDING = 1e-12  # sums of some thousand numbers in another order: 1e-16 times the root of their number, and a margin
CLOSED_FORMS = ("persistence", "constant_velocity", "autoregression", "linear_least_squares")


def walk(n_frames: int, n_points: int = 5) -> Trajectory:
    """A random walk in two episodes, with velocities and a charge that changes."""
    rng = np.random.default_rng(1)
    position = rng.normal(size=(n_frames, n_points, 3)).cumsum(0) + 3 * rng.normal(
        size=(n_points, 3)
    )
    return Trajectory(
        position,
        np.repeat([0, 1], [n_frames // 3, n_frames - n_frames // 3]),
        np.arange(float(n_frames)),
        velocity=rng.normal(size=position.shape),
        bonds=np.array([[0, 1], [1, 2]]),
        features={"charge": rng.normal(size=(n_frames, n_points, 1))},
    )


@pytest.fixture(scope="module")
def lifted(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("many") / "lifted.h5"
    write(path, walk(400))
    return path


@pytest.fixture()
def few_rows(monkeypatch) -> Callable[[], None]:
    """Cuts all data into parts of a few rows from when it is called."""
    return lambda: monkeypatch.setattr(parts, "PART_BYTES", 50 * 8 * 3 * 5)


def aligned(lifted: Path, name: str, output: Path) -> Path:
    if not output.exists():
        align(lifted, TASK, name, {"frames": name, "options": {}}, output)
    return output


def test_parts_cover_all_rows_in_whole_calls_of_a_predictor():
    for count, numbers in ((0, 7), (1, 1), (10**6, 108), (10**6, 10**7), (300, 0)):
        slices = parts.parts(count, numbers)
        rows = [row for part in slices for row in (part.start, part.stop)]
        assert rows[0] == 0 and rows[-1] == count and rows[1:-1:2] == rows[2::2]
        assert all(
            (part.stop - part.start) * numbers * 8 <= max(parts.PART_BYTES, 8 * numbers)
            for part in slices
        )
    assert (parts.parts(10**6, 108)[0].stop) % parts.MULTIPLE == 0


def test_a_stored_array_is_indexed_like_one_in_memory(tmp_path):
    value = np.random.default_rng(0).normal(size=(700, 4, 3))
    indices = [
        *(5, -1, slice(None), slice(3, 50, 7), slice(0, 0)),
        *(np.array([[3, 2], [699, 3]]), np.arange(600), np.array([], int), np.arange(700)[::-40]),
    ]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = value
        for width in (None, 2):
            stored, whole = parts.Stored(file["a"], width), value[..., :width]
            assert stored.shape == whole.shape and len(stored) == 700
            for index in indices:
                np.testing.assert_array_equal(stored[index], whole[index])
            np.testing.assert_array_equal(np.asarray(stored), whole)


def test_an_opened_file_has_what_a_read_one_has(lifted):
    whole = read(lifted)
    with opened(lifted) as trajectory:
        assert isinstance(trajectory.position, parts.Stored)
        some = at_frames(trajectory, slice(20, 90))
        for name in ("position", "velocity", "time", "episode"):
            np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[20:90])
        np.testing.assert_array_equal(some.features["charge"], whole.features["charge"][20:90])


@pytest.mark.parametrize("name", registry.names(registry.ALIGNMENTS))
def test_alignment_in_parts_is_that_of_all_frames_at_once(lifted, tmp_path, few_rows, name):
    one = aligned(lifted, name, tmp_path / "one.h5")
    few_rows()
    several = aligned(lifted, name, tmp_path / "several.h5")
    np.testing.assert_array_equal(read(several).position, read(one).position)
    assert read(several).provenance == read(one).provenance
    expected = read_observables(one)
    for key, value in read_observables(several).items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)


def splits_of(lifted: Path, other: Path) -> dict[str, samples.Split]:
    trajectory, observables = read(lifted), read_observables(other)
    return samples.load_splits(trajectory, observables, TASK, "all")[0]


@pytest.mark.parametrize("name", ["kabsch_mean", "frame_averaging"])
def test_what_a_network_is_trained_on_does_not_depend_on_the_parts(
    lifted, tmp_path, few_rows, name
):
    splits = splits_of(lifted, aligned(lifted, name, tmp_path / "a.h5"))
    method = Method("m", "mlp", name, training={"residual": "autoregression"})
    shape = samples.shape_of(method, splits["train"], TASK)
    one = samples.network_data(method, splits, shape)
    few_rows()
    assert len(splits["train"].samples.slices()) > 10
    found = samples.shape_of(method, splits["train"], TASK)
    for key, value in vars(shape.statistics).items():
        measured = vars(found.statistics)[key]
        assert measured == value or np.allclose(measured, value, rtol=ROUNDING, atol=ROUNDING), key
    several = samples.network_data(method, splits, shape)
    for ours, theirs in ((several.train, one.train), (several.validation, one.validation)):
        for key, value in theirs.inputs.items():
            np.testing.assert_array_equal(ours.inputs[key], value, err_msg=key)
        for key in ("target", "rotation", "weight"):
            np.testing.assert_array_equal(getattr(ours, key), getattr(theirs, key), err_msg=key)
        assert ours.inputs["adjacency"].strides[0] == 0  # one for all samples, in the memory of one


@pytest.mark.parametrize("model", CLOSED_FORMS)
def test_closed_forms_are_fitted_in_parts(lifted, tmp_path, few_rows, model):
    split = splits_of(lifted, aligned(lifted, "none", tmp_path / "a.h5"))["train"]
    one = fitted(Method("m", model), split, 2)
    few_rows()
    several = fitted(Method("m", model), split, 2)
    assert set(several) == set(one)
    for key, value in one.items():
        # the normal equations of positions some ten times larger than they vary square a condition
        # number of 100
        np.testing.assert_allclose(
            several[key], value, rtol=1e4 * ROUNDING if model.startswith("linear") else 1e-10
        )


def test_least_squares_of_parts_keeps_the_digits_that_normal_equations_lose():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 3))
    matrix[:, 2] = (
        matrix[:, 1] + 1e-7 * matrix[:, 2]
    )  # a condition number of 1e7: squared, it would leave two digits
    wanted = np.array([1.0, -2.0, 3.0])
    systems = [(matrix[i : i + 70], matrix[i : i + 70] @ wanted) for i in range(0, 300, 70)]
    np.testing.assert_allclose(
        parts.least_squares(systems), wanted, rtol=1e-7
    )  # 1e7 times 1e-16, and a margin


@pytest.mark.parametrize("name", ["none", "haar_averaging", "frame_averaging"])
def test_errors_and_predictions_do_not_depend_on_the_parts(lifted, few_rows, name):
    def forward(sample: tasks.Sample) -> np.ndarray:
        return sample.position[:, -1] + 0.3 * sample.past[:, -1] ** 2

    predictor = Predictor(load_alignment(name), forward)
    with opened(lifted) as trajectory:
        newest = tasks.split_frames(trajectory.episode, 3, 2, TASK["split"])["test"]

        def measured() -> tuple[dict, np.ndarray]:
            kept: list[np.ndarray] = []
            reference = evaluation.baselines(trajectory, newest, 2)
            found = evaluation.one_step(
                predictor, SampleParts(trajectory, newest, TASK), reference, kept.append
            )
            return found, np.concatenate(kept)

        one, prediction = measured()
        few_rows()
        several, predicted = measured()
    np.testing.assert_array_equal(predicted, prediction)
    blocks, worst = ([found.pop(name) for found in (several, one)] for name in ("blocks", "worst"))
    assert several == pytest.approx(one, rel=ROUNDING)
    assert blocks[0]["samples"] == blocks[1]["samples"] and worst[0]["sample"] == worst[1]["sample"]
    assert worst[0]["mse"] == pytest.approx(worst[1]["mse"], rel=ROUNDING)
    for name in ("mse", "mse_rotated"):
        assert blocks[0][name] == pytest.approx(blocks[1][name], rel=ROUNDING)


LONG, WIDTH, PART = 10_000, 20, 1 << 17  # 4.8 MB of positions in parts of 0.13 MB
HELD = 0.6  # of the positions: who reads all of them holds 1; a dozen numbers of 8 for 480 bytes of a frame are 0.2


def peak(step: Callable[[], object]) -> int:
    """Bytes that a step holds at most, beyond what there was."""
    tracemalloc.start()
    step()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def steps(path: Path, other: Path, files: ExitStack) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done with all frames of the trajectory `path`; the first writes the aligned file
    `other`."""
    yield (
        "align",
        lambda: align(
            path, TASK, "frame_averaging", {"frames": "frame_averaging", "options": {}}, other
        ),
    )
    trajectory, observables = (
        files.enter_context(opened(path)),
        files.enter_context(opened_observables(other)),
    )
    train = samples.load_splits(trajectory, observables, TASK, "all")[0]["train"]
    yield "measure", lambda: features.measure_parts(train, "autoregression", 2)
    yield "fit", lambda: fitted(Method("m", "autoregression"), train, 2)
    histories = Histories(trajectory.position, trajectory.episode, 3)
    aligner = diagnostics.Aligner(load_alignment("principal_axes"))
    yield "diagnose", lambda: diagnostics.diagnose(aligner, histories, trajectory.episode)
    test = SampleParts(trajectory, train.samples.newest, TASK)
    predictor = Predictor(load_alignment("none"), lambda sample: sample.position[:, -1], chunk=1024)
    reference = evaluation.baselines(trajectory, test.newest, 2)
    yield "baselines", lambda: evaluation.baselines(trajectory, test.newest, 2)
    yield "evaluate", lambda: evaluation.one_step(predictor, test, reference)
    yield "film", lambda: files.enter_context(film.opened_panels(path, {"frame_averaging": other}))


def test_no_step_holds_all_frames(lifted, tmp_path, monkeypatch):
    path = tmp_path / "lifted.h5"
    write(path, walk(LONG, WIDTH))
    n_bytes = LONG * WIDTH * 24
    assert peak(lambda: read(path)) > n_bytes  # so that the measurement can fail
    with ExitStack() as files:
        for _, step in steps(
            lifted, tmp_path / "few.h5", files
        ):  # what is imported now is not counted below
            step()
        monkeypatch.setattr(parts, "PART_BYTES", PART)
        found = {
            name: peak(step) / n_bytes for name, step in steps(path, tmp_path / "many.h5", files)
        }
    assert max(found.values()) < HELD, found


def test_the_arrays_of_a_network_are_assembled_without_a_second_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    path, made = tmp_path / "lifted.h5", []
    write(path, walk(LONG, WIDTH))
    method, other = Method("m", "mlp"), aligned(path, "none", tmp_path / "none.h5")
    with opened(path) as trajectory, opened_observables(other) as observables:
        splits, _ = samples.load_splits(trajectory, observables, TASK, "all")
        shape = samples.shape_of(method, splits["train"], TASK)
        found = peak(lambda: made.append(samples.network_data(method, splits, shape)))
    kept = [
        {
            k: v.nbytes
            for k, v in (part.inputs | vars(part)).items()
            if k not in ("inputs", "adjacency")
        }
        for part in (made[0].train, made[0].validation)
    ]
    largest = max(
        kept[0].values()
    )  # a name at a time is joined: its parts and the whole are there together
    assert found < sum(sum(part.values()) for part in kept) + largest + HELD * LONG * WIDTH * 24
