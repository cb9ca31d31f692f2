"""Tasks: K past frames are given, the frame `lag` steps after the newest of them is predicted.

The splits of a task share no frame.
"""

from collections.abc import Callable, Iterator, Sequence
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
        taken = {}
        for name in ARRAYS:
            value = getattr(self, name)
            if value is not None:
                taken[name] = value[index]
        return replace(self, **taken)

    @property
    def newest(self) -> np.ndarray:
        """The newest positions (B, N, 3)."""
        return self.position[:, -1]

    @property
    def truth(self) -> np.ndarray:
        """The target of samples that have one."""
        assert self.target is not None
        return self.target

    @property
    def past(self) -> np.ndarray:
        """The displacements (B, V, N, 3) between the frames, oldest first.

        Where the task shows the velocity, the last one is velocity times the time between two
        frames.
        """
        displacement = np.diff(self.position, axis=1)
        if self.velocity is None:
            return displacement
        velocity = self.velocity[:, None]
        ahead = self.step * velocity
        return np.concatenate([displacement, ahead], axis=1)

    def mean_velocity(self, displacement: np.ndarray, lag: int) -> np.ndarray | None:
        """The velocities of points with displacements (B, N, 3) in `lag` frames.

        None where the task shows no velocity.
        """
        if self.velocity is None:
            return None
        return displacement / (lag * self.step)

    def followed_by(self, prediction: np.ndarray, lag: int) -> "Sample":
        """The samples `lag` frames later, with the points at their predicted positions (B, N, 3).

        The oldest frame is left out, and velocities are means over the `lag` frames. All other
        arrays are unchanged.

        Raises:
            ValueError: a history of several frames, which would no longer follow each other.
        """
        history = self.position.shape[1]
        if lag > 1 and history > 1:
            raise ValueError(f"a history of {history} frames cannot be fed back {lag} frames ahead")
        kept = self.position[:, 1:]
        position = np.concatenate([kept, prediction[:, None]], axis=1)
        velocity = self.mean_velocity(prediction - self.newest, lag)
        return replace(self, position=position, velocity=velocity, target=None)


# The arrays of a sample that have an entry for each member of the batch.
ARRAYS = ("position", "target", "velocity", "scalar", "mass", "box")
VECTORS = ("position", "velocity")  # those that a rotation turns and a method sees
# A function of episode, history, lag and sizes that returns the newest frames of each split.
Cut = Callable[[np.ndarray, int, int, list[float]], list[np.ndarray]]


def samples(
    trajectory: Trajectory, newest: np.ndarray, history: int, lag: int, inputs: Sequence[str] = ()
) -> Sample:
    """The samples whose newest frames are `newest` (B,).

    `inputs` are what a task shows in addition to positions.

    Raises:
        ValueError: an input that the trajectory does not have.
    """
    newest = np.asarray(newest)
    check_inputs(trajectory, inputs)
    past = newest[:, None] + np.arange(1 - history, 1)
    velocity = trajectory.velocity if "velocity" in inputs else None
    mass = trajectory.mass if "mass" in inputs else None
    shows_time = "velocity" in inputs or "time_step" in inputs
    return Sample(
        position=trajectory.position[past],
        target=trajectory.position[newest + lag],
        velocity=None if velocity is None else velocity[newest],
        scalar=_scalars(trajectory, newest, inputs),
        mass=None if mass is None else _at(mass, newest, 1),
        edges=None if trajectory.bonds is None else directed(trajectory.bonds),
        box=None if trajectory.box is None else trajectory.box[newest],
        step=time_step(trajectory) if shows_time else 1.0,
    )


@dataclass(frozen=True)
class SampleParts:
    """The samples of a task, made one part at a time when they are iterated over.

    Attributes:
        trajectory: the source of the samples.
        newest: (B,) newest frame of each sample.
        task: its history, lag and inputs.
        copies: number of reference frames F in which each sample is to be seen; its part leaves
        room for them.
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
        numbers = 3 * n_points * self.task["history"]
        return parts(len(self), numbers * self.copies)

    def __iter__(self) -> Iterator[Sample]:
        for part in self.slices():
            newest = self.newest[part]
            yield self.at(newest)

    def at(self, newest: np.ndarray) -> Sample:
        """The samples of the same task with these newest frames."""
        task = self.task
        inputs = task.get("inputs", ())
        return samples(self.trajectory, newest, task["history"], task["lag"], inputs)


def joined(parts: Sequence[Sample]) -> Sample:
    """Samples of the same points and bonds, one part after another.

    The arrays of a single part are not copied.
    """
    first, *others = parts
    if not others:
        return first
    arrays: dict = {}
    for name in ARRAYS:
        if getattr(first, name) is not None:
            arrays[name] = np.concatenate([getattr(part, name) for part in parts])
    return replace(first, **arrays)


def check_inputs(trajectory: Trajectory, inputs: Sequence[str]) -> None:
    """Raise ValueError that names the first of `inputs` that the trajectory does not have.

    The message lists the inputs that it has.
    """
    known = ["time_step"]
    for name in ("velocity", "species", "mass"):
        if getattr(trajectory, name) is not None:
            known.append(name)
    known += trajectory.features
    for name in inputs:
        if name not in known:
            raise ValueError(f"inputs: the data have no {name!r}; {nearest(name, known)}")


def time_step(trajectory: Trajectory) -> float:
    """The time between two frames: the median within episodes, 1 for a single frame."""
    steps = np.diff(trajectory.time)[trajectory.same_episode]
    if not len(steps):
        return 1.0
    return float(np.median(steps))


def _at(value: np.ndarray, newest: np.ndarray, fixed: int) -> np.ndarray:
    """The values of the points at frames `newest`, with an axis of samples.

    An array that does not change with time has `fixed` axes.
    """
    if value.ndim != fixed:
        return value[newest]
    return np.broadcast_to(value, (len(newest), *value.shape))


def _scalars(
    trajectory: Trajectory, newest: np.ndarray, inputs: Sequence[str]
) -> np.ndarray | None:
    """Scalar inputs (B, N, F): first the mass, then the others in the order of `inputs`.

    Species have a column for each, which is one where a point belongs to it.
    """
    columns = []
    for name in sorted(inputs, key=lambda name: name != "mass"):
        if name == "species" and trajectory.species is not None:
            species = _at(trajectory.species, newest, 1)
            is_kind = species[..., None] == np.unique(trajectory.species)
            columns.append(is_kind.astype(float))
        elif name == "mass" and trajectory.mass is not None:
            mass = _at(trajectory.mass, newest, 1)
            columns.append(mass[..., None])
        elif name in trajectory.features:
            feature = trajectory.features[name]
            columns.append(_at(feature, newest, 2))
    return np.concatenate(columns, axis=-1) if columns else None


def directed(bonds: np.ndarray) -> np.ndarray:
    """Both directions (2, 2 M) of bonds (M, 2)."""
    reverse = bonds[:, ::-1]
    return np.concatenate([bonds, reverse]).T


@dataclass(frozen=True)
class Histories:
    """The last `history` frames up to each frame, (T, K, N, 3), made where they are indexed.

    They are made from positions (T, N, 3). At the beginning of an episode its first frame is
    repeated.
    """

    position: np.ndarray | Stored
    episode: np.ndarray
    history: int

    def __len__(self) -> int:
        return len(self.episode)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, K, N, 3)."""
        _, n_points, dimension = self.position.shape
        return len(self), self.history, n_points, dimension

    def __getitem__(self, frames: np.ndarray | slice) -> np.ndarray:
        # The index of an episode's first frame; episodes are numbered in ascending order.
        first = np.searchsorted(self.episode, self.episode[frames])
        newest = np.arange(len(self))[frames]
        past = newest[:, None] + np.arange(1 - self.history, 1)
        existing = np.maximum(past, first[:, None])
        return self.position[existing]


def split_frames(episode: np.ndarray, history: int, lag: int, split: dict) -> dict[str, np.ndarray]:
    """Newest-frame indices of each split.

    `split` has the sizes `train`, `validation` and `test`, as numbers (episodes with `by: episode`,
    else samples) or as fractions of 1, and `by`: with `time` every episode is cut in time order,
    with `episode` whole episodes are dealt out, with `random` samples are drawn with `seed`.

    With `time` the test samples are the last ones and the validation samples precede them, so that
    tasks of different history predict the same targets. A sample is dropped where its window would
    reach into the next split, so that no frame is in two splits. With `random` no sample is in two
    splits, but the windows of samples overlap.

    Raises:
        ValueError: the sizes exceed the data, or leave a split empty.
    """
    cut_by: dict[str, Cut] = {
        "time": _cut_times,
        "episode": _cut_episodes,
        "random": partial(_draw, seed=split.get("seed", 0)),
    }
    divide = cut_by[split.get("by", "time")]
    sizes = [split[name] for name in SPLITS]
    parts = divide(np.asarray(episode), history, lag, sizes)
    newest = dict(zip(SPLITS, parts, strict=True))
    for name, part in newest.items():
        if not len(part):
            raise ValueError(
                f"split: {name} = {split[name]} leaves no sample of {history} frames "
                f"in {len(episode)} frames"
            )
    return newest


def _episodes(episode: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first frame and the length of each episode."""
    _, first, length = np.unique(episode, return_index=True, return_counts=True)
    return first, length


def _cut_times(episode: np.ndarray, history: int, lag: int, sizes: list[float]) -> list[np.ndarray]:
    """The split of every episode in time order."""
    first, length = _episodes(episode)
    usable = np.maximum(length - lag, 0)
    total = int(usable.sum())
    counts = split_counts(sizes, total, "samples")
    parts: list[list[np.ndarray]] = [[], [], []]
    for start, n in zip(first, usable, strict=True):
        shares = [round(count * n / max(total, 1)) for count in counts]
        ranges = cut(int(n), shares, history, lag)
        for part, newest in zip(parts, ranges, strict=True):
            frames = np.arange(newest.start, newest.stop)
            part.append(start + frames)
    return [np.concatenate(part) for part in parts]


def _cut_episodes(
    episode: np.ndarray, history: int, lag: int, sizes: list[float]
) -> list[np.ndarray]:
    """The split into whole episodes."""
    first, length = _episodes(episode)
    counts = split_counts(sizes, len(first), "episodes")
    begin = first + history - 1
    end = first + length - lag
    newest = [np.arange(low, high) for low, high in zip(begin, end, strict=True)]
    parts = []
    start = 0
    for count in counts:
        chosen = newest[start : start + count]
        parts.append(np.concatenate([np.arange(0), *chosen]))
        start += count
    return parts


def _draw(
    episode: np.ndarray, history: int, lag: int, sizes: list[float], seed: int
) -> list[np.ndarray]:
    """The split into random samples, whose windows stay within an episode."""
    newest = np.arange(history - 1, len(episode) - lag)
    oldest = newest - history + 1
    within = episode[oldest] == episode[newest + lag]
    newest = newest[within]
    counts = split_counts(sizes, len(newest), "samples")
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(newest)
    parts = np.split(drawn, np.cumsum(counts))
    return [np.sort(part) for part in parts[: len(SPLITS)]]


def subset(newest: np.ndarray, size: str | int) -> np.ndarray:
    """`size` training samples spread evenly over the split, or all of them (`"all"`).

    Raises:
        ValueError: more samples than the split has.
    """
    if size == "all":
        return newest
    count = int(size)
    if count > len(newest):
        raise ValueError(
            f"train_sizes: {size} samples asked for, but the training split has {len(newest)}"
        )
    return newest[spread(len(newest), count)]


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` indices, evenly spread from the first to the last of `total`."""
    indices = np.linspace(0, total - 1, min(count, total))
    return indices.round().astype(int)
