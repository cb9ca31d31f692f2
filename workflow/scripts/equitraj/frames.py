"""Frames of a geometry: for each sample F rotations with weights, and an origin.

A method predicts y = origin + sum_f weight_f R_f^T model(R_f (x - origin)): the frame of the newest input frame maps
the whole history, the target and the prediction (Puny et al., ICLR 2022, eq. 3). An alignment has F = 1. Each
alignment is a file in `alignments/`, with what it claims, `frames(position, reference)`, and, where it needs a
reference, `fit(position)` on the training split.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

import numpy as np

from equitraj.tasks import Sample

GENERATORS = ("rotation", "reflection", "translation", "permutation")


@dataclass(frozen=True)
class Frames:
    """Attributes: rotation (B, F, 3, 3) or improper rotations, origin (B, 3), weight (B, F) with rows that sum to 1."""

    rotation: np.ndarray
    origin: np.ndarray
    weight: np.ndarray

    @classmethod
    def single(cls, rotation: np.ndarray, origin: np.ndarray) -> "Frames":
        """One frame of weight 1 for each sample, from rotation (B, 3, 3) and origin (B, 3)."""
        return cls(rotation[:, None], origin, np.ones((len(rotation), 1)))

    def take(self, index: np.ndarray | slice) -> "Frames":
        """The frames of the samples at `index`."""
        return Frames(self.rotation[index], self.origin[index], self.weight[index])

    def into(self, position: np.ndarray) -> np.ndarray:
        """World positions (B, ..., 3) in each frame: (B * F, ..., 3), the frames of a sample side by side."""
        batch, count = self.weight.shape
        points = position.reshape(batch, -1, 3) - self.origin[:, None]
        turned = points[:, None] @ self.rotation.swapaxes(-1, -2)
        return turned.reshape(batch * count, *position.shape[1:])

    def into_sample(self, sample: Sample) -> Sample:
        """A sample with history and target in the frames: B * F samples."""
        count = self.weight.shape[1]
        scalar = None if sample.scalar is None else np.repeat(sample.scalar, count, axis=0)
        target = None if sample.target is None else self.into(sample.target)
        turned = (
            None if sample.velocity is None else replace(self, origin=np.zeros_like(self.origin)).into(sample.velocity)
        )
        return replace(sample, position=self.into(sample.position), target=target, velocity=turned, scalar=scalar)

    def back(self, prediction: np.ndarray) -> np.ndarray:
        """Predictions (B * F, ..., 3) in the frames, back in the world and averaged over the frames: (B, ..., 3)."""
        batch, count = self.weight.shape
        points = prediction.reshape(batch, count, -1, 3) @ self.rotation
        mean = (self.weight[..., None, None] * points).sum(1) + self.origin[:, None]
        return mean.reshape(batch, *prediction.shape[1:])


def load_alignment(name: str) -> ModuleType:
    """The module `alignments/{name}.py`."""
    return import_module(f"equitraj.alignments.{name}")


def identity(position: np.ndarray) -> np.ndarray:
    """Identity rotations (B, 3, 3) for positions (B, ...)."""
    return np.broadcast_to(np.eye(3), (len(position), 3, 3))


def turn_onto_x(vector: np.ndarray) -> np.ndarray:
    """The smallest rotations (B, 3, 3) that take vectors (B, 3) onto the positive x axis.

    R = I + [v] + [v]^2 / (1 + c) with v = u x e_x, c = u . e_x (Rodrigues). A zero vector gives the identity, and the
    negative x axis half a turn about z.
    """
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    unit = np.where(length > 0, vector / np.where(length > 0, length, 1), [1.0, 0.0, 0.0])
    cosine = unit[:, 0]
    zero = np.zeros_like(cosine)
    cross = np.stack([zero, unit[:, 2], -unit[:, 1]], -1)
    skew = np.stack(
        [
            np.stack([zero, -cross[:, 2], cross[:, 1]], -1),
            np.stack([cross[:, 2], zero, -cross[:, 0]], -1),
            np.stack([-cross[:, 1], cross[:, 0], zero], -1),
        ],
        1,
    )
    opposite = cosine < -1 + 1e-15
    factor = 1 / np.where(opposite, 1, 1 + cosine)
    rotation = np.eye(3) + skew + factor[:, None, None] * skew @ skew
    return np.where(opposite[:, None, None], np.diag([-1.0, -1.0, 1.0]), rotation)
