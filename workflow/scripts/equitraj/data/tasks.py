"""Tasks: K past frames in, the frame `lag` steps after the newest of them out; splits that share no
frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.parts import Stored, parts
from equitraj.data.splits import SPLITS, cut, split_counts
from equitraj.data.trajectory import Trajectory


@dataclass(frozen=True)
class Sample:
    """A batch of B samples of N points.

    Attributes:
        position: (B, K, N, 3), the last K frames, newest last.
        target: (B, N, 3), the position `lag` frames after the newest, or None where it is to be
        predicted.
        velocity: (B, N, 3) at the newest frame, or None where the task does not show it.
        scalar: (B, N, F) features of the points that the task shows, or None.
        mass: (B, N), or None where the task does not show it.
        edges: (2, E) directed bonds, or None.
        box: (B, 3, 3) vectors of the periodic box as rows (see `Trajectory`), or None. It turns
        with the points.
        step: time between two frames, 1 where the task shows neither velocity nor time.
    """

    position: np.ndarray
    target: np.ndarray | None = None
    velocity: np.ndarray | None = None
    scalar: np.ndarray | None = None
    mass: np.ndarray | None = None
    edges: np.ndarray | None = None
    box: np.ndarray | None = None
    step: float = 1.0

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: np.ndarray | slice) -> "Sample":
        """The samples at `index`."""
        return replace(
            self, **{a: getattr(self, a)[index] for a in ARRAYS if getattr(self, a) is not None}
        )

    @property
    def past(self) -> np.ndarray:
        """(B, V, N, 3) where the points come from: the displacements between the frames, oldest
        first, then velocity times the time between two frames, where the task shows it."""
        displacement = np.diff(self.position, axis=1)
        if self.velocity is None:
            return displacement
        return np.concatenate([displacement, self.step * self.velocity[:, None]], axis=1)

    def mean_velocity(self, displacement: np.ndarray, lag: int) -> np.ndarray | None:
        """The velocities of points with displacements (B, N, 3) in `lag` frames; None where the
        task shows none."""
        return None if self.velocity is None else displacement / (lag * self.step)

    def followed_by(self, prediction: np.ndarray, lag: int) -> "Sample":
        """The samples `lag` frames later, with points where they were predicted (B, N, 3), to
        predict from again.

        The oldest frame is left out, velocities are means over the `lag` frames, and all else stays
        as it is.

        Raises:
            ValueError: a history of several frames, which would no longer follow each other.
        """
        if lag > 1 and self.position.shape[1] > 1:
            raise ValueError(
                f"a history of {self.position.shape[1]} frames cannot be fed back {lag} frames ahead"
            )
        position = np.concatenate([self.position[:, 1:], prediction[:, None]], axis=1)
        velocity = self.mean_velocity(prediction - self.position[:, -1], lag)
        return replace(self, position=position, velocity=velocity, target=None)


ARRAYS = (
    "position",
    "target",
    "velocity",
    "scalar",
    "mass",
    "box",
)  # of a sample, with an entry for each member
VECTORS = ("position", "velocity")  # those that a rotation turns and a method sees


def samples(
    trajectory: Trajectory, newest: np.ndarray, history: int, lag: int, inputs: Sequence[str] = ()
) -> Sample:
    """The samples whose newest frames are `newest` (B,), with the `inputs` that a task shows beside
    positions.

    Raises:
        ValueError: an input that the trajectory does not have.
    """
    newest = np.asarray(newest)
    check_inputs(trajectory, inputs)
    past = newest[:, None] + np.arange(1 - history, 1)
    return Sample(
        position=trajectory.position[past],
        target=trajectory.position[newest + lag],
        velocity=trajectory.velocity[newest] if "velocity" in inputs else None,
        scalar=_scalars(trajectory, newest, inputs),
        mass=_at(trajectory.mass, newest, 1) if "mass" in inputs else None,
        edges=None if trajectory.bonds is None else directed(trajectory.bonds),
        box=None if trajectory.box is None else trajectory.box[newest],
        step=time_step(trajectory) if {"velocity", "time_step"} & set(inputs) else 1.0,
    )


@dataclass(frozen=True)
class SampleParts:
    """The samples of a task with newest frames `newest` (B,), made a part at a time by whoever
    iterates over them.

    Attributes: trajectory; newest; task, its history, lag and inputs; copies, frames of reference F
    that each sample is to be seen in, for which its part leaves room.
    """

    trajectory: Trajectory
    newest: np.ndarray
    task: dict
    copies: int = 1

    def __len__(self) -> int:
        return len(self.newest)

    def slices(self) -> list[slice]:
        """The parts, as slices of `newest`."""
        n_points = self.trajectory.position.shape[1]
        return parts(len(self), 3 * n_points * self.task["history"] * self.copies)

    def __iter__(self) -> Iterator[Sample]:
        for part in self.slices():
            yield self.at(self.newest[part])

    def at(self, newest: np.ndarray) -> Sample:
        """The samples of the same task with these newest frames."""
        task = self.task
        return samples(
            self.trajectory, newest, task["history"], task["lag"], task.get("inputs", ())
        )


def joined(parts: Sequence[Sample]) -> Sample:
    """Samples of the same points and bonds, one below the other; one part is handed back as it is."""
    first, *others = parts
    names = [name for name in ARRAYS if others and getattr(first, name) is not None]
    return replace(
        first, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def check_inputs(trajectory: Trajectory, inputs: Sequence[str]) -> None:
    """Raise ValueError that names the first of `inputs` that the trajectory does not have, and what
    it has."""
    arrays = {name: getattr(trajectory, name) for name in ("velocity", "species", "mass")}
    has = [
        "time_step",
        *(name for name, value in arrays.items() if value is not None),
        *trajectory.features,
    ]
    for name in inputs:
        if name not in has:
            raise ValueError(f"inputs: the data have no {name!r}; {nearest(name, has)}")


def time_step(trajectory: Trajectory) -> float:
    """The time between two frames: the median within episodes, 1 for a single frame."""
    within = np.diff(trajectory.time)[np.diff(trajectory.episode) == 0]
    return float(np.median(within)) if len(within) else 1.0


def _at(value: np.ndarray, newest: np.ndarray, fixed: int) -> np.ndarray:
    """What belongs to the points at frames `newest`, of an array that has `fixed` axes where it
    does not change."""
    return (
        np.broadcast_to(value, (len(newest), *value.shape))
        if value.ndim == fixed
        else value[newest]
    )


def _scalars(
    trajectory: Trajectory, newest: np.ndarray, inputs: Sequence[str]
) -> np.ndarray | None:
    """(B, N, F): the mass first, then a column for each species, and the features, in the order of
    `inputs`."""
    columns = []
    for name in sorted(inputs, key=lambda name: name != "mass"):
        if name == "species":
            species = _at(trajectory.species, newest, 1)
            columns.append((species[..., None] == np.unique(trajectory.species)).astype(float))
        elif name == "mass":
            columns.append(_at(trajectory.mass, newest, 1)[..., None])
        elif name in trajectory.features:
            columns.append(_at(trajectory.features[name], newest, 2))
    return np.concatenate(columns, axis=-1) if columns else None


def directed(bonds: np.ndarray) -> np.ndarray:
    """Both directions (2, 2 M) of bonds (M, 2)."""
    return np.concatenate([bonds, bonds[:, ::-1]]).T


@dataclass(frozen=True)
class Histories:
    """The last `history` frames before and at each frame, (T, K, N, 3) of positions (T, N, 3), made
    where indexed.

    Where an episode has just begun its first frame is repeated.
    """

    position: np.ndarray | Stored
    episode: np.ndarray
    history: int

    def __len__(self) -> int:
        return len(self.episode)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, K, N, 3)."""
        return len(self), self.history, *self.position.shape[1:]

    def __getitem__(self, frames: np.ndarray | slice) -> np.ndarray:
        first = np.searchsorted(
            self.episode, self.episode[frames]
        )  # episodes are numbered in order
        past = np.arange(len(self))[frames][:, None] + np.arange(1 - self.history, 1)
        return self.position[np.maximum(past, first[:, None])]


def split_frames(episode: np.ndarray, history: int, lag: int, split: dict) -> dict[str, np.ndarray]:
    """Newest-frame indices of each split.

    `split` has `by` (`time`: every episode is cut in time order, `episode`: whole episodes are
    dealt out, or `random`: samples are drawn with `seed`) and the sizes `train`, `validation`,
    `test`, as numbers (episodes for `episode`, else samples) or as fractions of 1.
    With `time` the test samples are the last ones, the validation samples those before, so that
    tasks of different history predict the same targets. A sample is dropped where its window would
    reach into the next split: no frame is shared between splits. With `random` no sample is in two
    splits, but the windows of samples overlap.

    Raises:
        ValueError: the sizes exceed the data, or leave a split empty.
    """
    deal = {
        "time": _cut_times,
        "episode": _cut_episodes,
        "random": partial(_draw, seed=split.get("seed", 0)),
    }
    parts = deal[split.get("by", "time")](
        np.asarray(episode), history, lag, [split[name] for name in SPLITS]
    )
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


def _cut_episodes(
    episode: np.ndarray, history: int, lag: int, sizes: list[float]
) -> list[np.ndarray]:
    index, first, length = np.unique(episode, return_index=True, return_counts=True)
    counts = split_counts(sizes, len(index), "episodes")
    stops = np.cumsum(counts)
    parts = []
    for low, high in zip(stops - counts, stops, strict=True):
        spans = [
            np.arange(s + history - 1, s + n - lag)
            for s, n in zip(first[low:high], length[low:high], strict=True)
        ]
        parts.append(np.concatenate(spans) if spans else np.arange(0))
    return parts


def _draw(
    episode: np.ndarray, history: int, lag: int, sizes: list[float], seed: int
) -> list[np.ndarray]:
    newest = np.arange(history - 1, len(episode) - lag)
    newest = newest[episode[newest - history + 1] == episode[newest + lag]]
    stops = np.cumsum(split_counts(sizes, len(newest), "samples"))
    drawn = np.random.default_rng(seed).permutation(newest)
    return [np.sort(part) for part in np.split(drawn, stops)[: len(SPLITS)]]


def subset(newest: np.ndarray, size: str | int) -> np.ndarray:
    """`size` training samples spread evenly over the split, or all of them (`"all"`)."""
    if size == "all":
        return newest
    if int(size) > len(newest):
        raise ValueError(
            f"train_sizes: {size} samples asked for, but the training split has {len(newest)}"
        )
    return newest[spread(len(newest), int(size))]


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` indices, evenly spread from the first to the last of `total`."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
