"""A periodic box from file to prediction: carried along, turned with the points, and seen by
networks with a cutoff."""

import shutil
import warnings
from dataclasses import replace

import h5py
import jax
import MDAnalysis
import numpy as np
import pytest

import equitraj.models
from equitraj import symmetry
from equitraj.api.run import load as load_run
from equitraj.base import registry
from equitraj.base.files import read_json
from equitraj.data import features, tasks
from equitraj.data import trajectory as files
from equitraj.data.features import Shape
from equitraj.data.lift import lift
from equitraj.data.sources.reading import read_file
from equitraj.data.sources.systems import lennard_jones
from equitraj.data.sources.systems.lennard_jones import Options
from equitraj.data.tasks import Sample
from equitraj.data.trajectory import Trajectory
from equitraj.data.turning import rotate_each
from equitraj.frames import Frames
from equitraj.frames.run import run as align
from equitraj.prediction import predictor
from equitraj.symmetry import actions, lie
from equitraj.symmetry.verdict import EPSILON
from equitraj.training.jax import named_arrays
from equitraj.training.method import Method
from equitraj.training.run import run as train
from study import REPOSITORY

N_POINTS, CUTOFF = 7, 1.3
BOX = np.array([[2.0, 0, 0], [0.6, 1.8, 0], [-0.4, 0.5, 2.2]])  # the cutoff is more than half of it
# Errors are of a handful of float64 operations on numbers of order 1 to 10, summed over up to 200
# neighbours.
ROUNDING = 200 * 10 * EPSILON["float64"]


@pytest.fixture
def near(monkeypatch, tmp_path):
    """A model of one's own that lists neighbours."""
    (tmp_path / "models").mkdir()
    shutil.copy(REPOSITORY / "tests/models/near.py", tmp_path / "models" / "near_model.py")
    monkeypatch.setattr(
        equitraj.models, "__path__", [*equitraj.models.__path__, str(tmp_path / "models")]
    )
    known = registry.names
    monkeypatch.setattr(registry, "names", lambda f: known(f) + ["near_model"] * (f == "models"))
    read = registry.read_model
    near_file = tmp_path / "models/near_model.py"
    monkeypatch.setattr(
        registry, "read_model", lambda p: read(near_file if p.stem == "near_model" else p)
    )
    yield lambda alignment="none", **options: Method(
        "m", "near_model", alignment, options={"max_radius": CUTOFF} | options
    )
    registry.model_spec.cache_clear()


def sample(n_samples: int = 3, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    position = rng.normal(scale=2, size=(n_samples, 1, N_POINTS, 3)) + 0.05 * rng.normal(
        size=(n_samples, 2, N_POINTS, 3)
    )
    return Sample(
        position, position[:, -1], box=np.stack([BOX * (1 + 0.1 * i) for i in range(n_samples)])
    )


def predict(method: Method, s: Sample, seed: int = 0) -> predictor.Predictor:
    shape = Shape(N_POINTS, 1, 0, features.measure(s, "last", 1))
    arrays = named_arrays(method.build(shape, jax.random.key(seed)))
    return predictor.Predictor(method.aligner, predictor.forward(method, shape, arrays, "float64"))


def trajectory(**given) -> Trajectory:
    rng = np.random.default_rng(2)
    position = np.cumsum(0.1 * rng.normal(size=(6, N_POINTS, 3)), 0) + rng.uniform(
        0, 2, (N_POINTS, 3)
    )
    box = np.stack([BOX * (1 + 0.01 * i) for i in range(6)])
    return replace(
        Trajectory(position, np.array([0, 0, 0, 1, 1, 1]), np.arange(6.0), box=box), **given
    )


def test_a_file_keeps_the_box_and_mdanalysis_reads_it(tmp_path):
    written = trajectory(length_unit="Angstrom", time_unit="ps")
    files.write(tmp_path / "a.h5", written)
    np.testing.assert_array_equal(files.read(tmp_path / "a.h5").box, written.box)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["particles/all/box"].attrs["boundary"].tolist() == [b"periodic"] * 3
        assert file["particles/all/box/edges/value"].attrs["unit"] == "Angstrom"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(N_POINTS, trajectory=True)
        universe.load_new(str(tmp_path / "a.h5"), format="H5MD")
        for frame, box in zip(universe.trajectory, written.box, strict=True):
            expected = MDAnalysis.lib.mdamath.triclinic_box(*box)
            np.testing.assert_allclose(
                frame.dimensions, expected, rtol=1e-6
            )  # MDAnalysis keeps float32


def test_a_box_is_cut_and_lifted_with_its_frames():
    flat = trajectory()
    flat = replace(
        flat, position=flat.position[..., :2], box=flat.box * [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    )
    lifted = lift(flat, "random_plane", 3)
    np.testing.assert_allclose(
        lifted.box @ np.swapaxes(lifted.box, 1, 2), flat.box @ np.swapaxes(flat.box, 1, 2)
    )
    rotation = np.array(lifted.provenance["lift"]["rotation"])
    np.testing.assert_allclose(lifted.box, flat.box @ rotation.T)
    assert files.at_frames(lifted, np.array([2, 4])).box.tolist() == lifted.box[[2, 4]].tolist()
    s = tasks.samples(trajectory(), np.array([1, 4]), 2, 1)
    assert s.box.tolist() == trajectory().box[[1, 4]].tolist() and len(s.take(slice(1)).box) == 1


def test_a_box_without_volume_is_refused(tmp_path):
    box = np.tile([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]], (6, 1, 1))
    with pytest.raises(
        ValueError,
        match="box vectors .*expected linearly independent rows",
    ):
        files.write(tmp_path / "a.h5", trajectory(box=box))


@pytest.mark.parametrize("vectors", [[2.0, 1.8, 2.2], BOX.tolist()], ids=["lengths", "vectors"])
def test_arrays_get_the_box_that_their_source_names(tmp_path, vectors):
    box = np.diag(vectors) if np.ndim(vectors) == 1 else np.array(vectors)
    truth = trajectory().position
    fractional = truth @ np.linalg.inv(box)
    source = {
        "path": str(tmp_path / "a.npz"),
        "arrays": {"position": "x", "episode": "e"},
        "box": vectors,
    }
    np.savez(
        tmp_path / "a.npz", x=(fractional - np.floor(fractional)) @ box, e=trajectory().episode
    )
    with pytest.raises(ValueError, match="jumps by more than half the periodic box"):
        read_file(source)
    read = read_file(source | {"unwrap": True, "stop": 3})
    assert read.position.shape == (6, N_POINTS, 3) and (read.box == box).all()
    for episode in (slice(3), slice(3, 6)):  # atol: sums and products of numbers below 10
        moved, expected = (np.diff(p[episode], axis=0) for p in (read.position, truth))
        np.testing.assert_allclose(moved, expected, atol=100 * EPSILON["float64"])
    assert read_file(source | {"unwrap": False}).box is None
    np.savez(tmp_path / "a.npz", x=truth[..., :2], e=trajectory().episode)
    with pytest.raises(ValueError, match="a periodic box needs points in 3-D, not in 2-D"):
        read_file(source)


def test_frames_and_actions_turn_the_box_with_the_points():
    s, rng = sample(), np.random.default_rng(1)
    rotation = np.stack([[actions.haar(rng) for _ in range(2)] for _ in range(len(s))])
    inside = Frames(rotation, rng.normal(size=(len(s), 3)), np.full((len(s), 2), 0.5)).into_sample(
        s
    )
    for i, box in enumerate(inside.box):
        np.testing.assert_allclose(box, s.box[i // 2] @ rotation[i // 2, i % 2].T, atol=ROUNDING)
    for name in actions.GENERATORS:
        for g in actions.draw(name, 3, N_POINTS, 1.0, rng):
            np.testing.assert_allclose(g.apply(s).box, g.scale * s.box @ g.matrix.T, atol=ROUNDING)
    turned = rotate_each(s, 0)
    coordinates = [x.position @ np.linalg.inv(x.box)[:, None] for x in (s, turned)]
    np.testing.assert_allclose(*coordinates, atol=ROUNDING)


def test_the_image_in_which_a_point_is_given_does_not_matter(near):
    s = sample()
    f = predict(near(), s)
    whole = np.random.default_rng(3).integers(-3, 4, (len(s), 1, N_POINTS, 3)) @ s.box[:, None]
    moved = f.predict(replace(s, position=s.position + whole)) - whole[:, 0]
    np.testing.assert_allclose(moved, f.predict(s), atol=ROUNDING)
    free = f.predict(replace(s, box=None))
    assert np.abs(free - f.predict(s)).max() > 1e-3  # of distances of order 1: the box is seen


@pytest.mark.parametrize(
    "alignment", ["none", "centre_of_mass", "gram_schmidt", "frame_averaging", "learned_frame"]
)
def test_a_network_in_a_box_is_equivariant(near, alignment):
    s, rng = sample(), np.random.default_rng(2)
    f = predict(near(alignment), s)
    for name in ("rotation", "inversion", "translation", "permutation"):
        if name == "permutation" and not near(alignment).aligner.permutation:
            continue
        for g in actions.draw(name, 3, N_POINTS, 1.0, rng):
            np.testing.assert_allclose(g.undo(f.predict(g.apply(s))), f.predict(s), atol=ROUNDING)
    g = actions.draw("rotation", 1, N_POINTS, 1.0, rng)[0]
    broken = g.undo(f.predict(replace(g.apply(s), box=s.box))) - f.predict(s)
    assert (
        np.abs(broken).max() > 1e-3
    )  # of distances of order 1: with the box left behind it is another system


TASK = {
    "name": "t",
    "source": "s",
    "history": 2,
    "lag": 1,
    "split": {"by": "time", "train": 12, "validation": 4, "test": 4},
}


@pytest.mark.parametrize(
    ("alignment", "augmentation"), [("centre_of_mass", "rotation"), ("frame_averaging", "none")]
)
def test_it_is_trained_evaluated_and_audited_in_its_box(near, tmp_path, alignment, augmentation):
    made = lennard_jones.simulate(
        Options(points=8, cutoff=0.35, equilibration_steps=200, stride=20), 30
    )
    files.write(tmp_path / "a.h5", made)
    align(
        tmp_path / "a.h5", TASK, alignment, {"frames": alignment, "options": {}}, tmp_path / "b.h5"
    )
    training = {
        "epochs": 8,
        "batch_size": 4,
        "learning_rate": 0.01,
        "ema": 0.0,
        "symmetry_penalty": 0.1,
    }
    method = replace(near(alignment, max_radius=0.5), augmentation=augmentation, training=training)
    train(
        TASK,
        method,
        "all",
        [0],
        tmp_path / "a.h5",
        tmp_path / "b.h5",
        tmp_path,
        code="of a file elsewhere",
    )
    record = read_json(tmp_path / "seed0/run.json")
    assert record["status"] == "ok", record["status"]
    history = np.genfromtxt(tmp_path / "seed0/history.csv", delimiter=",", names=True)[
        "validation_mse"
    ]
    assert history.min() < history[0]
    s = tasks.samples(made, np.arange(20, 28), 2, 1)
    load = lambda dtype: predictor.load(tmp_path / "seed0", "trained", dtype).predict  # noqa: E731
    rows = symmetry.audit(load, s, method.claims(), {"float64": 4, "float32": 2})
    assert all(row["agrees"] == "yes" for row in rows)
    run = load_run(tmp_path / "seed0")
    np.testing.assert_array_equal(run.predict(s.position, box=made.box[0]), load("float64")(s))
    with pytest.raises(
        ValueError, match=r"box: shape \(3,\); expected finite \(3, 3\) or \(8, 3, 3\)"
    ):
        run.predict(s.position, box=np.ones(3))
    rotated = rotate_each(s, 0)
    error = [load("float64")(x) - x.target for x in (s, rotated)]
    np.testing.assert_allclose(
        *[np.linalg.norm(e, axis=(1, 2)) for e in error], rtol=1e3 * ROUNDING
    )


def test_fewer_samples_go_into_a_call_where_each_has_many_pairs():
    assert (
        predictor.samples_in_call(12, dense=True)
        == predictor.samples_in_call(256, dense=False)
        == predictor.CHUNK
    )
    assert predictor.samples_in_call(4096, dense=False) == predictor.CALL_PAIRS // (
        4096 * predictor.NEIGHBOURS
    )
    assert (
        predictor.samples_in_call(4096, dense=True) == 1
        and predictor.samples_in_call(12, True, 128) == 128
    )


@pytest.mark.parametrize("alignment", ["none", "principal_axes"])
def test_the_lie_derivative_follows_the_box(near, alignment):
    s, method = sample(), near(alignment)
    shape = Shape(N_POINTS, 1, 0, features.measure(s, "last", 1))
    arrays = named_arrays(method.build(shape, jax.random.key(0)))
    found = lie.derivatives(method, shape, arrays, None, s)
    prediction = predict(method, s).predict(s)
    norm = symmetry.displacement_norm(prediction, s)
    for value in found.values():
        # the frame is differenced: its rounding, 1/STEP times that of float64, on positions of
        # order 10 motions
        assert (np.linalg.norm(value, axis=(1, 2)) / norm).max() < 100 * lie.ROUNDING
