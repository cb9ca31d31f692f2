"""The linear baseline of the trajectory chapter: as printed, by least squares, and its symmetry.

Model: `y = x W + b` for each point, with W (3, 3) and one scalar b, both initially zero. Training:
stochastic gradient descent on the mean squared error of one frame at a time, in time order, with a
learning rate of 1e-6, 12 epochs, in float32 (JAX's default).
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.linalg import lstsq
from scipy.spatial.transform import Rotation

from equitraj.chapter.data import (
    Displacer,
    equivariance_errors,
    flat_errors,
    mean_squared_error,
    pairs,
    reference_predictions,
)

EPOCHS = 12
RATE = 1e-6
KEY_POINTS, KEY_TRANSLATION = 52, 9

Parameters = tuple[jax.Array, jax.Array]
"""W (3, 3) and b ()."""
Pairs = tuple[jax.Array, jax.Array]
"""Frames (B, N, 3) and the frames that follow them."""
Results = dict[str, np.ndarray | float]


def linear(frames: jax.Array, w: jax.Array, b: jax.Array | float) -> jax.Array:
    """The baseline: next frames (..., N, 3) from frames (..., N, 3)."""
    return frames @ w + b


def _loss(w: jax.Array, b: jax.Array, frame: jax.Array, label: jax.Array) -> jax.Array:
    error = linear(frame, w, b) - label
    return jnp.mean(error**2)


def _step(parameters: Parameters, pair: Pairs) -> tuple[Parameters, jax.Array]:
    """One step of gradient descent; also returns the prediction before it."""
    w, b = parameters
    frame, label = pair
    prediction = linear(frame, w, b)
    w_gradient, b_gradient = jax.grad(_loss, (0, 1))(w, b, frame, label)
    updated = (w - RATE * w_gradient, b - RATE * b_gradient)
    return updated, prediction


@jax.jit
def _epoch(
    parameters: Parameters, training: Pairs, validation: Pairs
) -> tuple[Parameters, jax.Array, jax.Array, jax.Array]:
    """One pass in time order.

    Returns the parameters, the predictions just before each step, the validation predictions and
    their RMSE.
    """
    frames, labels = validation
    parameters, online = jax.lax.scan(_step, parameters, training)
    prediction = linear(frames, *parameters)
    squared = (prediction - labels) ** 2
    losses = jnp.mean(squared, axis=(1, 2))
    rmse = jnp.sqrt(jnp.mean(losses))
    return parameters, online, prediction, rmse


def train(position: np.ndarray, n_train: int, epochs: int = EPOCHS) -> dict[str, np.ndarray]:
    """Train as printed on the first `n_train` pairs of `position` (T, N, 3).

    Returns `w` (3, 3), `b`, `validation_rmse` (epochs,), and the predictions of the last epoch as
    the chapter collects them: `train_prediction` with the weights just before each step,
    `validation_prediction` with the final weights.
    """
    inputs, targets = pairs(position)
    frames = jnp.asarray(inputs, jnp.float32)
    labels = jnp.asarray(targets, jnp.float32)
    training = (frames[:n_train], labels[:n_train])
    validation = (frames[n_train:], labels[n_train:])
    parameters = (jnp.zeros((3, 3)), jnp.float32(0))
    curve = []
    for epoch in range(1, epochs + 1):
        parameters, online, prediction, rmse = _epoch(parameters, training, validation)
        error = float(rmse)
        curve.append(error)
        message = f"epoch {epoch}/{epochs}: validation RMSE {error:.7g}"
        print(message, file=sys.stderr, flush=True)
    w, b = parameters
    return {
        "train_prediction": np.asarray(online),
        "validation_prediction": np.asarray(prediction),
        "w": np.asarray(w),
        "b": np.asarray(b),
        "validation_rmse": np.array(curve),
    }


def least_squares(frames: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """The W (3, 3) and b of the same map with the least squared error on frames (B, N, 3).

    In float64. If a coordinate is always zero (z = 0), its row of W is not determined; it is zero
    in the solution of least norm, which is returned.
    """
    x = frames.reshape(-1, 3)
    y = labels.reshape(-1, 3)
    design = np.zeros((3, len(x), 10))
    for axis in range(3):
        columns = slice(3 * axis, 3 * axis + 3)
        design[axis, :, columns] = x
    design[..., 9] = 1
    solution, *_ = lstsq(design.reshape(-1, 10), y.T.ravel(), rcond=None)
    w = solution[:9].reshape(3, 3).T
    return w, float(solution[9])


def _older_random(key: int, shape: tuple[int, ...]) -> jax.Array:
    """Normal numbers as the chapter's JAX drew them, in its older layout of random bits."""
    with jax.threefry_partitionable(False):
        return jax.random.normal(jax.random.PRNGKey(key), shape, jnp.float32)


def chapter_equivariance_tests(b: float) -> Results:
    """The chapter's two tests: random points, random weights, and only the bias `b` from training.

    Rotation: by 80 degrees about x before or after the map. "Translation": a different random
    vector for each point, which is no translation. Mean squared differences in float32.
    """
    points = _older_random(KEY_POINTS, (12, 3))
    w = _older_random(KEY_POINTS, (3, 3))
    vectors = _older_random(KEY_TRANSLATION, (12, 3))
    turn = Rotation.from_euler("x", 80, degrees=True)
    output = linear(points, w, b)
    first = linear(turn.apply(np.asarray(points)), w, b)
    last = jnp.asarray(turn.apply(np.asarray(output)))
    moved_first = linear(points + vectors, w, b)
    moved_last = vectors + output
    return {
        "rotated_first": np.asarray(first),
        "rotated_last": np.asarray(last),
        "rotation_difference": float(jnp.mean((first - last) ** 2)),
        "translation_difference": float(jnp.mean((moved_first - moved_last) ** 2)),
    }


def predictor(w: np.ndarray, b: np.ndarray | float) -> Callable[[np.ndarray], np.ndarray]:
    """The map with weights `w`, `b` on frames (..., N, 3) in float64."""
    weights = np.asarray(w, float)
    bias = float(b)

    def predict(frames: np.ndarray) -> np.ndarray:
        return frames @ weights + bias

    return predict


def displacer(predict: Callable[[np.ndarray], np.ndarray]) -> Displacer:
    """The displacements that belong to the predictions of a map."""

    def displace(frames: np.ndarray) -> np.ndarray:
        return predict(frames) - frames

    return displace


def run(position: np.ndarray, n_train: int, epochs: int = EPOCHS) -> Results:
    """The chapter's results for its baseline and the ones that it omits, by name.

    The symmetry is measured on every validation frame with the trained weights (`..._trained`) and
    with the weights of least squares (`..._least_squares`).
    """
    frames, labels = pairs(position)
    trained = train(position, n_train, epochs)
    w, b = least_squares(frames[:n_train], labels[:n_train])
    maps = {
        "trained": predictor(trained["w"], trained["b"]),
        "least_squares": predictor(w, b),
    }
    validation = frames[n_train:]
    best = maps["least_squares"](validation)
    result: Results = {
        **trained,
        **chapter_equivariance_tests(float(trained["b"])),
        "least_squares_w": w,
        "least_squares_b": b,
        "least_squares_prediction": best,
    }
    for name, predict in maps.items():
        errors = equivariance_errors(displacer(predict), validation)
        result |= flat_errors(errors, name)
    predictions = {
        "least_squares": best,
        "validation": trained["validation_prediction"],
        **reference_predictions(position, n_train),
    }
    for name, prediction in predictions.items():
        result[f"{name}_mse"] = mean_squared_error(labels[n_train:], prediction)
    result["extrapolated"] = maps["trained"](position[-1])
    return result | {"n_train": n_train, "epochs": epochs}
