"""Axes that points determine, batched: Gram-Schmidt, principal axes and the Kabsch rotation.

Every function follows the rule of `frames`: an axis that the points do not determine is a row of
zeros. Lengths are compared with a `resolution`. Singular values of the centred points are lengths
too. Second moments are squares of lengths: they would need a threshold of 1e-20 and lose half of
the digits.
"""

import numpy as np
from numpy.linalg import det, norm, svd

from equitraj.frames import UNDETERMINED

# Relative to the largest coordinate: the points may lie far from the origin of the world.
ROUNDING = 64 * np.finfo(float).eps


def centred(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (B, N, 3) of points (B, N, 3) from their mean, and the mean (B, 3)."""
    origin = points.mean(1)
    offset = points - origin[:, None]
    return offset, origin


def _squared_distance(points: np.ndarray) -> np.ndarray:
    """Squared distances (B, N) of points (B, N, 3) from their mean."""
    offset, _ = centred(points)
    squared = np.square(offset)
    return squared.sum(-1)


def extent(points: np.ndarray) -> float:
    """Root mean square distance of points (B, N, 3) from their means; 1 if all coincide."""
    squared = _squared_distance(points)
    mean = squared.mean()
    return float(np.sqrt(mean)) or 1.0


def resolution(points: np.ndarray) -> np.ndarray:
    """The lengths (B,) below which differences of points (B, N, 3) carry no information.

    It is `UNDETERMINED` times their extent, or `ROUNDING` times the largest coordinate.
    """
    largest = np.abs(points).max((1, 2))
    squared = _squared_distance(points)
    extent = np.sqrt(squared.mean(-1))
    return np.maximum(UNDETERMINED * extent, ROUNDING * largest)


def unit(vector: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3); zero where a vector is no longer than `shortest` (...)."""
    length = norm(vector, axis=-1, keepdims=True)
    known = length > shortest[..., None]
    divisor = np.where(known, length, 1)
    return np.where(known, vector / divisor, 0.0)


def _orthogonal(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of vectors (..., 3) that is orthogonal to unit vectors (..., 3)."""
    component = (vector * axis).sum(-1, keepdims=True)
    return vector - component * axis


def gram_schmidt(first: np.ndarray, second: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Right-handed axes (..., 3, 3): x along `first`, y in the plane of both, z = x cross y.

    `shortest` (...) is the length up to which a vector, or its orthogonal part, determines no axis.
    """
    x = unit(first, shortest)
    once = _orthogonal(second, x)
    # Twice is enough: a single projection of a long vector leaves its rounding error.
    twice = _orthogonal(once, x)
    y = unit(twice, shortest)
    z = np.cross(x, y)
    return np.stack([x, y, z], -2)


def finite(matrix: np.ndarray) -> np.ndarray:
    """Matrices (..., M, N), zero where one is not finite: LAPACK would refuse the whole batch."""
    are_finite = np.isfinite(matrix).all((-2, -1), keepdims=True)
    return np.where(are_finite, matrix, 0.0)


def principal_axes(points: np.ndarray) -> np.ndarray:
    """Principal axes (B, 3, 3) of points (B, N, 3) in order of decreasing spread, right-handed.

    The spread is the singular value of the centred points. The sign of an axis has no meaning: its
    largest component is positive, so that at least rounding does not choose the sign. An axis whose
    spread equals the spread of a neighbour is undetermined. Points in a plane determine all three
    axes, the third by the cross product of the others. Points on a line determine the first only.
    """
    offset, _ = centred(points)
    n_points = offset.shape[1]
    padding = [(0, 0), (0, max(0, 3 - n_points)), (0, 0)]
    padded = np.pad(finite(offset), padding)
    _, spread, axes = svd(padded, full_matrices=False)
    component = np.abs(axes).argmax(2, keepdims=True)
    largest = np.take_along_axis(axes, component, 2)
    axes *= np.sign(largest)
    gap = spread[:, :2] - spread[:, 1:]
    smallest = np.sqrt(n_points) * resolution(points)
    first, second = gap.T > smallest
    determined = np.stack([first, first & second, second], 1)
    axes *= determined[..., None]
    x, y, z = axes.swapaxes(0, 1)
    all_determined = determined.all(1, keepdims=True)
    z = np.where(all_determined, np.cross(x, y), z)
    return np.stack([x, y, z], 1)


def kabsch(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Proper rotations R (B, 3, 3) that minimise |R x - t|, both centred.

    Points x are (B, N, 3), targets t are (B or 1, N, 3). From the singular values a >= b >= c of
    sum_n t_n x_n^T = U S V^T: R = U diag(1, 1, d) V^T with d = det U det V (Kabsch, Acta Cryst. A
    32, 922 (1976) and 34, 827 (1978); Umeyama, IEEE PAMI 13, 376 (1991), eqs. 40-43). The minimum
    is unique where b + d c > 0. Elsewhere R keeps the part in which all minima agree: u_1 v_1^T
    where a > b (points on a line), and nothing otherwise (coincident points). The other rows of
    U^T R are zero.
    """
    moving, _ = centred(points)
    fixed, _ = centred(target)
    u, value, v = svd(finite(fixed.mT @ moving))
    sign = np.sign(det(u) * det(v))
    moving_size = norm(moving, axis=(1, 2))
    fixed_size = norm(fixed, axis=(1, 2))
    from_points = resolution(points) * fixed_size
    from_target = resolution(target) * moving_size
    smallest = np.sqrt(points.shape[1]) * np.maximum(from_points, from_target)
    a, b, c = value.T
    is_unique = b + sign * c > smallest
    has_axis = is_unique | (a - b > smallest)
    kept = np.stack([has_axis, is_unique, sign * is_unique], -1)
    return u * kept[:, None] @ v


def spatial(position: np.ndarray, name: str) -> np.ndarray:
    """Positions (T, N, 2 or 3) of a caller as float64 (T, N, 3), with z = 0 for planar ones.

    Raises:
        ValueError: another shape, values that are no numbers, or values that are not finite. The
        message contains `name`.
    """
    position = np.asarray(position)
    has_shape = position.ndim == 3 and position.shape[-1] in (2, 3)
    are_numbers = position.dtype.kind in "fiu"
    if not (has_shape and position.size and are_numbers):
        raise ValueError(
            f"{name}: {position.dtype} of shape {position.shape}; "
            "expected numbers (frames, points, 2 or 3)"
        )
    is_finite = np.isfinite(position)
    if not is_finite.all():
        frame, point, axis = np.argwhere(~is_finite)[0]
        raise ValueError(f"{name}: not finite at frame {frame}, point {point}, axis {axis}")
    missing = 3 - position.shape[-1]
    padding = [(0, 0), (0, 0), (0, missing)]
    return np.pad(position.astype(np.float64), padding)
