"""One of the principal axes' sign flips, drawn at random: frame averaging with a single frame.

Duval et al., FAENet: Frame Averaging Equivariant GNN for Materials Modeling, ICML 2023. It costs as
much as one frame, and only the mean over the draws is equivariant. Training draws a new frame for
each sample in each epoch.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames import Frames
from equitraj.frames.alignments import frame_averaging


@dataclass(frozen=True)
class Alignment(frame_averaging.Alignment):
    """Options: reflections, draw from 8 frames with reflections in place of 4 proper rotations."""

    reflections: bool = False

    rotation: ClassVar[str] = "in expectation"
    training: ClassVar[str] = "draw"

    def frames(
        self,
        position: np.ndarray,
        reference: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> Frames:
        """One frame of each sample's set, drawn uniformly."""
        rng = rng or np.random.default_rng(0)
        every = self.of_points(position[:, -1])
        batch, count = every.weight.shape
        index = rng.integers(count, size=(batch,))
        return every.select(index)

    def training_frames(self, position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
        """All frames of each sample's set, from which training draws."""
        newest = position[:, -1]
        return self.of_points(newest)
