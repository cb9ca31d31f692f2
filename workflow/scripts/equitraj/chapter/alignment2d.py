"""The input-data chapter's alignments of a planar chain, as printed, for all frames at once.

Frames are rows of points, so a rotation acts from the right. Section 5.6 of the chapter; principal
axes after Foote and Raman, PNAS 97, 978 (2000). The 3-D alignments that methods use are in
`equitraj/alignments`.
"""

import numpy as np


def rotation(angle: np.ndarray | float) -> np.ndarray:
    """Matrices (..., 2, 2) that turn row vectors by `angle` (...) radians, counter-clockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)


def centre_of_mass(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with the mean of their points at the origin."""
    return frames - frames.mean(axis=-2, keepdims=True)


def point0(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with point 0 at the origin."""
    return frames - frames[..., :1, :]


def _turn_to_x(frames: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return frames @ rotation(-np.arctan2(vector[..., 1], vector[..., 0]))


def vector01(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with point 0 at the origin and the vector from point 1 to point 0 along
    positive x."""
    centred = point0(frames)
    return _turn_to_x(centred, centred[..., 0, :] - centred[..., 1, :])


def principal_axis(centred: np.ndarray) -> np.ndarray:
    """First principal axes (T, 2) of centred frames (T, N, 2), with the sign rule that the chapter
    prints.

    The chapter adds a half turn where the second eigenvector lies clockwise of the first.
    Eigenvectors have no sign of their own, so the direction is whatever the solver returns and
    jumps between frames; `numpy.linalg.eig` as printed.
    """
    values, vectors = np.linalg.eig(centred.swapaxes(-1, -2) @ centred)
    order = np.argsort(values, axis=-1)[..., ::-1]
    first, second = np.moveaxis(np.take_along_axis(vectors, order[..., None, :], -1), -1, 0)
    cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return np.where(cross[..., None] < 0, -first, first)


def principal_axes(frames: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) with their mean at the origin and the first principal axis along x."""
    centred = centre_of_mass(frames)
    return _turn_to_x(centred, principal_axis(centred))


ALIGNED = {
    "none": lambda frames: frames,
    "centre of mass + principal axes": principal_axes,
    "point 0 + 0-1 vector": vector01,
}
"""The three columns of the chapter's alignment figures."""


def to_reference(frames: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Frames (T, N, 2) moved onto `reference` (N, 2): their mean at the origin, turned for the
    least squared distance.

    The planar form of Kabsch, Acta Cryst. A32, 922 (1976): the angle is the argument of the sum of
    products.
    """
    centred, fixed = centre_of_mass(frames), centre_of_mass(reference)
    dot = np.sum(centred * fixed, axis=(-2, -1))
    cross = np.sum(centred[..., 0] * fixed[..., 1] - centred[..., 1] * fixed[..., 0], axis=-1)
    return centred @ rotation(np.arctan2(cross, dot))


def fitted_axes(training: np.ndarray) -> np.ndarray:
    """Principal components (2, 2), as columns, of all points of the centred training frames (T, N,
    2) together."""
    points = centre_of_mass(training).reshape(-1, 2)
    return np.linalg.eigh(points.T @ points)[1][:, ::-1]
