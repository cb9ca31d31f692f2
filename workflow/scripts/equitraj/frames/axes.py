"""Axes that points determine, batched: Gram-Schmidt, principal axes and the Kabsch rotation.

Every function follows the rule of `frames`: an axis that the points do not determine is a row of
zeros. Lengths are compared with a `resolution`; singular values of the centred points are lengths
too, where second moments are their squares, which would need a threshold of 1e-20 and lose half of
the digits.
"""

import numpy as np

from equitraj.frames import UNDETERMINED

ROUNDING = (
    64 * np.finfo(float).eps
)  # of the largest coordinate: the points may lie far from the world's origin


def centred(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (B, N, 3) of points (B, N, 3) from their mean, and the mean (B, 3)."""
    origin = points.mean(1)
    return points - origin[:, None], origin


def extent(points: np.ndarray) -> float:
    """Root mean square distance of the points of (B, N, 3) from their means; 1 where all coincide."""
    offset, _ = centred(points)
    return float(np.sqrt(np.mean(np.square(offset).sum(-1)))) or 1.0


def resolution(points: np.ndarray) -> np.ndarray:
    """(B,) the length below which points (B, N, 3) tell nothing: `UNDETERMINED` of their extent, or
    rounding."""
    offset, _ = centred(points)
    extent = np.sqrt(np.mean(np.square(offset).sum(-1), -1))
    return np.maximum(UNDETERMINED * extent, ROUNDING * np.abs(points).max((1, 2)))


def unit(vector: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3); zero where a vector is no longer than `shortest` (...)."""
    length = np.linalg.norm(vector, axis=-1)
    known = length > shortest
    return np.where(known[..., None], vector / np.where(known, length, 1)[..., None], 0.0)


def gram_schmidt(first: np.ndarray, second: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Right-handed axes (..., 3, 3): x along `first`, y along what `second` adds to it, z = x cross
    y.

    `shortest` (...) is the length up to which a vector, or what it adds, determines nothing.
    """
    x = unit(first, shortest)
    across = second - (second * x).sum(-1, keepdims=True) * x
    across -= (across * x).sum(
        -1, keepdims=True
    ) * x  # twice is enough: one pass leaves the rounding of a long vector
    y = unit(across, shortest)
    return np.stack([x, y, np.cross(x, y)], -2)


def finite(matrix: np.ndarray) -> np.ndarray:
    """Matrices (..., M, N), zero where one is not finite: LAPACK would raise for the whole batch."""
    return np.where(np.isfinite(matrix).all((-2, -1), keepdims=True), matrix, 0.0)


def principal_axes(points: np.ndarray) -> np.ndarray:
    """Principal axes (B, 3, 3) of points (B, N, 3) in order of decreasing spread, right-handed.

    Their signs mean nothing: the largest component is positive, so that at least rounding does not
    choose them. An axis whose spread (singular value of the centred points) equals that of a
    neighbour is undetermined. Points in a plane determine all three, the third by the cross product
    of the others; points on a line the first only.
    """
    offset, _ = centred(points)
    n_points = offset.shape[1]
    padded = np.pad(finite(offset), [(0, 0), (0, max(0, 3 - n_points)), (0, 0)])
    _, spread, axes = np.linalg.svd(padded, full_matrices=False)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(2, keepdims=True), 2)
    axes = axes * np.sign(largest)
    apart = spread[:, :2] - spread[:, 1:] > np.sqrt(n_points) * resolution(points)[:, None]
    determined = np.stack([apart[:, 0], apart[:, 0] & apart[:, 1], apart[:, 1]], 1)
    axes = axes * determined[..., None]
    axes[:, 2] = np.where(
        determined.all(1, keepdims=True), np.cross(axes[:, 0], axes[:, 1]), axes[:, 2]
    )
    return axes


def kabsch(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Proper rotations R (B, 3, 3) that minimise |R x - t| for centred points (B, N, 3) and target
    (B or 1, N, 3).

    From the singular values a >= b >= c of sum_n t_n x_n^T = U S V^T: R = U diag(1, 1, d) V^T with
    d = det U det V (Kabsch, Acta Cryst. A 32, 922 (1976) and 34, 827 (1978); Umeyama, IEEE PAMI 13,
    376 (1991), eqs. 40-43). It is the only minimum where b + d c > 0. Elsewhere what all minima
    agree on stays: the part u_1 v_1^T where a > b (points on a line), and nothing where not
    (coincident points); in those cases rows of U^T R are zero.
    """
    (moving, _), (fixed, _) = centred(points), centred(target)
    u, value, v = np.linalg.svd(finite(fixed.swapaxes(1, 2) @ moving))
    sign = np.sign(np.linalg.det(u) * np.linalg.det(v))
    size, length = (np.linalg.norm(offset, axis=(1, 2)) for offset in (moving, fixed))
    smallest = np.sqrt(points.shape[1]) * np.maximum(
        resolution(points) * length, resolution(target) * size
    )
    turn = value[:, 1] + sign * value[:, 2] > smallest
    axis = turn | (value[:, 0] - value[:, 1] > smallest)
    return u * np.stack([axis, turn, sign * turn], -1)[:, None] @ v


def spatial(position: np.ndarray, name: str) -> np.ndarray:
    """Positions (T, N, 2 or 3) of a caller as float64 (T, N, 3), planar ones with z = 0.

    Raises:
        ValueError: another shape, no numbers, or values that are not finite; `name` stands in the
        message.
    """
    position = np.asarray(position)
    if (
        position.ndim != 3
        or position.shape[-1] not in (2, 3)
        or not position.size
        or position.dtype.kind not in "fiu"
    ):
        raise ValueError(
            f"{name}: {position.dtype} of shape {position.shape}; expected numbers (frames, points, 2 or 3)"
        )
    if not np.isfinite(position).all():
        frame, point, axis = np.argwhere(~np.isfinite(position))[0]
        raise ValueError(f"{name}: not finite at frame {frame}, point {point}, axis {axis}")
    return np.pad(position.astype(np.float64), [(0, 0), (0, 0), (0, 3 - position.shape[-1])])
