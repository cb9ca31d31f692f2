"""What a network's output is (`PREDICTS`), which weights it begins with, and where its packages
come from."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import library
from equitraj.base import registry
from equitraj.base.files import file_sha256, read_json
from equitraj.data import tasks
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames.run import run as align
from equitraj.prediction import predictor
from equitraj.study import config
from equitraj.training import run as training
from equitraj.training import state
from equitraj.training.method import Method

STEP = 0.5
TASK = {"name": "fall", "source": "fall", "history": 1, "lag": 3, "inputs": ["velocity"]}
TASK["split"] = {"by": "time", "train": 30, "validation": 8, "test": 12}
GRAVITY = np.array([0.0, 0.0, -0.2])

HEAD = """
from dataclasses import dataclass
FRAMEWORK = "{framework}"
PREDICTS = "{predicts}"

@dataclass(frozen=True)
class Hyperparameters:
    \"\"\"None.\"\"\"

def claims(hyperparameters):
    return {{"rotation": False, "reflection": False, "translation": True, "permutation": True}}
"""
JAX = """
import equinox as eqx
import jax.numpy as jnp

class Network(eqx.Module):
    value: object
    def __call__(self, inputs):
        return jnp.broadcast_to(self.value, inputs["position"].shape)

def build(hyperparameters, shape, key):
    return Network(jnp.array({value}))
"""
TORCH = """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor({value}))
    def forward(self, inputs):
        return self.value.expand(inputs["position"].shape)

def build(hyperparameters, shape):
    return Network()
"""
BODY = {"jax": JAX, "torch": TORCH}


@pytest.fixture()
def models(tmp_path, monkeypatch) -> Path:
    """A folder whose files are models, beside those of the library."""
    import equitraj.models

    folder = library.with_own_models(tmp_path / "library") / "models"
    monkeypatch.setattr(registry, "LIBRARY", folder.parent)
    monkeypatch.setattr(equitraj.models, "__path__", [str(folder), *equitraj.models.__path__])
    library.forget()
    yield folder
    library.forget()


@pytest.fixture(scope="module")
def fall() -> Trajectory:
    """Four points that fall, with their velocities."""
    rng, time = np.random.default_rng(0), STEP * np.arange(60.0)
    start, speed, t = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), time[:, None, None]
    velocity = speed + t * GRAVITY
    return Trajectory(
        start + t * speed + t**2 / 2 * GRAVITY, np.zeros(60, int), time, velocity=velocity
    )


def trained(folder: Path, fall: Trajectory, method: Method) -> dict:
    write(folder / "lifted.h5", fall)
    align(folder / "lifted.h5", TASK, "none", {"frames": "none", "options": {}}, folder / "none.h5")
    training.run(TASK, method, "all", [0], folder / "lifted.h5", folder / "none.h5", folder)
    return read_json(folder / "seed0/run.json")


@pytest.mark.parametrize("framework", ["jax", "torch"])
@pytest.mark.parametrize("predicts", ["displacement", "velocity", "acceleration"])
def test_an_output_in_the_datas_own_units_becomes_positions(
    models, fall, tmp_path, framework, predicts
):
    value, name = [0.1, -0.3, 0.7], f"{framework}_{predicts}"
    code = HEAD.format(framework=framework, predicts=predicts) + BODY[framework].format(value=value)
    (models / f"{name}.py").write_text(code)
    trained(tmp_path, fall, Method(name, name, training={"epochs": 1}))
    sample, time = tasks.samples(fall, np.arange(45, 55), 1, 3, ["velocity"]), 3 * STEP
    newest = sample.position[:, -1]
    expected = {
        "displacement": newest + value,
        "velocity": newest + time * np.array(value),
        "acceleration": newest + time * sample.velocity + time**2 / 2 * np.array(value),
    }[predicts]
    found = predictor.load(tmp_path / "seed0", "initial", "float64").predict(sample)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # weights of float32


def test_the_true_acceleration_is_learned(models, fall, tmp_path):
    code = HEAD.format(framework="jax", predicts="acceleration") + JAX.format(value=[0.0, 0.0, 0.0])
    (models / "falling.py").write_text(code)
    options = {
        "epochs": 300,
        "batch_size": 10,
        "learning_rate": 0.01,
        "ema": 0.0,
        "precision": "float64",
    }
    trained(tmp_path, fall, Method("falling", "falling", training=options))
    found = load_file(tmp_path / "seed0/model.safetensors")["trained/network.value"]
    np.testing.assert_allclose(
        found, GRAVITY, atol=1e-3
    )  # the last steps of Adam are a thousandth of the first


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_pretrained_weights_are_taken_as_they_are_or_trained_on(models, fall, tmp_path, framework):
    code = HEAD.format(framework=framework, predicts="acceleration") + BODY[framework].format(
        value=[0.0, 0.0, 0.0]
    )
    (models / f"{framework}_first.py").write_text(code)
    first = trained(
        tmp_path / "a",
        fall,
        Method("m", f"{framework}_first", training={"epochs": 3, "batch_size": 4}),
    )
    path = tmp_path / "a/seed0/model.safetensors"
    given = {"path": str(path), "sha256": file_sha256(path)}
    as_is = Method("m", f"{framework}_first", training={"epochs": 0}, pretrained=given)
    record = trained(tmp_path / "b", fall, as_is)
    assert first["status"] == record["status"] == "ok"
    before, after = load_file(path), load_file(tmp_path / "b/seed0/model.safetensors")
    (name,) = (name for name in before if name.startswith("trained/"))
    np.testing.assert_array_equal(after[name], before[name])
    more = Method(
        "m", f"{framework}_first", training={"epochs": 3, "batch_size": 4}, pretrained=given
    )
    trained(tmp_path / "c", fall, more)
    started = load_file(tmp_path / "c/seed0/model.safetensors")
    np.testing.assert_array_equal(started[name.replace("trained", "initial")], before[name])
    assert not np.array_equal(started[name], before[name])


def test_a_closed_form_may_be_pretrained_too(fall, tmp_path):
    trained(tmp_path / "a", fall, Method("m", "autoregression"))
    path = tmp_path / "a/seed0/model.safetensors"
    given = {"path": str(path), "sha256": file_sha256(path)}
    trained(tmp_path / "b", fall, Method("m", "autoregression", pretrained=given))
    before, after = load_file(path), load_file(tmp_path / "b/seed0/model.safetensors")
    np.testing.assert_array_equal(after["trained/coefficient"], before["trained/coefficient"])


def test_weights_that_do_not_fit_are_told(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match="pretrained.path: .*: no such file"):
        state.pretrained(path, "0" * 64)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="pretrained.sha256: .* has [0-9a-f]{64}, expected 0{64}"):
        state.pretrained(path, "0" * 64)
    with pytest.raises(ValueError, match="not a safetensors file"):
        state.pretrained(path, file_sha256(path))
    a, b = np.zeros(3), np.zeros((2, 3))
    with pytest.raises(
        ValueError, match="no array 'weight'; allowed: weigth. Did you mean 'weigth'"
    ):
        state.check_names({"weigth": a}, {"weight": a})
    with pytest.raises(ValueError, match=r"'weight' has shape \(2, 3\); expected \(3,\)"):
        state.check_names({"weight": b}, {"weight": a})
    with pytest.raises(ValueError, match="the network has no array 'bias'"):
        state.check_names({"weight": a, "bias": a}, {"weight": a})


def test_what_a_closed_form_learned_may_be_bytes_and_is_no_pickle():
    given = {"trees": b"\x00\xffsafe", "weight": np.arange(3.0), "children": np.arange(4)}
    back = state.state_of(state.arrays_of(given, "forest"), "float32")
    assert (
        back["trees"] == given["trees"]
        and back["weight"].dtype == np.float32
        and back["children"].dtype == np.int64
    )
    for wrong, said in (
        ([1], "list; expected a dict"),
        ({"a": object()}, "'a' of type object"),
        ({"a": np.nan}, "finite"),
    ):
        with pytest.raises(ValueError, match=f"models/forest.py: fit returned .*{said}"):
            state.arrays_of(wrong, "forest")


def test_a_package_of_a_models_own_environment_that_is_missing_is_told_with_its_file(models):
    code = HEAD.format(framework="numpy", predicts="x").replace(
        'PREDICTS = "x"', 'ENVIRONMENT = "forest"'
    )
    code += "import no_such_package\ndef fit(h, view, target): ...\ndef apply(state, view): ...\n"
    (models / "forest.py").write_text(code)
    assert registry.model_spec("forest").environment == "forest"
    with pytest.raises(
        ValueError, match=r"models/forest.py needs no_such_package.*; install .* envs/forest.yaml"
    ):
        registry.load_model("forest")
    with pytest.raises(
        ValueError,
        match=r"methods.mine.model: .* ENVIRONMENT 'forest', but there is no envs/forest.yaml",
    ):
        config.check_model("mine", {"model": "forest"})


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        ('PREDICTS = "force"', "PREDICTS is 'force'; expected one of 'residual'"),
        ("PREDICTS = 3", "PREDICTS is 3"),
    ],
)
def test_an_unknown_prediction_is_refused_when_the_file_is_read(models, constant, said):
    code = HEAD.format(framework="jax", predicts="x").replace('PREDICTS = "x"', constant)
    (models / "mine.py").write_text(code + JAX.format(value=0.0))
    with pytest.raises(ValueError, match=said):
        registry.model_spec("mine")
