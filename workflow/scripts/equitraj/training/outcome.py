"""What a training hands back, and the checks that every loop makes."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from equitraj.data.features import Statistics
from equitraj.training.options import TrainingOptions


class RunTimeout(Exception):
    """A training that reached its time limit."""


class Diverged(Exception):
    """A training whose loss is no longer a number."""


@dataclass(frozen=True)
class Arrays:
    """Training or validation samples as a network sees them, the F frames of each of the S samples
    side by side.

    Attributes:
        inputs: the arrays of `equitraj.data.features.network_inputs`, with a first axis of length S
        * F.
        target: (S * F, N, 3), the normalised residual.
        rotation: (S, F, 3, 3), the frames.
        weight: (S, F), their weights.
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray
    rotation: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)


@dataclass(frozen=True)
class Data:
    """Attributes: training and validation samples; statistics of the training split; augmentation,
    its name; draw, whether each step takes one frame of a sample, drawn by weight, in place of the
    mean over all; capacity, the samples of the whole training split, of which `train` may have
    fewer (0 for as many); lag, frames from the newest to the predicted one; centred, whether the
    points' mean is the origin of each sample; history, frames of a sample."""

    train: Arrays
    validation: Arrays
    statistics: Statistics
    augmentation: str
    draw: bool = False
    capacity: int = 0
    lag: int = 1
    centred: bool = False
    history: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacity", max(self.capacity, len(self.train)))


@dataclass
class Outcome:
    """Attributes: initial and trained weights by name, the latter empty for a run that failed;
    snapshots, epoch to weights on the way; history, one row per epoch; seconds spent in training,
    before an interruption included, and in making the program for it; samples seen per second;
    floating-point operations of the losses of an epoch and their gradients, None where nothing
    counts them; name of the device; what the network says of itself."""

    initial: dict[str, np.ndarray] = field(default_factory=dict)
    trained: dict[str, np.ndarray] = field(default_factory=dict)
    snapshots: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    compile_seconds: float = 0.0
    frames_per_second: float = 0.0
    flops_per_epoch: int | None = None
    device: str = "cpu"
    diagnostics: dict[str, float] = field(default_factory=dict)

    @property
    def last_fall(self) -> float | None:
        """By how much, as a share, the best validation error fell in the last tenth of the epochs;
        None without any."""
        errors = np.array([row["validation_mse"] for row in self.history])
        last = len(errors) - len(errors) // 10
        return float(1 - errors.min() / errors[:last].min()) if 0 < last < len(errors) else None

    def arrays(self) -> dict[str, np.ndarray]:
        """All weights by name, below `initial/`, `trained/` and, after epoch N, `epochN/`."""
        parts = {"initial": self.initial, "trained": self.trained} | {
            f"epoch{n}": v for n, v in self.snapshots.items()
        }
        return {
            f"{part}/{name}": value
            for part, arrays in parts.items()
            for name, value in arrays.items()
        }

    def rest(self) -> dict:
        """What is not weights, for JSON."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("initial", "trained", "snapshots")
        }

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], rest: dict) -> "Outcome":
        """The outcome of which these are `arrays` and `rest`."""
        outcome = cls(**rest)
        for path, value in arrays.items():
            part, name = path.split("/", 1)
            epoch = part.removeprefix("epoch")
            kept = (
                outcome.snapshots.setdefault(int(epoch), {})
                if epoch.isdigit()
                else getattr(outcome, part)
            )
            kept[name] = value
        return outcome


def snapshot_epochs(epochs: int, count: int = 6) -> set[int]:
    """Epochs, counted from 1, after which weights are kept: evenly spaced in the logarithm, the
    last left out."""
    return set(np.geomspace(1, max(epochs, 1), count).round().astype(int).tolist()) - {epochs}


class Monitor:
    """Keeps the history and the best epoch of a run, and ends it when it diverges, stalls or takes
    too long."""

    def __init__(self, options: TrainingOptions, scale: float, name: str) -> None:
        self.options, self.scale, self.name = options, scale, name
        self.history: list[dict] = []
        self.durations: list[float] = []
        self.best, self.best_epoch, self.seconds_before, self.compile_seconds = (
            float("inf"),
            -1,
            0.0,
            0.0,
        )
        self.start = self.last_record = self.last_print = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return self.seconds_before + time.perf_counter() - self.start

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """What is done within is no training: it counts as making the program."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self.compile_seconds += spent
            self.start, self.last_record = self.start + spent, self.last_record + spent

    def record(self, epoch: int, train_loss: float, validation_loss: float) -> bool:
        """Take note of an epoch (losses in normalised units); True where it is the best so far.

        Raises:
            Diverged: a loss is not finite.
            RunTimeout: the time limit is over.
        """
        if not np.isfinite([train_loss, validation_loss]).all():
            raise Diverged(f"loss {train_loss:g}, validation {validation_loss:g} in epoch {epoch}")
        now = time.perf_counter()
        self.durations.append(now - self.last_record)
        self.last_record = now
        row = {
            "epoch": epoch,
            "train_loss": train_loss,
            "validation_mse": validation_loss * self.scale**2,
        }
        self.history.append(row)
        self._print(row)
        if self.options.time_limit and self.seconds > self.options.time_limit:
            raise RunTimeout(
                f"{self.seconds:.0f} s of training, the limit is {self.options.time_limit:g} s"
            )
        better = validation_loss < self.best
        if better:
            self.best, self.best_epoch = validation_loss, epoch
        return better

    def stalled(self) -> bool:
        """Whether validation has not improved for `patience` epochs."""
        return (
            bool(self.options.patience)
            and self.history[-1]["epoch"] - self.best_epoch >= self.options.patience
        )

    def frames_per_second(self, frames_per_epoch: int) -> float:
        """Samples per second in the median epoch; the first, which compiles, is left out where
        there are others."""
        return (
            frames_per_epoch / float(np.median(self.durations[1:] or self.durations))
            if self.durations
            else 0.0
        )

    def state(self) -> dict:
        """What a checkpoint keeps."""
        progress = {"best": self.best, "best_epoch": self.best_epoch, "history": self.history}
        progress |= {"durations": self.durations, "seconds": self.seconds}
        return progress | {"epoch": self.history[-1]["epoch"]}

    def restore(self, state: dict) -> int:
        """Go on from a checkpoint's state; the epoch to begin with."""
        self.best, self.best_epoch, self.seconds_before = (
            state["best"],
            state["best_epoch"],
            state["seconds"],
        )
        self.history[:], self.durations[:] = state["history"], state["durations"]
        return state["epoch"] + 1

    def _print(self, row: dict) -> None:
        last = row["epoch"] == self.options.epochs - 1
        if last or row["epoch"] == 0 or self.last_record - self.last_print > 5:
            self.last_print = self.last_record
            text = (
                f"{self.name} epoch {row['epoch'] + 1}/{self.options.epochs} {self.seconds:.1f} s "
            )
            text += f"train {row['train_loss']:.3e} validation mse {row['validation_mse']:.3e}"
            print(text, file=sys.stderr, flush=True)
