"""Rotations of whole samples: positions, targets, velocities and boxes together."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample


def rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations (count, 3, 3), uniform on SO(3)."""
    drawn = Rotation.random(count, rng=rng)
    return drawn.as_matrix()


def turned(vectors: np.ndarray | None, matrix: np.ndarray) -> np.ndarray | None:
    """Vectors (B, ..., 3), each sample turned by its matrix (B, 3, 3); None stays None."""
    if vectors is None:
        return None
    return np.einsum("bij,b...j->b...i", matrix, vectors)


def rotate_each(sample: Sample, seed: int | np.random.Generator) -> Sample:
    """Samples, each turned about the origin by a Haar-random rotation of its own."""
    rng = np.random.default_rng(seed)
    matrix = rotations(len(sample), rng)
    vectors: dict = {}
    for name in ("position", "target", "velocity", "box"):
        value = getattr(sample, name)
        vectors[name] = turned(value, matrix)
    return replace(sample, **vectors)
