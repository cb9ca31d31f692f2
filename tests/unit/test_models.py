"""What every model must pass: claims, batching, saving and loading, for each file in models/."""

from dataclasses import asdict

import numpy as np
import pytest
from safetensors.numpy import save_file

from equitraj import symmetry
from equitraj.base import registry
from equitraj.base.files import write_json
from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.prediction import predictor
from equitraj.training.method import Method

MODELS = registry.names("models")
ALIGNMENT = {"egnn": "centre_of_mass", "e3nn_network": "centre_of_mass"}
HISTORIES = (1, 3)
ELEMENTS = {"float64": 4, "float32": 4}  # for each generator
REPORTED = ("scaling", "time_reversal")  # never claimed, and some models have them


def method(model: str, **options) -> Method:
    """Of two layers where more are the default: what holds for them holds for three."""
    layers = registry.model_spec(model).hyperparameters.get("layers")
    if layers and layers.default > 2:
        options = {"layers": 2} | options
    return Method(name=model, model=model, alignment=ALIGNMENT.get(model, "none"), options=options)


def sample(chain, history: int):
    return tasks.samples(chain, np.arange(10, 90, 5), history, lag=1)


def weights(m: Method, shape: Shape, s: tasks.Sample, seed: int) -> dict[str, np.ndarray]:
    """Initial weights of a network, or the fit of a closed form."""
    if m.closed_form:
        return m.module.fit(m.hyperparameters(), features.view(s, 1), s.target)
    if registry.model_spec(m.model).framework == "jax":
        import equinox as eqx
        import jax

        from equitraj.training.jax import named_arrays

        return named_arrays(eqx.filter_jit(lambda key: m.build(shape, key))(jax.random.key(seed)))
    import torch

    from equitraj.training.torch import named_arrays

    torch.set_default_dtype(torch.float32)
    torch.manual_seed(seed)
    return named_arrays(m.build(shape))


@pytest.fixture(scope="module")
def load(chain, tmp_path_factory):
    """`load(model, history)` saves a model as a run folder and loads predictors of it."""

    def make(model: str, history: int, **options):
        m, s = method(model, **options), sample(chain, history)
        shape = Shape(5, history - 1, 0, features.measure(s, m.residual, 1))
        folder = tmp_path_factory.mktemp(model)
        save_file(
            {f"trained/{k}": np.ascontiguousarray(v) for k, v in weights(m, shape, s, 0).items()},
            folder / "model.safetensors",
        )
        task = {"name": "chain", "source": "chain", "history": history, "lag": 1, "split": {}}
        record = {
            "task": task,
            "method": asdict(m),
            "shape": asdict(shape),
            "claims": m.claims(),
            "split": {},
            "seed": 0,
        }
        record |= {
            "status": "ok",
            "train_size": "all",
            "precision": "float32",
            "device": "cpu",
            "has_initial": False,
        }
        costs = dict.fromkeys(
            (
                "n_parameters",
                "train_seconds",
                "compile_seconds",
                "frames_per_second",
                "peak_memory_mb",
            ),
            0,
        )
        write_json(folder / "run.json", record | costs)
        return lambda dtype: predictor.load(folder, "trained", dtype).predict

    return make


def cases():
    for model in MODELS:
        for history in HISTORIES:
            if history >= registry.model_spec(model).minimum_history:
                yield pytest.param(model, history, id=f"{model}-K{history}")


@pytest.mark.parametrize(("model", "history"), cases())
def test_claims_hold_and_what_is_not_claimed_is_not_exact(load, chain, model, history):
    claims = method(model).claims()
    rows = symmetry.audit(load(model, history), sample(chain, history), claims, ELEMENTS)
    for row in rows:
        assert row["agrees"] == "yes", row
        if row["dtype"] == "float64" and row["claim"] == "no" and row["generator"] not in REPORTED:
            assert row["verdict"] != "exact", row


@pytest.mark.parametrize(("model", "history"), cases())
def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(load, chain, model, history):
    predict, s = load(model, history)("float64"), sample(chain, history)
    alone = np.concatenate([predict(s.take(slice(i, i + 1))) for i in range(3)])
    np.testing.assert_allclose(predict(s)[:3], alone, rtol=0, atol=1e-12)  # sums in another order


def test_a_point_that_knows_its_index_gives_up_permutations(load, chain):
    claims = method("egnn", identity=True).claims()
    assert claims["permutation"] == "no" and claims["rotation"] == "exact"
    rows = symmetry.audit(load("egnn", 3, identity=True), sample(chain, 3), claims, ELEMENTS)
    found = {r["generator"]: r["verdict"] for r in rows if r["dtype"] == "float64"}
    assert found["permutation"] != "exact" and found["rotation"] == "exact"


@pytest.mark.parametrize("max_radius", [0.0, 0.8])
def test_an_egnn_that_sees_the_third_axis_is_equivariant_about_it_only(load, chain, max_radius):
    options = {"vertical": True, "max_radius": max_radius}
    claims = method("egnn", **options).claims()
    assert claims == {
        g: "exact" for g in ("rotation_z", "translation", "permutation")
    } | dict.fromkeys(("rotation", "reflection"), "no")
    rows = symmetry.audit(load("egnn", 3, **options), sample(chain, 3), claims, ELEMENTS)
    found = {r["generator"]: r["verdict"] for r in rows if r["dtype"] == "float64"}
    assert {found[g] for g in ("rotation_z", "translation", "permutation")} == {"exact"}
    assert "exact" not in {found[g] for g in ("rotation", "inversion", "mirror", "euclidean")}


def test_message_passing_keeps_translations_and_permutations_only(load, chain):
    claims = method("message_passing").claims()
    rows = symmetry.audit(load("message_passing", 3), sample(chain, 3), claims, ELEMENTS)
    found = {r["generator"]: r["verdict"] for r in rows if r["dtype"] == "float64"}
    assert {g for g, verdict in found.items() if verdict == "exact"} >= {
        "translation",
        "permutation",
    }
    assert "exact" not in {
        found[g] for g in ("rotation", "rotation_z", "inversion", "mirror", "euclidean")
    }


@pytest.mark.parametrize("max_radius", [0.0, 0.8])
def test_pairs_agree_with_the_library_network(chain, monkeypatch, max_radius):
    """The library's own forward pass searches the neighbours itself; both in float64, so they
    differ by rounding.

    One sample at a time: among more than 25 points its search takes distances from a matrix
    product, in which rounding makes a point its own neighbour now and then.
    """
    import torch
    from e3nn.nn.models.gate_points_2101 import Network

    s, m = sample(chain, 1), method("e3nn_network", max_radius=max_radius)
    ours = e3nn_network(m, s)
    monkeypatch.setattr(m.module, "GraphNetwork", Network)
    library = e3nn_network(m, s)
    library.load_state_dict(ours.state_dict())
    position = torch.as_tensor(s.position[:, -1])
    assert (torch.cdist(position, position) > ours.max_radius).any() == bool(max_radius)
    with torch.no_grad():
        for one, points in zip(ours({"position": position}), position, strict=True):
            torch.testing.assert_close(one, library({"pos": points}), rtol=0, atol=1e-12)


def e3nn_network(m: Method, s: tasks.Sample):
    """In float64, for one frame of five points."""
    import torch

    torch.set_default_dtype(torch.float64)
    network = m.module.build(m.hyperparameters(), Shape(5, 0, 0, features.measure(s, "last", 1)))
    torch.set_default_dtype(torch.float32)
    return network


def neighbours(position: np.ndarray, cutoff: float, box: float, padding: int) -> dict:
    """One sample as a network gets it with a cutoff: points in a box that repeats along x."""
    import torch

    found = []
    for image in range(-4, 5):
        apart = np.linalg.norm(position[:, None] - position + [image * box, 0, 0], axis=-1)
        found += [(i, j, image * box) for i, j in np.argwhere((apart < cutoff) & (apart > 0))]
    found = np.random.default_rng(0).permutation(found)
    shift = np.pad(found[:, 2:], ((0, padding), (0, 2)))
    ends = np.pad(
        found[:, :2].astype(np.int32), ((0, padding), (0, 0)), constant_values=len(position)
    )
    given = {"position": position, "senders": ends[:, 0], "receivers": ends[:, 1], "shift": shift}
    return {name: torch.as_tensor(value)[None] for name, value in given.items()}


@pytest.mark.parametrize("padding", [0, 7])
def test_lists_of_neighbours_agree_with_all_pairs_and_with_a_larger_cell(chain, padding):
    """In float64, to the rounding of sums in another order: without images, and with points that
    see their own."""
    import torch

    s, m, cutoff = sample(chain, 1), method("e3nn_network", max_radius=0.8), 0.8
    network, position = e3nn_network(m, s), s.position[0, -1]
    with torch.no_grad():
        whole = network({"position": torch.as_tensor(position)[None]})
        listed = network(neighbours(position, cutoff, 100.0, padding))
        torch.testing.assert_close(listed, whole, rtol=0, atol=1e-12)
        small = network(neighbours(position, cutoff, 0.7, padding))
        assert (small - whole).abs().max() > 1e-3
        double = np.concatenate([position, position + [0.7, 0, 0]])
        large = network(neighbours(double, cutoff, 1.4, padding))
        torch.testing.assert_close(large, small.tile(1, 2, 1), rtol=0, atol=1e-12)


def test_planar_input_stays_planar_in_the_e3nn_network(load, chain):
    s = sample(chain, 1)
    assert np.abs(load("e3nn_network", 1)("float64")(s)[..., 2]).max() == 0


def test_autoregression_finds_the_coefficients_of_a_linear_process():
    rng = np.random.default_rng(0)
    displacement = rng.normal(size=(50, 2, 4, 3))
    position = np.cumsum(np.concatenate([np.zeros((50, 1, 4, 3)), displacement], axis=1), axis=1)
    target = position[:, -1] - 0.3 * displacement[:, 0] + 1.2 * displacement[:, 1]
    found = registry.load_model("autoregression").fit(
        None, features.view(tasks.Sample(position), 1), target
    )["coefficient"]
    np.testing.assert_allclose(
        found, [-0.3, 1.2], atol=1e-12
    )  # an exactly solvable problem of 600 equations


def test_least_squares_agrees_with_numpy_on_the_stacked_system():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 40, 1, 3, 3))
    fit = registry.load_model("linear_least_squares").fit(
        None, features.view(tasks.Sample(x), 1), y[:, 0]
    )
    rows, b = x.reshape(-1, 3), np.ones((120, 1))
    system = np.block([[rows if i == j else 0 * rows for j in range(3)] + [b] for i in range(3)])
    solution = np.linalg.lstsq(system, y.reshape(-1, 3).T.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(fit["w"], solution[:9].reshape(3, 3).T, atol=1e-10)
    np.testing.assert_allclose(fit["b"], solution[9], atol=1e-10)


def test_numbers_of_the_paths_trajectory(paths):
    """The table in the documentation: persistence, constant velocity and autoregression to three
    digits."""
    split = {"by": "time", "train": 1500, "validation": 137, "test": 410}

    def mse(model: str, history: int) -> float:
        m = registry.load_model(model)
        parts = tasks.split_frames(paths.episode, history, 1, split)
        fit, test = (
            tasks.samples(paths, i, history, 1)
            for i in (np.concatenate([parts["train"], parts["validation"]]), parts["test"])
        )
        parameters = m.fit(None, features.view(fit, 1), fit.target)
        predicted = test.position[:, -1] + m.apply(parameters, features.view(test, 1))
        return float(np.mean((predicted - test.target) ** 2))

    assert mse("persistence", 1) == pytest.approx(2.4315e-5, rel=1e-4)
    assert mse("constant_velocity", 2) == pytest.approx(1.6459e-7, rel=1e-4)
    assert mse("autoregression", 4) == pytest.approx(4.10e-9, abs=0.005e-9)
    assert mse("linear_least_squares", 1) == pytest.approx(2.381e-5, abs=0.002e-5)
