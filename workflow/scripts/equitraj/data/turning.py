"""Samples turned as a whole: positions, targets, velocities and boxes together."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample


def rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations (count, 3, 3), uniform on SO(3)."""
    return Rotation.random(count, rng=rng).as_matrix()


def turned(vectors: np.ndarray | None, matrix: np.ndarray) -> np.ndarray | None:
    """Vectors (B, ..., 3), each sample's turned by its matrix (B, 3, 3); None stays."""
    return None if vectors is None else np.einsum("bij,b...j->b...i", matrix, vectors)


def rotate_each(sample: Sample, seed: int | np.random.Generator) -> Sample:
    """Every sample turned about the origin by a Haar-random rotation of its own."""
    matrix = rotations(len(sample), np.random.default_rng(seed))
    names = ("position", "target", "velocity", "box")
    return replace(sample, **{name: turned(getattr(sample, name), matrix) for name in names})
