"""Frames of a geometry: for each sample F rotations with weights, and an origin.

A method predicts y = origin + sum_f weight_f R_f^T model(R_f (x - origin)): one frame of the input
maps the whole history, the target and the prediction (Puny et al., ICLR 2022, eq. 3). An alignment
has F = 1. Each alignment is a file in `alignments/` with a class `Alignment`, derived from `Base`,
whose fields are its options.

Where the points determine no axis (all of them on a line, or on one spot) that row of R is zero:
the model sees no coordinate along it and its prediction has none. This is the average over all
rotations that leave such points where they are, so that what an alignment claims holds for them
too, and nothing is ever NaN.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import ClassVar

import numpy as np

from equitraj.base.allowed import Checked
from equitraj.data.tasks import Sample

UNDETERMINED = 1e-10  # lengths below this fraction of the points' extent are rounding


@dataclass(frozen=True)
class Frames:
    """Attributes: rotation (B, F, 3, 3) or improper rotations, origin (B, 3), weight (B, F) whose
    rows sum to 1."""

    rotation: np.ndarray
    origin: np.ndarray
    weight: np.ndarray

    @classmethod
    def single(cls, rotation: np.ndarray, origin: np.ndarray) -> "Frames":
        """One frame of weight 1 for each sample, from rotation (B, 3, 3) and origin (B, 3)."""
        return cls(rotation[:, None], origin, np.ones((len(rotation), 1)))

    @classmethod
    def world_axes(cls, origin: np.ndarray) -> "Frames":
        """The axes of the world at origins (B, 3)."""
        return cls.single(np.broadcast_to(np.eye(3), (len(origin), 3, 3)), origin)

    def take(self, index: np.ndarray | slice) -> "Frames":
        """The frames of the samples at `index`."""
        return Frames(self.rotation[index], self.origin[index], self.weight[index])

    def into(self, position: np.ndarray) -> np.ndarray:
        """World positions (B, ..., 3) in each frame: (B * F, ..., 3), the frames of a sample side
        by side."""
        batch, count = self.weight.shape
        points = position.reshape(batch, -1, 3) - self.origin[:, None]
        turned = points[:, None] @ self.rotation.swapaxes(-1, -2)
        return turned.reshape(batch * count, *position.shape[1:])

    def into_sample(self, sample: Sample) -> Sample:
        """A sample with history and target in the frames: B * F samples."""
        count = self.weight.shape[1]
        each = {k: v for k in ("scalar", "mass") if (v := getattr(sample, k)) is not None}
        each = {name: np.repeat(value, count, axis=0) for name, value in each.items()}
        turn = replace(self, origin=np.zeros_like(self.origin)).into
        each |= {k: turn(v) for k in ("velocity", "box") if (v := getattr(sample, k)) is not None}
        target = None if sample.target is None else self.into(sample.target)
        return replace(sample, position=self.into(sample.position), target=target, **each)

    def back(self, prediction: np.ndarray) -> np.ndarray:
        """Predictions (B * F, ..., 3) in the frames, back in the world and averaged over the
        frames: (B, ..., 3)."""
        batch, count = self.weight.shape
        points = prediction.reshape(batch, count, -1, 3) @ self.rotation
        mean = (self.weight[..., None, None] * points).sum(1) + self.origin[:, None]
        return mean.reshape(batch, *prediction.shape[1:])


@dataclass(frozen=True)
class Base(Checked):
    """What every alignment has; the fields of a subclass are its options.

    Class attributes: `rotation`, `reflection`, `translation`, levels (`claims.LEVELS`) of what it
    adds to any model's symmetry; `permutation`, whether it treats all points alike; `training`,
    "average" (the loss is that of the weighted mean over the frames) or "draw" (of one frame, drawn
    anew for each sample in each epoch); `learned`, whether the frame is a network that is trained
    together with the model; `points_needed`, the smallest number of points.
    """

    rotation: ClassVar[str] = "no"
    reflection: ClassVar[str] = "no"
    translation: ClassVar[str] = "exact"
    permutation: ClassVar[bool] = True
    training: ClassVar[str] = "average"
    learned: ClassVar[bool] = False
    points_needed: ClassVar[int] = 1

    def fit(self, position: np.ndarray) -> np.ndarray | None:
        """A reference from positions (T, N, 3) of the training split, or None where there is none
        to fit."""
        return None

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """The frames of histories (B, K, N, 3), newest last.

        Those of the newest points; a subclass that looks further back, or draws frames from `rng`,
        replaces this.
        """
        return self.of_points(position[:, -1], reference)

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The frames of points (B, N, 3)."""
        raise NotImplementedError

    def training_frames(self, position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The frames in which training data are given, where they are not those of prediction."""
        return self.frames(position, reference)


def load_alignment(name: str, options: dict | None = None) -> Base:
    """The alignment of the file `alignments/{name}.py` with these options."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in (options or {}).items()}
    return import_module(f"equitraj.frames.alignments.{name}").Alignment(**values)


def turn_onto_x(vector: np.ndarray) -> np.ndarray:
    """The smallest rotations (B, 3, 3) that take vectors (B, 3) onto the positive x axis.

    R = I + [v] + [v]^2 / (1 + c) with v = u x e_x, c = u . e_x (Rodrigues). A zero vector gives the
    identity, and the negative x axis half a turn about z.
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
