"""The input-data chapter's alignments of a planar chain, as printed, for all frames at once.

Frames are arrays with points as rows, so that a rotation acts from the right. Section 5.6 of the
chapter; principal axes after Foote and Raman, PNAS 97, 978 (2000). The alignments in three
dimensions that methods use are in `equitraj/frames/alignments`.
"""

import numpy as np
from numpy.linalg import eig, eigh


def rotation(angle: np.ndarray | float) -> np.ndarray:
    """Matrices (..., 2, 2) that rotate row vectors counter-clockwise by `angle` (...) radians."""
    cos = np.cos(angle)
    sin = np.sin(angle)
    first = np.stack([cos, sin], -1)
    second = np.stack([-sin, cos], -1)
    return np.stack([first, second], -2)


def unaligned(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2), unchanged."""
    return frames


def centre_of_mass(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with the mean of their points at the origin."""
    mean = frames.mean(axis=-2, keepdims=True)
    return frames - mean


def point0(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with point 0 at the origin."""
    origin = frames[..., :1, :]
    return frames - origin


def _turn_to_x(frames: np.ndarray, vector: np.ndarray) -> np.ndarray:
    angle = np.arctan2(vector[..., 1], vector[..., 0])
    return frames @ rotation(-angle)


def vector01(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with point 0 at the origin and point 1 on the negative x axis."""
    centred = point0(frames)
    vector = centred[..., 0, :] - centred[..., 1, :]
    return _turn_to_x(centred, vector)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The cross products (...) of vectors (..., 2)."""
    positive = first[..., 0] * second[..., 1]
    negative = first[..., 1] * second[..., 0]
    return positive - negative


def principal_axis(centred: np.ndarray) -> np.ndarray:
    """First principal axes (T, 2) of centred frames (T, N, 2), with the chapter's rule for signs.

    The chapter adds half a turn where the second eigenvector is clockwise of the first.
    Eigenvectors have no sign of their own: the direction is the one that the solver returns, here
    `numpy.linalg.eig` as in the chapter, and it jumps between frames.
    """
    values, vectors = eig(centred.mT @ centred)
    order = np.argsort(values)[..., ::-1]
    ordered = np.take_along_axis(vectors, order[..., None, :], -1)
    first, second = np.moveaxis(ordered, -1, 0)
    is_clockwise = _cross(first, second)[..., None] < 0
    return np.where(is_clockwise, -first, first)


def principal_axes(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with their mean at the origin and the first principal axis along x."""
    centred = centre_of_mass(frames)
    return _turn_to_x(centred, principal_axis(centred))


ALIGNED = {
    "none": unaligned,
    "centre of mass + principal axes": principal_axes,
    "point 0 + 0-1 vector": vector01,
}
"""The three columns of the chapter's alignment figures."""


def to_reference(frames: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Centred frames (T, N, 2), rotated to the least squared distance from `reference` (N, 2).

    The planar form of Kabsch, Acta Cryst. A32, 922 (1976): the tangent of the angle is the sum of
    the cross products over the sum of the dot products.
    """
    centred = centre_of_mass(frames)
    fixed = centre_of_mass(reference)
    dot = np.sum(centred * fixed, axis=(-2, -1))
    cross = np.sum(_cross(centred, fixed), axis=-1)
    angle = np.arctan2(cross, dot)
    return centred @ rotation(angle)


def fitted_axes(training: np.ndarray) -> np.ndarray:
    """Principal components (2, 2), as columns, of the points of all centred frames (T, N, 2)."""
    points = centre_of_mass(training).reshape(-1, 2)
    _, vectors = eigh(points.T @ points)
    return vectors[:, ::-1]
