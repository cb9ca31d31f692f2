"""Training of one method on one task with one training size and several seeds.

It reads trajectory files and writes run folders.
"""

import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors.numpy import save_file

from equitraj.base import memory
from equitraj.base.code import command_digest
from equitraj.base.devices import CPU, Place
from equitraj.base.files import NotWritten, atomic, write_json, write_table
from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.data.trajectory import Trajectory, opened, opened_observables
from equitraj.training import checkpoint
from equitraj.training.method import Method
from equitraj.training.outcome import Data, Monitor, Outcome, RunTimeout
from equitraj.training.samples import Split, load_splits, network_data, shape_of
from equitraj.training.state import BYTES, arrays_of, pretrained

Result = tuple[Outcome, str]  # an outcome and its status
PACKAGES: dict[str, list[str]] = {
    "numpy": [],
    "jax": ["jax", "equinox", "optax"],
    "torch": ["torch", "e3nn", "torch-geometric"],
}


class Loop(Protocol):
    """The training loop of a framework on some samples, such as `equitraj.training.jax.Trainer`."""

    device: str
    frames_per_epoch: int

    def on(self, build: Callable, data: Data) -> "Loop":
        """Return a loop of the same method on other samples."""

    def train(
        self, seed: int, monitor: Monitor, checkpoint: checkpoint.Checkpoint, outcome: Outcome
    ) -> None:
        """Train the network of one seed and fill in the outcome's weights."""


def fitted(method: Method, split: Split, lag: int) -> dict[str, np.ndarray | bytes]:
    """Return the state of a closed form, fitted to parts of the split where it can take them."""
    options = method.hyperparameters()
    module = method.module
    if hasattr(module, "fit_in_parts"):
        parts = ((features.view(sample, lag), sample.target) for sample in split)
        return module.fit_in_parts(options, parts)
    sample = tasks.joined(list(split))
    return module.fit(options, features.view(sample, lag), sample.target)


def fit_closed_form(
    method: Method, splits: dict[str, Split], lag: int, parts: tuple[str, ...]
) -> Result:
    """Fit a closed form to the named splits together."""
    newest = [splits[part].samples.newest for part in parts]
    split = splits["train"].with_newest(np.concatenate(newest))
    begin = time.perf_counter()
    outcome = Outcome()
    try:
        if method.pretrained:
            outcome.trained = pretrained(**method.pretrained)
        else:
            outcome.trained = arrays_of(fitted(method, split, lag), method.model)
    except Exception as error:  # recorded as a row: a failed run is a result
        return outcome, status_of(error)
    finally:
        outcome.seconds = time.perf_counter() - begin
        n_frames = len(split.samples) * split.samples.copies
        outcome.frames_per_second = n_frames / max(outcome.seconds, 1e-9)
    return outcome, status_of(None)


def checkpoints(
    method: Method, data: Data, seeds: list[int], folder: Path, task: dict, code: str
) -> list[checkpoint.Checkpoint]:
    """Return the checkpoint of each seed; other data, options or code make another training."""
    arrays = []
    for part in (data.train, data.validation):
        arrays += [*part.inputs.values(), part.target, part.weight]
    mark = checkpoint.fingerprint(task, asdict(method), code, *arrays)
    seconds = method.training_options().checkpoint_seconds
    saved = []
    for seed in seeds:
        path = folder / "checkpoints" / f"seed{seed}.safetensors"
        mark_of_seed = checkpoint.fingerprint(mark, seed)
        saved.append(checkpoint.Checkpoint(path, mark_of_seed, seconds))
    return saved


def train_networks(
    method: Method,
    data: Data,
    seeds: list[int],
    saved: list[checkpoint.Checkpoint],
    task: dict,
    loop: Callable[[], Loop],
) -> list[Result]:
    """Train one network per seed, except for seeds whose training has ended before an interruption.

    `loop()` returns the training loop.
    """
    options = method.training_options()
    results = []
    for seed, of_seed in zip(seeds, saved, strict=True):
        result = of_seed.finished()
        if result is None:
            name = f"{task['name']} {method.name} seed {seed}"
            monitor = Monitor(options, data.statistics.residual_scale, name)
            result = _train_network(seed, monitor, of_seed, loop)
            of_seed.finish(*result)
        results.append(result)
    return results


def _train_network(
    seed: int, monitor: Monitor, saved: checkpoint.Checkpoint, loop: Callable[[], Loop]
) -> Result:
    outcome = Outcome(history=monitor.history)
    error: Exception | None = None
    try:
        trainer = loop()
        trainer.train(seed, monitor, saved, outcome)
        outcome.device = trainer.device
        outcome.frames_per_second = monitor.frames_per_second(trainer.frames_per_epoch)
    except NotWritten:  # a full disk is no result of the method
        raise
    except Exception as caught:  # recorded as a row: a failed run is a result
        error = caught
    outcome.seconds = monitor.seconds
    outcome.compile_seconds = monitor.compile_seconds
    return outcome, status_of(error)


def builder(method: Method, shape: Shape) -> Callable:
    """Return a function that builds a network with fresh weights.

    It takes a key in JAX and nothing in torch.
    """

    def build(*key: object):
        return method.build(shape, *key)

    return build


def status_of(error: Exception | None) -> str:
    """Return `ok`, `timeout` or `failed: reason` in one line; print the traceback of an error."""
    if error is None:
        return "ok"
    lines = traceback.format_exception(error)
    print("".join(lines), file=sys.stderr)
    if isinstance(error, RunTimeout):
        return "timeout"
    text = " ".join(str(error).split())
    status = f"failed: {type(error).__name__}: {text}"
    return status[:300]


def versions(framework: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that a run of this framework depends on."""
    python = sys.version.split()[0]
    by_name = {"python": python}
    for name in ["numpy", "safetensors", *PACKAGES[framework]]:
        by_name[name] = metadata.version(name)
    return by_name


def write_run(folder: Path, outcome: Outcome, status: str, reference: dict, record: dict) -> None:
    """Write `model.safetensors`, `history.csv` and `run.json`.

    A failed run keeps its initial weights only. `reference` holds the array that the alignment was
    fitted to, if any, under the name `reference`.
    """
    weights = outcome.arrays() | reference
    contiguous = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    with atomic(folder / "model.safetensors") as path:
        save_file(contiguous, path)
    write_table(folder / "history.csv", ["epoch", "train_loss", "validation_mse"], outcome.history)
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flops = outcome.flops_per_epoch
    results = {
        "status": status,
        "has_initial": bool(outcome.initial),
        "snapshots": sorted(outcome.snapshots),
        "n_parameters": n_parameters(outcome.initial or outcome.trained),
        "train_seconds": outcome.seconds,
        "compile_seconds": outcome.compile_seconds,
        "diagnostics": outcome.diagnostics,
        "frames_per_second": outcome.frames_per_second,
        "last_fall": outcome.last_fall,
        "flops": flops and flops * len(outcome.history),
        "peak_memory_mb": peak_kilobytes / 1024,
        "device": outcome.device,
    }
    write_json(folder / "run.json", record | results)


def n_parameters(arrays: dict[str, np.ndarray]) -> int:
    """Return how many numbers were learned; bytes do not count."""
    total = 0
    for name, value in arrays.items():
        if not name.startswith(BYTES):
            total += int(value.size)
    return total


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    time_now = datetime.now(UTC)
    return time_now.isoformat(timespec="milliseconds")


def run(
    task: dict,
    method: Method,
    size: str,
    seeds: list[int],
    trajectory: Path,
    aligned: Path,
    folder: Path,
    place: Place = CPU,
    code: str = "",
) -> None:
    """Train `method` on `task` and write one run folder per seed below `folder`.

    Checkpoints lie there until all runs are written.
    """
    with opened(trajectory) as whole, opened_observables(aligned) as observed:
        training = Training(task, method, whole, observed, place, code)
        training.train(size, seeds, folder)
        training.forget()


class Training:
    """Trains a method on a task for one training size after another.

    `whole` and `observed` are the trajectory and the observables of two open files. `code` is the
    digest of the code that is run; checkpoints of other code are ignored.
    """

    loop: Loop | None = None
    saved: list[checkpoint.Checkpoint]

    def __init__(
        self,
        task: dict,
        method: Method,
        whole: Trajectory,
        observed: dict,
        place: Place = CPU,
        code: str = "",
    ) -> None:
        self.task = task
        self.method = method
        self.whole = whole
        self.observed = observed
        self.place = place
        self.code = code
        self.weights = None if method.closed_form else method.first_weights()
        self.saved = []

    def train(self, size: str, seeds: list[int], folder: Path) -> None:
        """Write one run folder per seed below `folder`."""
        started = now()
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        method = self.method
        claims = method.claims()  # refuses wrong options before anything is written
        splits, split_record = load_splits(self.whole, self.observed, self.task, size)
        shape = shape_of(method, splits["train"], self.task)
        memory.check(method.name, method.model, method.spec, asdict(method), shape.n_points)
        parts = _fitted_parts(method, size)
        if method.closed_form:
            result = fit_closed_form(method, splits, self.task["lag"], parts)
            results = [result] * len(seeds)
        else:
            data = network_data(method, splits, shape)
            results = self._networks(data, shape, size, seeds, folder)
        record = self._record(size) | {
            "shape": asdict(shape),
            "split": split_record,
            "fitted_on": parts,
            "claims": claims,
            "threads": threads,
            "started": started,
            "ended": now(),
        }
        names = [name for name in ("reference",) if name in self.observed]
        reference = {name: self.observed[name][:] for name in names}
        for seed, (outcome, status) in zip(seeds, results, strict=True):
            write_run(folder / f"seed{seed}", outcome, status, reference, record | {"seed": seed})

    def _record(self, size: str) -> dict:
        """The part of a run's record that is known before training."""
        method = self.method
        framework = method.spec.framework
        bonds = self.whole.bonds
        precision = "float64" if method.closed_form else method.training_options().precision
        return {
            "task": self.task,
            "method": asdict(method),
            "bonds": None if bonds is None else bonds.tolist(),
            "train_size": str(size),
            "framework": framework,
            "versions": versions(framework),
            "precision": precision,
            "host": socket.gethostname(),
            "visible_device": self.place.visible,
        }

    def _networks(
        self, data: Data, shape: Shape, size: str, seeds: list[int], folder: Path
    ) -> list[Result]:
        """Train one network per seed."""
        method = self.method
        task = self.task | {"train_size": str(size)}
        frames = method.frames or method.alignment
        code = self.code or command_digest("train.py", method.model, frames)
        saved = checkpoints(method, data, seeds, folder, task, code)
        self.saved += saved
        on_samples: list[Loop] = []

        def loop() -> Loop:
            """The loop on these samples, made when the first seed needs it."""
            if not on_samples:
                on_samples.append(self._loop_on(builder(method, shape), data))
            return on_samples[0]

        return train_networks(method, data, seeds, saved, task, loop)

    def _loop_on(self, build: Callable, data: Data) -> Loop:
        """The training loop of the method's framework on these samples."""
        if self.loop is not None:
            return self.loop.on(build, data)
        method = self.method
        framework = import_module(f"equitraj.training.{method.spec.framework}")
        options = method.training_options()
        self.loop = framework.Trainer(build, data, options, self.place.wanted, self.weights)
        return self.loop

    def forget(self) -> None:
        """Delete the checkpoints: every run is written, and nothing will resume."""
        for saved in self.saved:
            saved.remove()


def _fitted_parts(method: Method, size: str) -> tuple[str, ...]:
    """The splits that a method is fitted to.

    A closed form selects nothing on validation and may learn from it, unless the number of training
    samples is the question.
    """
    if method.closed_form and str(size) == "all":
        return ("train", "validation")
    return ("train",)
