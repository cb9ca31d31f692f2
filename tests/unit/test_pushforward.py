"""Training on short rollouts: what is led on is a rollout, what is aimed at is the truth, nothing
else is seen."""

from dataclasses import asdict, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equitraj.base.files import read_json
from equitraj.data import features, tasks
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames import load_alignment
from equitraj.frames.run import run as align
from equitraj.prediction.evaluation import fed_back
from equitraj.prediction.predictor import Predictor
from equitraj.training import futures, pushforward
from equitraj.training import run as train_run
from equitraj.training.jax import Samples  # which computes in float64 from here on
from equitraj.training.method import Method
from equitraj.training.outcome import Arrays, Data

STEPS, STEP = 3, 0.25
TASK = {"history": 3, "lag": 1, "inputs": ()}


def network(inputs: dict) -> jax.Array:
    """Any function of positions and displacements, of a batch (B, ...)."""
    past = inputs["displacement"]
    return 0.3 * jnp.sin(inputs["position"]) + 0.2 * jnp.einsum(
        "v,bvnc->bnc", 1.0 + jnp.arange(past.shape[1]), past**2
    )


def batch(
    trajectory: Trajectory, newest: np.ndarray, centred: bool, task: dict = TASK
) -> tuple[Samples, Data]:
    """The samples in float64, one frame of reference each, as the loop has them, and what it knows
    of them."""
    history, lag = task["history"], task["lag"]
    sample = tasks.samples(trajectory, newest, history, lag, task["inputs"])
    ahead = futures.futures(trajectory.position, newest, lag, STEPS)
    if centred:
        frames = load_alignment("centre_of_mass", {}).frames(
            sample.position, None, np.random.default_rng(0)
        )
        sample = frames.into_sample(sample)
    statistics = features.measure(sample, "velocity", lag)
    inputs = features.network_inputs(sample, statistics, "float64") | ahead
    one = jax.tree.map(lambda a: jnp.asarray(a)[:, None], inputs)
    target = jnp.asarray(features.normalised_residual(sample, statistics))[:, None]
    weight = jnp.ones((len(newest), 1))
    samples = Samples(one, target, jnp.eye(3) + 0 * weight[..., None, None], weight, weight[:, 0])
    arrays = Arrays(*samples[:4])
    return samples, Data(
        arrays, arrays, statistics, "none", lag=lag, centred=centred, history=history
    )


def of_batch(samples: Samples) -> jax.Array:
    return network({k: v[:, 0] for k, v in samples.inputs.items()})[:, None]


@pytest.fixture(scope="module")
def moving(chain) -> Trajectory:
    """The chain with velocities, a quarter of a unit of time between frames."""
    return replace(
        chain, time=STEP * chain.time, velocity=np.gradient(chain.position, STEP, axis=0)
    )


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(
    "task",
    [TASK, TASK | {"inputs": ("velocity",)}, {"history": 1, "lag": 3, "inputs": ("velocity",)}],
    ids=["frames", "frames and velocities", "velocities alone"],
)
def test_states_are_those_of_a_rollout_and_targets_lead_back_to_the_truth(moving, task, centred):
    """Whatever number of steps was drawn, predictions of what is led on err as those of a rollout
    do."""
    newest, history, lag = np.arange(10, 40), task["history"], task["lag"]
    samples, data = batch(moving, newest, centred, task)
    statistics = data.statistics
    led = pushforward.pushed(of_batch, samples, STEPS, data, jax.random.key(1))
    error = np.asarray(of_batch(led) - led.target)[:, 0] * statistics.residual_scale

    def forward(sample: tasks.Sample) -> np.ndarray:
        inputs = features.network_inputs(sample, statistics, "float64")
        return features.prediction(sample, np.asarray(network(inputs)), statistics)

    aligner = load_alignment("centre_of_mass" if centred else "none", {})
    predictor = Predictor(aligner, forward)
    start = tasks.samples(moving, newest, history, lag, task["inputs"])
    rolled = list(fed_back(predictor.predict, start, lag, STEPS + 1))
    truth = [moving.position[newest + lag * (k + 1)] for k in range(STEPS + 1)]
    errors = np.stack([p - t for p, t in zip(rolled, truth, strict=True)], 1)
    away = np.abs(errors - error[:, None]).max((2, 3))
    drawn = away.argmin(1)
    np.testing.assert_allclose(away.min(1), 0, atol=1e-12)
    assert set(drawn[: -STEPS * lag - 1]) == set(range(STEPS + 1))


def test_frames_between_the_newest_and_the_predicted_one_are_evenly_spaced(chain):
    """Two steps ahead with three frames in sight, both displacements of what is led on are halves
    of the predicted."""
    samples, data = batch(chain, np.arange(10, 40), False, TASK | {"lag": 2})
    led = pushforward.pushed(of_batch, samples, STEPS, data, jax.random.key(1))
    first, second = np.moveaxis(np.asarray(led.inputs["displacement"])[:, 0], 1, 0)
    before = np.asarray(samples.inputs["position"] - led.inputs["position"])[:, 0]
    has_moved = before.any((1, 2))
    assert 10 < has_moved.sum() < 30
    np.testing.assert_array_equal(first[has_moved], second[has_moved])


def test_no_frame_is_seen_that_is_no_target_of_the_samples(chain):
    newest = np.array([10, 11, 12, 20, 21, 40])
    ahead = futures.futures(chain.position, newest, 1, STEPS)
    np.testing.assert_array_equal(ahead["later"], [2, 1, 0, 1, 0, 0])
    for row, (start, later) in enumerate(zip(newest, ahead["later"], strict=True)):
        for k in range(STEPS + 1):
            frame = start + 1 + min(k, later)
            expected = chain.position[frame] - chain.position[start]
            np.testing.assert_array_equal(ahead["future"][row, k], expected)
    far = futures.futures(chain.position, np.arange(10, 20), 5, 2)  # a lag of five frames
    np.testing.assert_array_equal(far["later"], [1] * 5 + [0] * 5)


def test_gradients_come_from_the_last_step_alone(chain):
    samples, data = batch(chain, np.arange(10, 40), False)

    def loss(factor: jax.Array) -> jax.Array:
        run = lambda s: factor * of_batch(s)  # noqa: E731
        led = pushforward.pushed(run, samples, STEPS, data, jax.random.key(1))
        return sum((leaf**2).sum() for leaf in jax.tree.leaves((led.inputs, led.target)))

    assert float(jax.grad(loss)(1.0)) == 0.0 and float(loss(1.0)) != float(loss(2.0))


OPTIONS = {"egnn": {"width": 8, "layers": 1}, "mlp": {"width": 8}, "integrator": {"width": 8}}


@pytest.mark.parametrize(
    ("model", "augmentation"), [("egnn", "none"), ("mlp", "rotation"), ("integrator", "none")]
)
def test_networks_are_trained_on_short_rollouts(chain, tmp_path, model, augmentation):
    task = {"name": "chain", "source": "chain", "history": 3, "lag": 1}
    task["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
    write(tmp_path / "lifted.h5", chain)
    align(
        tmp_path / "lifted.h5",
        task,
        "centre_of_mass",
        {"frames": "centre_of_mass", "options": {}},
        tmp_path / "a.h5",
    )
    found = {}
    for steps in (0, 2):
        training = {"epochs": 4, "batch_size": 16, "learning_rate": 0.005, "pushforward": steps}
        method = Method(model, model, "centre_of_mass", augmentation, OPTIONS[model], training)
        folder = tmp_path / str(steps)
        train_run.run(task, method, "all", [0], tmp_path / "lifted.h5", tmp_path / "a.h5", folder)
        assert read_json(folder / "seed0" / "run.json")["status"] == "ok"
        found[steps] = np.genfromtxt(folder / "seed0" / "history.csv", delimiter=",", names=True)
    assert asdict(method)["training"]["pushforward"] == 2
    assert np.isfinite(found[2]["validation_mse"]).all()
    assert not np.array_equal(found[0]["train_loss"], found[2]["train_loss"])
