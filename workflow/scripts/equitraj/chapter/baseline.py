"""The linear baseline of the trajectory chapter: run as printed, fitted by least squares, its
symmetry measured.

Model: `y = x W + b` for each point, W (3, 3) and one scalar b, started at zero. Training:
stochastic gradient descent on the mean squared error of one frame at a time, in time order, rate
1e-6, 12 epochs, float32 (JAX's default).
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.chapter.data import (
    equivariance_errors,
    flat_errors,
    mean_squared_error,
    pairs,
    reference_predictions,
)

EPOCHS = 12
RATE = 1e-6
KEY_POINTS, KEY_TRANSLATION = 52, 9


def linear(frames: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    """The baseline: next frames (..., N, 3) from frames (..., N, 3)."""
    return frames @ w + b


def _loss(w: jax.Array, b: jax.Array, frame: jax.Array, label: jax.Array) -> jax.Array:
    return jnp.mean((linear(frame, w, b) - label) ** 2)


def _step(parameters: tuple, sample: tuple) -> tuple[tuple, jax.Array]:
    prediction = linear(sample[0], *parameters)
    gradient = jax.grad(_loss, (0, 1))(*parameters, *sample)
    return tuple(p - RATE * g for p, g in zip(parameters, gradient, strict=True)), prediction


@jax.jit
def _epoch(
    parameters: tuple, train: tuple, validation: tuple
) -> tuple[tuple, jax.Array, jax.Array, jax.Array]:
    """One pass in time order: parameters, predictions made just before each step, validation
    predictions and RMSE."""
    parameters, online = jax.lax.scan(_step, parameters, train)
    prediction = linear(validation[0], *parameters)
    losses = jnp.mean((prediction - validation[1]) ** 2, axis=(1, 2))
    return parameters, online, prediction, jnp.sqrt(jnp.mean(losses))


def train(position: np.ndarray, n_train: int, epochs: int = EPOCHS) -> dict[str, np.ndarray]:
    """Train as printed on the first `n_train` pairs of `position` (T, N, 3).

    Returns `w` (3, 3), `b`, `validation_rmse` (epochs,), and the predictions of the last epoch as
    the chapter collects them: `train_prediction` with the weights of the moment,
    `validation_prediction` with the final ones.
    """
    frames, labels = (jnp.asarray(array, jnp.float32) for array in pairs(position))
    parts = (frames[:n_train], labels[:n_train]), (frames[n_train:], labels[n_train:])
    parameters, curve = (jnp.zeros((3, 3)), jnp.float32(0)), []
    for epoch in range(1, epochs + 1):
        parameters, online, prediction, rmse = _epoch(parameters, *parts)
        curve.append(float(rmse))
        print(
            f"epoch {epoch}/{epochs}: validation RMSE {curve[-1]:.7g}", file=sys.stderr, flush=True
        )
    w, b = (np.asarray(p) for p in parameters)
    results = {
        "train_prediction": np.asarray(online),
        "validation_prediction": np.asarray(prediction),
    }
    return results | {"w": w, "b": b, "validation_rmse": np.array(curve)}


def least_squares(frames: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """W (3, 3) and the scalar b that minimise the squared error of the same map over frames (B, N,
    3) in float64.

    Where a coordinate never varies (z = 0) its row of W is not determined; the solution of least
    norm has it zero.
    """
    x, y = frames.reshape(-1, 3), labels.reshape(-1, 3)
    design = np.zeros((3, len(x), 10))
    for axis in range(3):
        design[axis, :, 3 * axis : 3 * axis + 3] = x
    design[..., 9] = 1
    solution = np.linalg.lstsq(design.reshape(-1, 10), y.T.ravel(), rcond=None)[0]
    return solution[:9].reshape(3, 3).T, float(solution[9])


def _older_random(key: int, shape: tuple) -> jax.Array:
    """Normal numbers as the chapter's JAX drew them, in its older layout of random bits."""
    before = jax.config.jax_threefry_partitionable
    jax.config.update("jax_threefry_partitionable", False)
    try:
        return jax.random.normal(jax.random.PRNGKey(key), shape, jnp.float32)
    finally:
        jax.config.update("jax_threefry_partitionable", before)


def chapter_equivariance_tests(b: float) -> dict[str, np.ndarray | float]:
    """The chapter's two tests: random points, random weights, and only the bias `b` from training.

    Rotation: by 80 degrees about x before or after the map. "Translation": a different random
    vector for each point, which is no translation. Mean squared differences in float32.
    """
    points, w = _older_random(KEY_POINTS, (12, 3)), _older_random(KEY_POINTS, (3, 3))
    vectors, turn = (
        _older_random(KEY_TRANSLATION, (12, 3)),
        Rotation.from_euler("x", 80, degrees=True),
    )
    output = linear(points, w, b)
    first, last = (
        linear(turn.apply(np.asarray(points)), w, b),
        jnp.asarray(turn.apply(np.asarray(output))),
    )
    moved_first, moved_last = linear(points + vectors, w, b), vectors + output
    return {
        "rotated_first": np.asarray(first),
        "rotated_last": np.asarray(last),
        "rotation_difference": float(jnp.mean((first - last) ** 2)),
        "translation_difference": float(jnp.mean((moved_first - moved_last) ** 2)),
    }


def predictor(w: np.ndarray, b: float) -> Callable[[np.ndarray], np.ndarray]:
    """The map with weights `w`, `b` on frames (..., N, 3) in float64."""
    return lambda frames: frames @ np.asarray(w, float) + float(b)


def run(position: np.ndarray, n_train: int, epochs: int = EPOCHS) -> dict[str, np.ndarray | float]:
    """Everything that the chapter shows of its baseline and what it leaves out, as named arrays and
    scalars.

    The symmetry is measured on every validation frame with the trained weights (`..._trained`) and
    with those of least squares (`..._least_squares`).
    """
    frames, labels = pairs(position)
    result = train(position, n_train, epochs)
    w, b = least_squares(frames[:n_train], labels[:n_train])
    best = predictor(w, b)(frames[n_train:])
    result |= chapter_equivariance_tests(float(result["b"]))
    result |= {"least_squares_w": w, "least_squares_b": b, "least_squares_prediction": best}
    for name, weights in (("trained", (result["w"], result["b"])), ("least_squares", (w, b))):
        predict = predictor(*weights)
        result |= flat_errors(
            equivariance_errors(lambda x, f=predict: f(x) - x, frames[n_train:]), name
        )
    predictions = {"least_squares": best, "validation": result["validation_prediction"]}
    predictions |= reference_predictions(position, n_train)
    result |= {
        f"{name}_mse": mean_squared_error(labels[n_train:], value)
        for name, value in predictions.items()
    }
    result["extrapolated"] = predictor(result["w"], result["b"])(position[-1])
    return result | {"n_train": n_train, "epochs": epochs}
