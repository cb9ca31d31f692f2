"""Tasks: K past frames in, the frame `lag` steps after the newest of them out; splits that share no frame."""

from dataclasses import dataclass, replace

import numpy as np

from equitraj.data.splits import SPLITS, cut, split_counts
from equitraj.data.trajectory import Trajectory


@dataclass(frozen=True)
class Sample:
    """A batch of B samples of N points.

    Attributes:
        position: (B, K, N, 3), the last K frames, newest last.
        target: (B, N, 3), the position `lag` frames after the newest, or None where it is to be predicted.
        velocity: (B, N, 3) at the newest frame, or None.
        scalar: (B, N, F) features of the points, or None.
        edges: (2, E) directed bonds, or None.
    """

    position: np.ndarray
    target: np.ndarray | None = None
    velocity: np.ndarray | None = None
    scalar: np.ndarray | None = None
    edges: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: np.ndarray | slice) -> "Sample":
        """The samples at `index`."""
        arrays = ("position", "target", "velocity", "scalar")
        return replace(self, **{a: getattr(self, a)[index] for a in arrays if getattr(self, a) is not None})


def samples(trajectory: Trajectory, newest: np.ndarray, history: int, lag: int) -> Sample:
    """The samples whose newest frames are `newest` (B,)."""
    newest = np.asarray(newest)
    past = newest[:, None] + np.arange(1 - history, 1)
    return Sample(
        position=trajectory.position[past],
        target=trajectory.position[newest + lag],
        velocity=None if trajectory.velocity is None else trajectory.velocity[newest],
        scalar=_one_hot(trajectory.species, len(newest)),
        edges=None if trajectory.bonds is None else directed(trajectory.bonds),
    )


def directed(bonds: np.ndarray) -> np.ndarray:
    """Both directions (2, 2 M) of bonds (M, 2)."""
    return np.concatenate([bonds, bonds[:, ::-1]]).T


def histories(position: np.ndarray, episode: np.ndarray, history: int) -> np.ndarray:
    """The last `history` frames before and at each frame: (T, K, N, 3) from positions (T, N, 3).

    Where an episode has just begun its first frame is repeated.
    """
    first = np.searchsorted(episode, episode)  # episodes are numbered in order
    past = np.arange(len(position))[:, None] + np.arange(1 - history, 1)
    return position[np.maximum(past, first[:, None])]


def _one_hot(species: np.ndarray | None, n_samples: int) -> np.ndarray | None:
    if species is None:
        return None
    one_hot = (species[:, None] == np.unique(species)).astype(float)
    return np.broadcast_to(one_hot, (n_samples, *one_hot.shape))


def split_frames(episode: np.ndarray, history: int, lag: int, split: dict) -> dict[str, np.ndarray]:
    """Newest-frame indices of each split.

    `split` has `by` (`time`: every episode is cut in time order, or `episode`: whole episodes are dealt out) and the
    sizes `train`, `validation`, `test`, as numbers (samples for `time`, episodes for `episode`) or as fractions of 1.
    With `time` the test samples are the last ones, the validation samples those before, so that tasks of different
    history predict the same targets. A sample is dropped where its window would reach into the next split: no frame
    is shared between splits.

    Raises:
        ValueError: the sizes exceed the data, or leave a split empty.
    """
    deal = _cut_episodes if split.get("by", "time") == "episode" else _cut_times
    parts = deal(np.asarray(episode), history, lag, [split[name] for name in SPLITS])
    for name, part in zip(SPLITS, parts, strict=True):
        if not len(part):
            raise ValueError(
                f"split: {name} = {split[name]} leaves no sample of {history} frames in {len(episode)} frames"
            )
    return dict(zip(SPLITS, parts, strict=True))


def _cut_times(episode: np.ndarray, history: int, lag: int, sizes: list[float]) -> list[np.ndarray]:
    _, first, length = np.unique(episode, return_index=True, return_counts=True)
    usable = np.maximum(length - lag, 0)
    counts = split_counts(sizes, int(usable.sum()), "samples")
    parts: list[list[np.ndarray]] = [[], [], []]
    for start, n in zip(first, usable, strict=True):
        share = [round(count * n / max(usable.sum(), 1)) for count in counts]
        for part, newest in zip(parts, cut(int(n), share, history, lag), strict=True):
            part.append(start + np.arange(newest.start, newest.stop))
    return [np.concatenate(part) for part in parts]


def _cut_episodes(episode: np.ndarray, history: int, lag: int, sizes: list[float]) -> list[np.ndarray]:
    index, first, length = np.unique(episode, return_index=True, return_counts=True)
    counts = split_counts(sizes, len(index), "episodes")
    stops = np.cumsum(counts)
    parts = []
    for low, high in zip(stops - counts, stops, strict=True):
        spans = [
            np.arange(s + history - 1, s + n - lag) for s, n in zip(first[low:high], length[low:high], strict=True)
        ]
        parts.append(np.concatenate(spans) if spans else np.arange(0))
    return parts


def subset(newest: np.ndarray, size: str | int) -> np.ndarray:
    """`size` training samples spread evenly over the split, or all of them (`"all"`)."""
    if size == "all":
        return newest
    if int(size) > len(newest):
        raise ValueError(f"train_sizes: {size} samples asked for, but the training split has {len(newest)}")
    return newest[spread(len(newest), int(size))]


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` indices, evenly spread from the first to the last of `total`."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
