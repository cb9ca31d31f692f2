"""Samples of a task in the reference frames of its aligned file, for closed forms and networks.

They are computed a part at a time. The arrays of a network are kept as a whole, in its precision,
because every epoch reads all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.data.neighbours import of_one_length
from equitraj.data.tasks import Sample, SampleParts
from equitraj.data.trajectory import Trajectory
from equitraj.data.turning import rotations
from equitraj.frames import Frames
from equitraj.training.futures import futures
from equitraj.training.method import Method
from equitraj.training.outcome import Arrays, Data

Named = dict[str, np.ndarray]  # arrays by name


@dataclass(frozen=True)
class Split:
    """A split in the reference frames of a model, computed a part at a time.

    Attributes:
        samples: S samples in world axes.
        frames: reference frames at all times.
        capacity: number of samples in the whole split.
    """

    samples: SampleParts
    frames: Frames
    capacity: int

    def parts(self) -> Iterator[tuple[Sample, Frames]]:
        """Yield some samples at a time, and their reference frames.

        The F reference frames of each sample are side by side.
        """
        for part, sample in zip(self.samples.slices(), self.samples, strict=True):
            newest = self.samples.newest[part]
            frames = self.frames.take(newest)
            yield frames.into_sample(sample), frames

    def __iter__(self) -> Iterator[Sample]:
        return (sample for sample, _ in self.parts())

    def with_newest(self, newest: np.ndarray) -> "Split":
        """Return a split with the samples that have these newest frames."""
        samples = replace(self.samples, newest=newest)
        return replace(self, samples=samples)


def load_splits(
    trajectory: Trajectory, observables: dict, task: dict, size: str | int
) -> tuple[dict[str, Split], dict]:
    """Return training and validation samples, and a record of all three splits.

    The samples are in the reference frames of the aligned file. Arrays of `trajectory` and
    `observables` may be datasets of open files.
    """
    history = task["history"]
    lag = task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])
    capacity = {name: len(index) for name, index in newest.items()}
    newest["train"] = tasks.subset(newest["train"], size)
    frames = Frames(*(observables[name] for name in ("rotation", "origin", "weight")))
    n_frames = frames.weight.shape[1]
    record = {}
    for name, index in newest.items():
        record[name] = {
            "samples": len(index),
            "first_frame": int(index[0] - history + 1),
            "last_frame": int(index[-1] + lag),
        }
    splits = {}
    for name in ("train", "validation"):
        samples = SampleParts(trajectory, newest[name], task, n_frames)
        splits[name] = Split(samples, frames, capacity[name])
    return splits, record


def shape_of(method: Method, train: Split, task: dict) -> Shape:
    """Return what a model needs to know of the training split to be built."""
    first_split = train.with_newest(train.samples.newest[:1])
    first = next(iter(first_split))
    return Shape(
        n_points=first.position.shape[2],
        n_displacements=first.past.shape[1],
        n_scalars=0 if first.scalar is None else first.scalar.shape[-1],
        statistics=features.measure_parts(train, method.residual, task["lag"]),
        lag=task["lag"],
        time_step=first.step,
        bonds=_bonds(first.edges),
    )


def _bonds(edges: np.ndarray | None) -> tuple[tuple[int, int], ...]:
    """Sorted bonds, each once, from their directed edges (2, E)."""
    if edges is None:
        return ()
    pairs = {(min(pair), max(pair)) for pair in edges.T.tolist()}
    return tuple(sorted(pairs))


def network_data(method: Method, splits: dict[str, Split], shape: Shape) -> Data:
    """Return training and validation samples as a network sees them, in its precision."""
    options = method.training_options()
    cutoff = method.cutoff(shape)
    arrays = _network_arrays(splits, shape, options.precision, cutoff)
    train = arrays["train"]
    samples = splits["train"].samples
    if options.pushforward:
        later = futures(samples.trajectory.position, samples.newest, shape.lag, options.pushforward)
        train.inputs.update({k: v.astype(options.precision) for k, v in later.items()})
    if options.copies:
        train = copied(train, options.copies)
    alignment = method.frames or method.alignment
    return Data(
        train=train,
        validation=arrays["validation"],
        statistics=shape.statistics,
        augmentation=method.augmentation,
        draw=method.aligner.training == "draw" or options.copies > 0,
        capacity=splits["train"].capacity,
        lag=shape.lag,
        centred=alignment == "centre_of_mass",
        history=samples.task["history"],
    )


def _network_arrays(
    splits: dict[str, Split], shape: Shape, precision: str, cutoff: float | None
) -> dict[str, Arrays]:
    """The arrays of each split; its parts are released as soon as they are joined."""
    inputs: list[Named] = []
    others: dict[str, list[Named]] = {}
    for name, split in splits.items():
        others[name] = []
        for sample, frames in split.parts():
            inputs.append(features.network_inputs(sample, shape.statistics, precision, cutoff))
            residual = features.normalised_residual(sample, shape.statistics)
            part = {"target": residual.astype(precision)}
            part["rotation"] = frames.rotation.astype(precision)
            part["weight"] = frames.weight
            others[name].append(part)
    even = iter(of_one_length(inputs))
    del inputs
    parts = {name: [next(even) for _ in group] for name, group in others.items()}
    arrays = {}
    for name in splits:
        joined_inputs = joined(parts.pop(name))
        arrays[name] = Arrays(joined_inputs, **joined(others.pop(name)))
    return arrays


def copied(arrays: Arrays, copies: int) -> Arrays:
    """Add rotated copies of each sample as further reference frames; the rotations are fixed.

    The samples have one reference frame each. It turns with a copy, so that a prediction in world
    axes stays the same.
    """
    count = len(arrays)
    n_frames = copies + 1
    turns = rotations(count * copies, np.random.default_rng(0)).reshape(count, copies, 3, 3)
    identity = np.broadcast_to(np.eye(3), (count, 1, 3, 3))
    matrices = np.concatenate([identity, turns], axis=1)
    matrix = matrices.reshape(-1, 3, 3)
    inputs = {}
    for name, value in arrays.inputs.items():
        inputs[name] = _repeated(value, n_frames)
        if name in features.TURNED:
            inputs[name] = _turned(inputs[name], matrix)
    target = _repeated(arrays.target, n_frames)
    rotation = matrices.astype(arrays.rotation.dtype) @ arrays.rotation
    return Arrays(
        inputs=inputs,
        target=_turned(target, matrix),
        rotation=rotation,
        weight=np.full((count, n_frames), 1 / n_frames),
    )


def _repeated(value: np.ndarray, count: int) -> np.ndarray:
    """Each row so many times; rows that all samples share are broadcast."""
    if value.strides[0] != 0:
        return value.repeat(count, 0)
    shape = (len(value) * count, *value.shape[1:])
    return np.broadcast_to(value[0], shape)


def _turned(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Vectors (B, ..., 3), each sample turned by its matrix (B, 3, 3) in their own precision."""
    matrix = matrix.astype(vectors.dtype)
    return np.einsum("bij,b...j->b...i", matrix, vectors)


def joined(parts: list[Named]) -> Named:
    """Concatenate arrays of the same names, and take them out of the parts one name at a time.

    An array whose rows are all the same in memory (`numpy.broadcast_to`) stays so.
    """
    whole = {}
    for name in list(parts[0]):
        values = [part.pop(name) for part in parts]
        first = values[0]
        if len(values) == 1:
            whole[name] = first
        elif first.strides[0] == 0:
            length = sum(map(len, values))
            shape = (length, *first.shape[1:])
            whole[name] = np.broadcast_to(first[0], shape)
        else:
            whole[name] = np.concatenate(values)
    return whole
