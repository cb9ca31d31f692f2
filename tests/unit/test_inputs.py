"""What a task shows a method beside positions: velocities, species, masses, features, the time
between frames."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from equitraj import symmetry
from equitraj.base.files import read_json
from equitraj.data import features, tasks
from equitraj.data.trajectory import Trajectory, read, write
from equitraj.frames.run import run as align
from equitraj.prediction import evaluation, predictor
from equitraj.symmetry import lie, probes
from equitraj.training import run as training
from equitraj.training.method import Method

STEP = 0.25
TASK = {
    "name": "k1",
    "source": "chain",
    "history": 1,
    "lag": 2,
    "inputs": ["velocity", "charge", "mass", "species"],
}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
NETWORKS = {
    "mlp": {"width": 8},
    "egnn": {"width": 4, "layers": 1},
    "e3nn_network": {"irreps_hidden": "2x0e + 2x1o", "lmax": 1, "layers": 1, "radial_neurons": 4},
}


@pytest.fixture(scope="module")
def rich(chain) -> Trajectory:
    """The chain with velocities, masses, species and charges that change, 0.25 units of time
    between frames."""
    rng = np.random.default_rng(5)
    velocity = np.gradient(chain.position, STEP, axis=0)
    charge = rng.normal(size=(120, 5, 1))
    return replace(
        chain,
        time=STEP * chain.time,
        velocity=velocity,
        mass=np.array([1.0, 2.0, 1.0, 4.0, 1.0]),
        species=np.array([6, 1, 1, 8, 6]),
        features={"charge": charge, "colour": rng.normal(size=(5, 2))},
    )


@pytest.fixture(scope="module")
def files(rich, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rich")
    write(folder / "lifted.h5", rich)
    for name in ("none", "centre_of_mass", "learned_frame"):
        align(
            folder / "lifted.h5", TASK, name, {"frames": name, "options": {}}, folder / f"{name}.h5"
        )
    return folder


def trained(files, folder, method: Method) -> dict:
    training.run(
        TASK, method, "all", [0], files / "lifted.h5", files / f"{method.alignment}.h5", folder
    )
    record = read_json(folder / "seed0/run.json")
    assert record["status"] == "ok", record["status"]
    return record


def test_a_sample_holds_what_the_task_shows_and_nothing_else(rich):
    newest = np.array([3, 50])
    bare = tasks.samples(rich, newest, 2, 1)
    assert bare.velocity is None and bare.scalar is None and bare.mass is None and bare.step == 1.0
    full = tasks.samples(rich, newest, 2, 1, ["charge", "species", "mass", "velocity"])
    expected = [
        [m, q, z == 1, z == 6, z == 8]
        for m, q, z in zip(rich.mass, rich.features["charge"][50, :, 0], rich.species, strict=True)
    ]
    np.testing.assert_array_equal(full.scalar[1], np.array(expected, float))
    np.testing.assert_array_equal(full.mass, np.broadcast_to(rich.mass, (2, 5)))
    steps = [rich.position[newest] - rich.position[newest - 1], STEP * rich.velocity[newest]]
    np.testing.assert_allclose(full.past, np.stack(steps, 1), rtol=0, atol=1e-15)
    assert full.step == STEP and tasks.samples(rich, newest, 1, 1, ["time_step"]).step == STEP


def test_an_input_that_the_data_do_not_have_is_named_with_what_they_have(rich, files, tmp_path):
    with pytest.raises(
        ValueError, match="inputs: the data have no 'charges'; allowed: .* Did you mean 'charge'"
    ):
        tasks.samples(rich, np.array([3]), 1, 1, ["charges"])
    with pytest.raises(ValueError, match="inputs: the data have no 'velocitie'"):
        task = TASK | {"inputs": ["velocitie"]}
        align(
            files / "lifted.h5", task, "none", {"frames": "none", "options": {}}, tmp_path / "a.h5"
        )


def test_with_velocities_constant_velocity_is_x_plus_v_t(rich, files, tmp_path):
    trained(files, tmp_path, Method("constant_velocity", "constant_velocity"))
    sample = tasks.samples(rich, np.arange(80, 110), 1, 2, TASK["inputs"])
    expected = rich.position[80:110] + 2 * STEP * rich.velocity[80:110]
    found = predictor.load(tmp_path / "seed0", dtype="float64").predict(sample)
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12
    )  # roundings of numbers of order one


def test_a_velocity_is_fed_back_in_the_datas_own_units():
    time = STEP * np.arange(50.0)
    speed = np.array([0.1, -0.2, 0.05])
    position = np.random.default_rng(0).normal(size=(4, 3)) + time[:, None, None] * speed
    uniform = Trajectory(
        position, np.zeros(50, int), time, velocity=np.broadcast_to(speed, position.shape)
    )

    class Moves:
        def predict(self, sample: tasks.Sample) -> np.ndarray:
            return sample.position[:, -1] + sample.past[:, -1]

    task = {"history": 1, "lag": 1, "inputs": ["velocity"]}
    rows = evaluation.rollout(Moves(), uniform, np.array([5, 9]), task, 10)
    assert len(rows) == 10 and max(row["mse"] for row in rows) < 1e-28  # squares of roundings


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_take_them_and_keep_what_they_claim(rich, files, tmp_path, model):
    options = {"epochs": 2, "batch_size": 16, "learning_rate": 0.005}
    method = Method(model, model, "centre_of_mass", "rotation", NETWORKS[model], options)
    record = trained(files, tmp_path, method)
    assert record["shape"]["n_displacements"] == 1 and record["shape"]["n_scalars"] == 5
    assert record["shape"]["time_step"] == STEP and record["shape"]["lag"] == 2
    sample = tasks.samples(rich, np.arange(85, 105, 2), 1, 2, TASK["inputs"])
    load = lambda dtype: predictor.load(tmp_path / "seed0", dtype=dtype).predict  # noqa: E731
    rows = symmetry.audit(load, sample, method.claims(), {"float64": 2, "float32": 2}, lag=2)
    assert all(row["agrees"] == "yes" for row in rows if row["claim"] == "exact"), rows
    moved = replace(sample, velocity=1.1 * sample.velocity)
    charged = replace(sample, scalar=sample.scalar + [0, 0.5, 0, 0, 0])
    at_rest = load("float64")(sample)
    assert all(np.abs(load("float64")(other) - at_rest).max() > 1e-9 for other in (moved, charged))
    found = lie.rows(*predictor.read_run(tmp_path / "seed0"), sample)
    exact = [
        row["verdict"] == "exact"
        for row in found
        if row["probe"] == "lie" and row["item"] == "rotation"
    ]
    assert exact == [model != "mlp"]
    stabilisers = probes.stabilisers(load("float64"), sample, 1e-12)
    assert model == "mlp" or all(row["verdict"] == "exact" for row in stabilisers)


@pytest.mark.parametrize("model", ["mlp", "e3nn_network"])
def test_a_learned_frame_turns_with_velocities(rich, files, tmp_path, model):
    options = {"epochs": 1, "batch_size": 16}
    method = Method(model, model, "learned_frame", "none", NETWORKS[model], options)
    trained(files, tmp_path, method)
    sample = tasks.samples(rich, np.arange(85, 105, 4), 1, 2, TASK["inputs"])
    load = lambda dtype: predictor.load(tmp_path / "seed0", dtype=dtype).predict  # noqa: E731
    (row,) = symmetry.audit(
        load, sample, method.claims(), {"float64": 2}, lag=2, generators=("rotation",)
    )
    assert row["verdict"] == "exact", row


def test_features_come_in_units_of_their_root_mean_square_but_for_zeros_and_ones(rich):
    sample = tasks.samples(rich, np.arange(10, 60), 1, 1, TASK["inputs"])
    statistics = features.measure(sample, "auto", 1)
    scalar = features.network_inputs(sample, statistics, "float64")["scalar"]
    np.testing.assert_allclose(np.sqrt(np.mean(scalar[..., :2] ** 2, axis=(0, 1))), 1, rtol=1e-12)
    np.testing.assert_array_equal(scalar[..., 2:], sample.scalar[..., 2:])
    assert features.Statistics.from_json(asdict(statistics)) == statistics


def test_the_first_job_reads_a_file_that_has_all_of_it(files, rich):
    found = read(files / "lifted.h5")
    np.testing.assert_array_equal(found.features["charge"], rich.features["charge"])
