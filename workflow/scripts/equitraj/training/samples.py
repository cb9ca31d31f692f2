"""The samples of a task, in the frames of its aligned file, as closed forms and networks are
trained on them.

They are made a part at a time. A network's arrays are kept as a whole, in its precision, because
every epoch reads all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.data.neighbours import of_one_length
from equitraj.data.tasks import Sample, SampleParts
from equitraj.data.trajectory import Trajectory
from equitraj.data.turning import rotations, turned
from equitraj.frames import Frames
from equitraj.training.futures import futures
from equitraj.training.method import Method
from equitraj.training.outcome import Arrays, Data


@dataclass(frozen=True)
class Split:
    """A split in the model's frame, made a part at a time.

    Attributes: samples, S in the world; frames of all times; capacity, the samples of the whole
    split.
    """

    samples: SampleParts
    frames: Frames
    capacity: int

    def parts(self) -> Iterator[tuple[Sample, Frames]]:
        """The F frames of each of some samples side by side, and the frames."""
        for part, sample in zip(self.samples.slices(), self.samples, strict=True):
            frames = self.frames.take(self.samples.newest[part])
            yield frames.into_sample(sample), frames

    def __iter__(self) -> Iterator[Sample]:
        return (sample for sample, _ in self.parts())

    def with_newest(self, newest: np.ndarray) -> "Split":
        """The same of other samples."""
        return replace(self, samples=replace(self.samples, newest=newest))


def load_splits(
    trajectory: Trajectory, observables: dict, task: dict, size: str | int
) -> tuple[dict[str, Split], dict]:
    """Training and validation samples in the frames of the aligned file, and a record of all three
    splits.

    Arrays of `trajectory` and `observables` may be those of open files.
    """
    history, lag = task["history"], task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])
    capacity = {name: len(index) for name, index in newest.items()}
    newest["train"] = tasks.subset(newest["train"], size)
    frames = Frames(*(observables[name] for name in ("rotation", "origin", "weight")))
    copies = frames.weight.shape[1]
    record = {
        name: {
            "samples": len(n),
            "first_frame": int(n[0] - history + 1),
            "last_frame": int(n[-1] + lag),
        }
        for name, n in newest.items()
    }
    parts = {
        name: SampleParts(trajectory, newest[name], task, copies)
        for name in ("train", "validation")
    }
    return {name: Split(part, frames, capacity[name]) for name, part in parts.items()}, record


def shape_of(method: Method, train: Split, task: dict) -> Shape:
    """What a model needs to know of the training split to be built."""
    first = next(iter(train.with_newest(train.samples.newest[:1])))
    return Shape(
        n_points=first.position.shape[2],
        n_displacements=first.past.shape[1],
        n_scalars=0 if first.scalar is None else first.scalar.shape[-1],
        statistics=features.measure_parts(train, method.residual, task["lag"]),
        lag=task["lag"],
        time_step=first.step,
        bonds=()
        if first.edges is None
        else tuple(sorted({(min(pair), max(pair)) for pair in first.edges.T.tolist()})),
    )


def network_data(method: Method, splits: dict[str, Split], shape: Shape) -> Data:
    """Training and validation samples as a network sees them, in its precision."""
    precision, cutoff = method.training_options().precision, method.cutoff(shape)
    inputs, others = {}, {}
    for name in ("train", "validation"):
        inputs[name], others[name] = [], []
        for sample, frames in splits[name].parts():
            inputs[name].append(
                features.network_inputs(sample, shape.statistics, precision, cutoff)
            )
            residual = features.normalised_residual(sample, shape.statistics)
            casts = {
                "target": residual.astype(precision),
                "rotation": frames.rotation.astype(precision),
            }
            others[name].append(casts | {"weight": frames.weight})
    even = iter(of_one_length([part for parts in inputs.values() for part in parts]))
    parts = {name: [next(even) for _ in parts] for name, parts in inputs.items()}
    del inputs
    train, validation = (
        Arrays(joined(parts.pop(name)), **joined(others.pop(name)))
        for name in ("train", "validation")
    )
    draw, copies = method.aligner.training == "draw", method.training_options().copies
    if steps := method.training_options().pushforward:
        part = splits["train"].samples
        ahead = futures(part.trajectory.position, part.newest, shape.lag, steps)
        train.inputs.update({name: value.astype(precision) for name, value in ahead.items()})
    if copies:
        train, draw = copied(train, copies), True
    whole, centred = (
        splits["train"].capacity,
        (method.frames or method.alignment) == "centre_of_mass",
    )
    history = splits["train"].samples.task["history"]
    return Data(
        train,
        validation,
        shape.statistics,
        method.augmentation,
        draw,
        whole,
        shape.lag,
        centred,
        history,
    )


def copied(arrays: Arrays, copies: int) -> Arrays:
    """Each sample, which has one frame, with so many rotated copies as further frames; the
    rotations are fixed.

    A frame that turns with its copy leaves the prediction in the world as it is.
    """
    count = len(arrays)
    turns = rotations(count * copies, np.random.default_rng(0)).reshape(count, copies, 3, 3)
    matrix = np.concatenate([np.broadcast_to(np.eye(3), (count, 1, 3, 3)), turns], axis=1).reshape(
        -1, 3, 3
    )

    def repeated(value: np.ndarray) -> np.ndarray:
        shared = value.strides[0] == 0  # by all samples, without memory
        return (
            np.broadcast_to(value[0], (len(matrix), *value.shape[1:]))
            if shared
            else value.repeat(copies + 1, 0)
        )

    def all_turned(value: np.ndarray) -> np.ndarray:
        return turned(repeated(value), matrix.astype(value.dtype))

    inputs = {
        k: all_turned(v) if k in features.TURNED else repeated(v) for k, v in arrays.inputs.items()
    }
    rotation = (
        matrix.reshape(count, copies + 1, 3, 3).astype(arrays.rotation.dtype) @ arrays.rotation
    )
    return Arrays(
        inputs, all_turned(arrays.target), rotation, np.full((count, copies + 1), 1 / (copies + 1))
    )


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of the same names, one below the other; those of a name are taken out of the parts
    when they are joined.

    What all rows share, repeated without memory (`numpy.broadcast_to`), stays so.
    """
    whole = {}
    for name in list(parts[0]):
        values = [part.pop(name) for part in parts]
        if len(values) > 1 and values[0].strides[0] == 0:
            whole[name] = np.broadcast_to(
                values[0][0], (sum(map(len, values)), *values[0].shape[1:])
            )
        else:
            whole[name] = np.concatenate(values) if len(values) > 1 else values[0]
    return whole
