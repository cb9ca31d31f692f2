"""What both models of the trajectory chapter share: its pairs of frames, its split, its measures
and honest ones.

The chapter splits 2047 (frame, next frame) pairs in time order, 1637 for training and 410 for
validation; the last training label and the first validation input are the same frame. It has no
separate test split.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.files import atomic, checked
from equitraj.data import trajectory

N_TRAIN = 1637
GENERATORS = ("rotation", "reflection", "translation")


def load_positions(path: str | Path, n_train: int = N_TRAIN) -> np.ndarray:
    """Positions (T, N, 3) of a lifted trajectory file.

    Raises:
        ValueError: the file is not 3-D, or has too few frames for `n_train` training pairs and one
        for validation.
    """
    position = trajectory.read(path).position
    if position.shape[-1] != 3:
        raise ValueError(
            f"{path}: {position.shape[-1]} coordinates per point, expected 3; lift the trajectory first"
        )
    if len(position) < n_train + 2:
        needed = n_train + 2
        raise ValueError(
            f"{path}: {len(position)} frames; {n_train} training pairs need {needed}; lower --train"
        )
    return position


def pairs(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T - 1, N, 3) and the frames that follow them, of the same shape."""
    return position[:-1], position[1:]


def reference_predictions(position: np.ndarray, n_train: int) -> dict[str, np.ndarray]:
    """Predictions (V, N, 3) of the validation labels: `persistence` (no motion), `velocity`
    (constant velocity)."""
    now, before = position[n_train:-1], position[n_train - 1 : -2]
    return {"persistence": now, "velocity": 2 * now - before}


def mean_squared_error(value: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over samples, points and coordinates of the squared error, in the square of the unit of
    length."""
    return float(np.mean((np.asarray(prediction, float) - np.asarray(value, float)) ** 2))


def r2(value: np.ndarray, prediction: np.ndarray) -> float:
    """Coefficient of determination of all entries together, `1 - SS_residual / SS_total`."""
    value, prediction = np.asarray(value, float), np.asarray(prediction, float)
    return float(1 - np.sum((value - prediction) ** 2) / np.sum((value - value.mean()) ** 2))


def chapter_centre(frames: np.ndarray) -> np.ndarray:
    """The chapter's "centre of mass" of frames (B, N, 3): the mean of x, y and z of each single
    point, (B N,)."""
    return frames.mean(axis=-1).ravel()


def parity(start: np.ndarray, value: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Parity R2 of predictions (B, N, 3) of `value` from the frames `start`, as the chapter
    computes it and correctly.

    `chapter`: of the mean of x, y and z of each point. `x`, `y`: of each coordinate.
    `displacement`: of the displacements in x and y together; 0 is what their mean reaches, and what
    no motion at all nearly does.
    """
    plane = np.s_[..., :2]
    return {
        "chapter": r2(chapter_centre(value), chapter_centre(prediction)),
        "x": r2(value[..., 0], prediction[..., 0]),
        "y": r2(value[..., 1], prediction[..., 1]),
        "displacement": r2((value - start)[plane], (prediction - start)[plane]),
    }


def haar_rotations(count: int, seed: int) -> np.ndarray:
    """Rotation matrices (count, 3, 3), uniform (Haar) on SO(3)."""
    return Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix()


def mirrors(count: int, seed: int) -> np.ndarray:
    """Reflection matrices (count, 3, 3) in planes through the origin whose normals are uniform on
    the sphere."""
    normal = np.random.default_rng(seed).normal(size=(count, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.eye(3) - 2 * normal[:, :, None] * normal[:, None, :]


def equivariance_errors(
    displace: Callable, frames: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Absolute and relative error of `displace(frames (B, N, 3)) -> (B, N, 3)` under each of
    `GENERATORS`.

    `displace` gives the predicted displacements d(x), which turn with a rotation or reflection g
    and ignore a translation; on predicted positions, far from the origin, the same error would
    drown in the rounding of the sum. Each sample meets its own Haar rotation and its own reflection
    about the origin, and its own rigid translation: one vector for all of its points, normal, as
    long as the points are far from the origin. The absolute error is the root mean square over
    samples, points and coordinates of `d(g x) - g d(x)`, in units of length; the relative one is
    that over the root mean square of d(x).
    """
    turn, mirror = haar_rotations(len(frames), seed).swapaxes(-1, -2), mirrors(len(frames), seed)
    # a short shift would be exact: the data are float32 numbers, and sums within one power of two
    # round all alike
    shift = np.random.default_rng(seed).normal(size=(len(frames), 1, 3)) * np.sqrt(
        np.mean(frames**2)
    )
    still = displace(frames)
    differences = {
        "rotation": displace(frames @ turn) - still @ turn,
        "reflection": displace(frames @ mirror) - still @ mirror,
        "translation": displace(frames + shift) - still,
    }
    absolute = {name: np.sqrt(np.mean(difference**2)) for name, difference in differences.items()}
    return {
        name: (float(error), float(error / np.sqrt(np.mean(still**2))))
        for name, error in absolute.items()
    }


def flat_errors(errors: dict[str, tuple[float, float]], suffix: str) -> dict[str, float]:
    """The result of `equivariance_errors` as flat names,
    `{generator}_{absolute,relative}_{suffix}`."""
    return {
        f"{generator}_{kind}_{suffix}": value
        for generator, both in errors.items()
        for kind, value in zip(("absolute", "relative"), both, strict=True)
    }


def write_arrays(path: str | Path, **arrays: np.ndarray | float) -> None:
    """Write `arrays` to the compressed `.npz` file `path` in one step."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read a file of `write_arrays`; scalars come back as arrays without dimensions."""
    with np.load(checked(path), allow_pickle=False) as file:
        return dict(file)
