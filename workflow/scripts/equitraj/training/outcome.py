"""The samples and the outcome of a training, and the checks that every loop makes in an epoch."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from equitraj.data.features import Statistics
from equitraj.training.options import TrainingOptions

WEIGHTS = ("initial", "trained", "snapshots")  # the attributes of an outcome that hold weights
PRINT_SECONDS = 5  # between two lines on progress


class RunTimeout(Exception):
    """A training reached its time limit."""


class Diverged(Exception):
    """The loss of a training is not finite."""


@dataclass(frozen=True)
class Arrays:
    """S training or validation samples as a network sees them, each in F reference frames.

    Attributes:
        inputs: the arrays of `equitraj.data.features.network_inputs`, with a first axis of length S
            * F on which the reference frames of a sample are side by side.
        target: (S * F, N, 3), the normalised residual.
        rotation: (S, F, 3, 3), the reference frames.
        weight: (S, F), the weights of the reference frames.
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray
    rotation: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)


@dataclass(frozen=True)
class Data:
    """All that a training loop needs to know of the data.

    Attributes:
        train: training samples.
        validation: validation samples.
        statistics: scales of the training split.
        augmentation: its name.
        draw: whether each step takes one reference frame of a sample, drawn by weight, instead of
            the mean over all of them.
        capacity: number of samples in the whole training split, of which `train` may be a part; 0
            for the number in `train`.
        lag: frames from the newest to the predicted one.
        centred: whether the mean of the points is the origin of each sample.
        history: frames of a sample.
    """

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
        capacity = max(self.capacity, len(self.train))
        object.__setattr__(self, "capacity", capacity)


@dataclass
class Outcome:
    """The result of a training.

    Attributes:
        initial: initial weights by name.
        trained: trained weights by name, empty for a run that failed.
        snapshots: weights by name after some epochs, by epoch.
        history: one row per epoch.
        seconds: time spent in training, including the time before an interruption.
        compile_seconds: time spent in compiling the program.
        frames_per_second: samples per second.
        flops_per_epoch: floating-point operations of the losses of an epoch and their gradients,
            None where nothing counts them.
        device: name of the device.
        diagnostics: numbers that the network reports about itself.
    """

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
        """Fraction by which the best validation error fell in the last tenth of the epochs.

        None if there are fewer than ten epochs.
        """
        errors = np.array([row["validation_mse"] for row in self.history])
        n_before = len(errors) - len(errors) // 10
        if not 0 < n_before < len(errors):
            return None
        best_before = errors[:n_before].min()
        return float(1 - errors.min() / best_before)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all weights: `initial/...`, `trained/...` and, after epoch N, `epochN/...`."""
        parts = {"initial": self.initial, "trained": self.trained}
        for epoch, weights in self.snapshots.items():
            parts[f"epoch{epoch}"] = weights
        arrays = {}
        for part, weights in parts.items():
            for name, value in weights.items():
                arrays[f"{part}/{name}"] = value
        return arrays

    def rest(self) -> dict:
        """Return all attributes but the weights, for JSON."""
        rest = dict(vars(self))
        for name in WEIGHTS:
            del rest[name]
        return rest

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], rest: dict) -> "Outcome":
        """The outcome with these `arrays` and this `rest`."""
        outcome = cls(**rest)
        for path, value in arrays.items():
            part, name = path.split("/", 1)
            outcome._weights(part)[name] = value
        return outcome

    def _weights(self, part: str) -> dict[str, np.ndarray]:
        """The weights by name of a part such as `trained` or `epoch7`."""
        epoch = part.removeprefix("epoch")
        if epoch.isdigit():
            return self.snapshots.setdefault(int(epoch), {})
        return getattr(self, part)


def snapshot_epochs(epochs: int, count: int = 6) -> set[int]:
    """Return the epochs, counted from 1, after which weights are kept.

    They are evenly spaced in the logarithm; the last epoch is left out.
    """
    spaced = np.geomspace(1, max(epochs, 1), count)
    chosen = spaced.round().astype(int).tolist()
    return set(chosen) - {epochs}


class Monitor:
    """Records the history and the best epoch of a run; ends it if it diverges or takes too long."""

    history: list[dict]
    durations: list[float]  # of the epochs, in seconds

    def __init__(self, options: TrainingOptions, scale: float, name: str) -> None:
        self.options = options
        self.scale = scale
        self.name = name
        self.history = []
        self.durations = []
        self.best = float("inf")
        self.best_epoch = -1
        self.seconds_before = 0.0
        self.compile_seconds = 0.0
        self.start = self.last_record = self.last_print = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including those before an interruption."""
        now = time.perf_counter()
        return self.seconds_before + now - self.start

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Count the time spent in the context as compilation, not as training."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self.compile_seconds += spent
            self.start += spent
            self.last_record += spent

    def record(self, epoch: int, train_loss: float, validation_loss: float) -> bool:
        """Record an epoch and its losses in normalised units; return whether it is the best yet.

        Raises:
            Diverged: a loss is not finite.
            RunTimeout: the time limit is exceeded.
        """
        if not np.isfinite([train_loss, validation_loss]).all():
            raise Diverged(f"loss {train_loss:g}, validation {validation_loss:g} in epoch {epoch}")
        now = time.perf_counter()
        self.durations.append(now - self.last_record)
        self.last_record = now
        mse = validation_loss * self.scale**2
        row = {"epoch": epoch, "train_loss": train_loss, "validation_mse": mse}
        self.history.append(row)
        self._print(row)
        self._check_time()
        is_best = validation_loss < self.best
        if is_best:
            self.best = validation_loss
            self.best_epoch = epoch
        return is_best

    def _check_time(self) -> None:
        seconds = self.seconds
        limit = self.options.time_limit
        if limit and seconds > limit:
            raise RunTimeout(f"{seconds:.0f} s of training, the limit is {limit:g} s")

    def stalled(self) -> bool:
        """Return whether validation has not improved for `patience` epochs."""
        patience = self.options.patience
        if not patience:
            return False
        return self.history[-1]["epoch"] - self.best_epoch >= patience

    def frames_per_second(self, frames_per_epoch: int) -> float:
        """Return the samples per second of the median epoch.

        The first epoch, which compiles, is left out if there are others.
        """
        if not self.durations:
            return 0.0
        durations = self.durations[1:] or self.durations
        return frames_per_epoch / float(np.median(durations))

    def state(self) -> dict:
        """Return what a checkpoint stores."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "durations": self.durations,
            "seconds": self.seconds,
            "epoch": self.history[-1]["epoch"],
        }

    def restore(self, state: dict) -> int:
        """Restore the state of a checkpoint; return the epoch to begin with."""
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]
        self.seconds_before = state["seconds"]
        self.history[:] = state["history"]
        self.durations[:] = state["durations"]
        last_epoch = state["epoch"]
        return last_epoch + 1

    def _print(self, row: dict) -> None:
        epoch = row["epoch"]
        is_end = epoch in (0, self.options.epochs - 1)
        waited = self.last_record - self.last_print
        if not is_end and waited <= PRINT_SECONDS:
            return
        self.last_print = self.last_record
        progress = f"{self.name} epoch {epoch + 1}/{self.options.epochs} {self.seconds:.1f} s"
        losses = f"train {row['train_loss']:.3e} validation mse {row['validation_mse']:.3e}"
        print(f"{progress} {losses}", file=sys.stderr, flush=True)
