"""Reference frames of a geometry: for each sample F rotations with weights, and an origin.

A method predicts y = origin + sum_f weight_f R_f^T model(R_f (x - origin)): one reference frame of
the input maps the whole history, the target and the prediction (Puny et al., ICLR 2022, eq. 3). An
alignment has F = 1. Each alignment is a file in `alignments/` with a class `Alignment`, derived
from `Base`, whose fields are its options.

Where the points determine no axis (all points on a line, or at one position) the row of R for this
axis is zero: the model sees no coordinate along the axis, and the prediction has no component along
it. A row of zeros is the average over all rotations that leave such points in place. The claims of
an alignment therefore hold for such points too, and no value is ever NaN.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import ClassVar

import numpy as np
from numpy.linalg import norm

from equitraj.base.allowed import Checked
from equitraj.data.tasks import Sample

UNDETERMINED = 1e-10  # lengths below this fraction of the points' extent are rounding errors


@dataclass(frozen=True)
class Frames:
    """Reference frames of B samples, F for each.

    Attributes:
        rotation: (B, F, 3, 3), proper or improper rotations.
        origin: (B, 3).
        weight: (B, F), whose rows sum to 1.
    """

    rotation: np.ndarray
    origin: np.ndarray
    weight: np.ndarray

    @classmethod
    def single(cls, rotation: np.ndarray, origin: np.ndarray) -> "Frames":
        """One reference frame of weight 1 for each sample, from (B, 3, 3) and origins (B, 3)."""
        weight = np.ones((len(rotation), 1))
        return cls(rotation[:, None], origin, weight)

    @classmethod
    def world_axes(cls, origin: np.ndarray) -> "Frames":
        """The axes of the world at origins (B, 3)."""
        shape = (len(origin), 3, 3)
        axes = np.broadcast_to(np.eye(3), shape)
        return cls.single(axes, origin)

    def take(self, index: np.ndarray | slice) -> "Frames":
        """The reference frames of the samples at `index`."""
        return Frames(
            rotation=self.rotation[index],
            origin=self.origin[index],
            weight=self.weight[index],
        )

    def select(self, index: np.ndarray) -> "Frames":
        """One reference frame of each sample: number `index` (B,) among its F."""
        samples = np.arange(len(index))
        rotation = self.rotation[samples, index]
        return Frames.single(rotation, self.origin)

    def into(self, position: np.ndarray) -> np.ndarray:
        """World positions (B, ..., 3) in each reference frame: (B * F, ..., 3), by sample."""
        batch, count = self.weight.shape
        points = position.reshape(batch, -1, 3)
        offset = points - self.origin[:, None]
        turned = offset[:, None] @ self.rotation.mT
        shape = position.shape[1:]
        return turned.reshape(batch * count, *shape)

    def into_sample(self, sample: Sample) -> Sample:
        """A sample with all of its arrays in the reference frames: B * F samples."""
        count = self.weight.shape[1]
        at_zero = replace(self, origin=np.zeros_like(self.origin))

        def repeated(value: np.ndarray) -> np.ndarray:
            return np.repeat(value, count, axis=0)

        changes = {
            "scalar": repeated,
            "mass": repeated,
            "velocity": at_zero.into,
            "box": at_zero.into,
            "target": self.into,
            "position": self.into,
        }
        arrays = {name: getattr(sample, name) for name in changes}
        for name, value in arrays.items():
            if value is not None:
                arrays[name] = changes[name](value)
        return replace(sample, **arrays)

    def back(self, prediction: np.ndarray) -> np.ndarray:
        """World positions (B, ..., 3): predictions (B * F, ..., 3), averaged over the frames."""
        batch, count = self.weight.shape
        inside = prediction.reshape(batch, count, -1, 3)
        points = inside @ self.rotation
        weighted = self.weight[..., None, None] * points
        mean = weighted.sum(1)
        mean += self.origin[:, None]
        shape = prediction.shape[1:]
        return mean.reshape(batch, *shape)


@dataclass(frozen=True)
class Base(Checked):
    """The base class of every alignment; the fields of a subclass are its options.

    Class attributes:
        rotation, reflection, translation: levels (`claims.LEVELS`) of the symmetry that the
        alignment adds to any model.
        permutation: whether it treats all points alike.
        training: "average" (the loss of the weighted mean over the frames) or "draw" (the loss of
        one frame, drawn anew for each sample in each epoch).
        learned: whether the reference frame is a network that is trained together with the model.
        points_needed: the smallest number of points.
    """

    rotation: ClassVar[str] = "no"
    translation: ClassVar[str] = "exact"
    training: ClassVar[str] = "average"
    learned: ClassVar[bool] = False
    points_needed: ClassVar[int] = 1

    @property
    def reflection(self) -> str:
        """See the class; a property, because it may depend on an option."""
        return "no"

    @property
    def permutation(self) -> bool:
        """See the class; a property, because it may depend on an option."""
        return True

    def fit(self, position: np.ndarray) -> np.ndarray | None:
        """A reference from positions (T, N, 3) of the training split; None if there is none."""
        return None

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """The reference frames of histories (B, K, N, 3), newest last.

        The default uses the newest points only. A subclass that also uses earlier ones, or draws
        frames from `rng`, overrides this method.
        """
        newest = position[:, -1]
        return self.of_points(newest, reference)

    def of_points(self, newest: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The reference frames of points (B, N, 3)."""
        raise NotImplementedError

    def training_frames(self, position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """The reference frames of the training data; by default the same as for prediction."""
        return self.frames(position, reference)


def load_alignment(name: str, options: dict | None = None) -> Base:
    """The alignment in the file `alignments/{name}.py`, with these options."""
    values = dict(options or {})
    for option, value in values.items():
        if isinstance(value, list):
            values[option] = tuple(value)
    module = import_module(f"equitraj.frames.alignments.{name}")
    return module.Alignment(**values)


def turn_onto_x(vector: np.ndarray) -> np.ndarray:
    """The smallest rotations (B, 3, 3) that take vectors (B, 3) onto the positive x axis.

    R = I + [v] + [v]^2 / (1 + c) with v = u x e_x, c = u . e_x (Rodrigues). A zero vector gives the
    identity, and a vector along the negative x axis gives half a turn about z.
    """
    length = norm(vector, axis=-1, keepdims=True)
    divisor = np.where(length > 0, length, 1)
    unit = np.where(length > 0, vector / divisor, [1.0, 0.0, 0.0])
    skew = np.zeros((len(unit), 3, 3))
    skew[:, 0, 1:] = unit[:, 1:]
    skew[:, 1:, 0] = -unit[:, 1:]
    cosine = unit[:, :1, None]
    opposite = cosine < -1 + 1e-15
    factor = 1 / np.where(opposite, 1, 1 + cosine)
    rotation = np.eye(3) + skew + factor * skew @ skew
    half_turn = np.diag([-1.0, -1.0, 1.0])
    return np.where(opposite, half_turn, rotation)
