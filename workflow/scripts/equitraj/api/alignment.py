"""Alignment of plain arrays."""

from typing import NamedTuple

import numpy as np

from equitraj.base.registry import ALIGNMENTS, alignment_options, check_values, names, nearest
from equitraj.frames import load_alignment
from equitraj.frames.axes import spatial


class Aligned(NamedTuple):
    """Positions in a reference frame at each time: position = rotation (x - origin).

    Attributes: position (T, N, 3); rotation (T, 3, 3) and origin (T, 3) of the reference frames.
    """

    position: np.ndarray
    rotation: np.ndarray
    origin: np.ndarray


def align(
    positions: np.ndarray, alignment: str, *, reference: np.ndarray | None = None, **options: object
) -> Aligned:
    """Express each frame of positions (T, N, 2 or 3) in its own reference frame.

    `alignment` is the name of a file in frames/alignments/, `options` are its options. An alignment
    to a reference is fitted to the positions themselves, or to `reference` (T', N, 2 or 3). An
    alignment that looks back sees the frame before.

    Raises:
        ValueError: an unknown name or option, another shape, or an alignment that does not have
        exactly one reference frame.

    >>> import numpy, equitraj
    >>> walk = numpy.random.default_rng(0).normal(size=(100, 5, 3)).cumsum(0)
    >>> aligned = equitraj.align(walk, "centre_of_mass")
    >>> bool(numpy.abs(aligned.position.mean(1)).max() < 1e-12)
    True
    """
    known = names(ALIGNMENTS)
    if alignment not in known:
        raise ValueError(f"alignment: unknown name {alignment!r}; {nearest(alignment, known)}")
    check_values(alignment, options, alignment_options(alignment))
    aligner = load_alignment(alignment, options)
    position = spatial(positions, "positions")
    if aligner.learned:
        raise ValueError(
            f"alignment: {alignment!r} is trained together with a model; load a run that has it"
        )
    fitted_to = position
    if reference is not None:
        fitted_to = spatial(reference, "reference")
    fitted = aligner.fit(fitted_to)
    before = np.concatenate([position[:1], position[:-1]])
    history = np.stack([before, position], axis=1)
    frames = aligner.frames(history, fitted, np.random.default_rng(0))
    n_frames = frames.weight.shape[1]
    if n_frames > 1:
        raise ValueError(
            f"alignment: {alignment!r} gives {n_frames} frames for each geometry, not one"
        )
    return Aligned(frames.into(position), frames.rotation[:, 0], frames.origin)
