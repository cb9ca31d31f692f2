"""Alignment of plain arrays."""

from typing import NamedTuple

import numpy as np

from equitraj.base.registry import ALIGNMENTS, alignment_options, check_values, names, nearest
from equitraj.frames import load_alignment
from equitraj.frames.axes import spatial


class Aligned(NamedTuple):
    """Attributes: position (T, N, 3) in the frame of each; rotation (T, 3, 3) and origin (T, 3) of
    that frame, so that position = rotation (x - origin)."""

    position: np.ndarray
    rotation: np.ndarray
    origin: np.ndarray


def align(
    positions: np.ndarray, alignment: str, *, reference: np.ndarray | None = None, **options: object
) -> Aligned:
    """Every frame of positions (T, N, 2 or 3) in its own frame of reference.

    `alignment` is the name of a file in frames/alignments/, `options` are its options. An alignment
    to a reference is fitted to the positions themselves, or to `reference` (T', N, 2 or 3). One
    that looks back sees the frame before.

    Raises:
        ValueError: an unknown name or option, another shape, or an alignment that has no single
        frame.

    >>> import numpy, equitraj
    >>> walk = numpy.random.default_rng(0).normal(size=(100, 5, 3)).cumsum(0)
    >>> aligned = equitraj.align(walk, "centre_of_mass")
    >>> bool(numpy.abs(aligned.position.mean(1)).max() < 1e-12)
    True
    """
    if alignment not in names(ALIGNMENTS):
        raise ValueError(
            f"alignment: unknown name {alignment!r}; {nearest(alignment, names(ALIGNMENTS))}"
        )
    check_values(alignment, options, alignment_options(alignment))
    aligner, position = load_alignment(alignment, options), spatial(positions, "positions")
    if aligner.learned:
        raise ValueError(
            f"alignment: {alignment!r} is trained together with a model; load a run that has it"
        )
    fitted = aligner.fit(position if reference is None else spatial(reference, "reference"))
    before = np.concatenate([position[:1], position[:-1]])
    frames = aligner.frames(np.stack([before, position], axis=1), fitted, np.random.default_rng(0))
    if frames.weight.shape[1] > 1:
        raise ValueError(
            f"alignment: {alignment!r} gives {frames.weight.shape[1]} frames for each geometry, not one"
        )
    return Aligned(frames.into(position), frames.rotation[:, 0], frames.origin)
