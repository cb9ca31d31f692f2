"""The common parts of both models of the trajectory chapter: pairs of frames, split and measures.

The chapter splits 2047 (frame, next frame) pairs in time order, 1637 for training and 410 for
validation; the last training label and the first validation input are the same frame. It has no
separate test split.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.linalg import norm
from scipy.spatial.transform import Rotation

from equitraj.base.files import atomic, checked
from equitraj.data import trajectory

N_TRAIN = 1637
GENERATORS = ("rotation", "reflection", "translation")

Displacer = Callable[[np.ndarray], np.ndarray]
"""A map from frames (B, N, 3) to displacements to the next frames (B, N, 3)."""


def load_positions(path: str | Path, n_train: int = N_TRAIN) -> np.ndarray:
    """Positions (T, N, 3) of a lifted trajectory file.

    Raises:
        ValueError: the file is not 3-D, or has too few frames for `n_train` training pairs and one
        validation pair.
    """
    position = trajectory.read(path).position
    n_coordinates = position.shape[-1]
    if n_coordinates != 3:
        raise ValueError(
            f"{path}: {n_coordinates} coordinates per point, expected 3; lift the trajectory first"
        )
    needed = n_train + 2
    if len(position) < needed:
        raise ValueError(
            f"{path}: {len(position)} frames; {n_train} training pairs need {needed}; lower --train"
        )
    return position


def pairs(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T - 1, N, 3) and the frames that follow them, of the same shape."""
    frames = position[:-1]
    following = position[1:]
    return frames, following


def reference_predictions(position: np.ndarray, n_train: int) -> dict[str, np.ndarray]:
    """Predictions (V, N, 3) of the validation labels without a model.

    They are `persistence` (no motion) and `velocity` (constant velocity).
    """
    now = position[n_train:-1]
    before = position[n_train - 1 : -2]
    return {"persistence": now, "velocity": 2 * now - before}


def mean_squared_error(value: np.ndarray, prediction: np.ndarray) -> float:
    """Mean squared error over samples, points and coordinates, in squared units of length."""
    error = np.asarray(prediction, float) - np.asarray(value, float)
    squared = error**2
    return float(np.mean(squared))


def r2(value: np.ndarray, prediction: np.ndarray) -> float:
    """Coefficient of determination of all entries together, `1 - SS_residual / SS_total`."""
    value = np.asarray(value, float)
    residual = value - np.asarray(prediction, float)
    deviation = value - value.mean()
    return float(1 - np.sum(residual**2) / np.sum(deviation**2))


def chapter_centre(frames: np.ndarray) -> np.ndarray:
    """The chapter's "centre of mass" (B N,) of frames (B, N, 3): the mean of x, y, z of a point."""
    means = frames.mean(axis=-1)
    return means.ravel()


def parity(start: np.ndarray, value: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Parity R2 of predictions (B, N, 3) of `value` from the frames `start`.

    `chapter`: of the mean of x, y and z of each point, as the chapter computes it. `x`, `y`: of
    each coordinate. `displacement`: of the displacements in x and y together; it is 0 for a
    prediction of their mean, and nearly 0 for no motion at all.
    """
    true_motion = value - start
    motion = prediction - start
    return {
        "chapter": r2(chapter_centre(value), chapter_centre(prediction)),
        "x": r2(value[..., 0], prediction[..., 0]),
        "y": r2(value[..., 1], prediction[..., 1]),
        "displacement": r2(true_motion[..., :2], motion[..., :2]),
    }


def haar_rotations(count: int, seed: int) -> np.ndarray:
    """Rotation matrices (count, 3, 3), uniform (Haar) on SO(3)."""
    rng = np.random.default_rng(seed)
    drawn = Rotation.random(count, rng=rng)
    return drawn.as_matrix()


def mirrors(count: int, seed: int) -> np.ndarray:
    """Reflection matrices (count, 3, 3) in planes through the origin, with uniform normals."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(count, 3))
    normal /= norm(normal, axis=1, keepdims=True)
    column = normal[:, :, None]
    return np.eye(3) - 2 * column * column.mT


def equivariance_errors(
    displace: Displacer, frames: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Absolute and relative error of `displace` on frames (B, N, 3) for each of `GENERATORS`.

    The predicted displacements d(x) turn with a rotation or reflection g, and a translation does
    not change them. Errors of predicted positions, far from the origin, would be lost in the
    rounding of the sum. Each sample has its own Haar rotation, its own reflection about the origin,
    and its own rigid translation: one normally distributed vector for all of its points, as long as
    their distance from the origin. The absolute error is the root mean square over samples, points
    and coordinates of `d(g x) - g d(x)`, in units of length. The relative error is the absolute
    error divided by the root mean square of d(x).
    """
    count = len(frames)
    turn = haar_rotations(count, seed).mT
    mirror = mirrors(count, seed)
    # A short shift would be exact: the data are float32 numbers, and all sums within one power of
    # two are rounded alike.
    rng = np.random.default_rng(seed)
    shift = rng.normal(size=(count, 1, 3))
    shift *= _root_mean_square(frames)
    still = displace(frames)
    differences = {
        "rotation": displace(frames @ turn) - still @ turn,
        "reflection": displace(frames @ mirror) - still @ mirror,
        "translation": displace(frames + shift) - still,
    }
    size = _root_mean_square(still)
    errors = {}
    for name, difference in differences.items():
        error = _root_mean_square(difference)
        errors[name] = (float(error), float(error / size))
    return errors


def _root_mean_square(value: np.ndarray) -> np.floating:
    squared = value**2
    return np.sqrt(np.mean(squared))


def flat_errors(errors: dict[str, tuple[float, float]], suffix: str) -> dict[str, float]:
    """The result of `equivariance_errors` by flat names `{generator}_{kind}_{suffix}`.

    The kind is `absolute` or `relative`.
    """
    flat = {}
    for generator, error in errors.items():
        absolute, relative = error
        flat[f"{generator}_absolute_{suffix}"] = absolute
        flat[f"{generator}_relative_{suffix}"] = relative
    return flat


def write_arrays(path: str | Path, **arrays: np.ndarray | float) -> None:
    """Write `arrays` to the compressed `.npz` file `path` in one step."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        # NumPy's stubs compare every value with the keyword `allow_pickle`.
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read a file of `write_arrays`; scalars are returned as arrays without dimensions."""
    whole = checked(path)
    with np.load(whole, allow_pickle=False) as file:
        return dict(file)
