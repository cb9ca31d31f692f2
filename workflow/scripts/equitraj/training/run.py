"""Training of one method on one task with one training size: all seeds, from trajectory files to
run folders."""

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

import numpy as np
from safetensors.numpy import save_file

from equitraj.base import memory
from equitraj.base.code import command_digest
from equitraj.base.devices import CPU, Place
from equitraj.base.files import NotWritten, atomic, write_json, write_table
from equitraj.base.registry import model_spec
from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.data.trajectory import Trajectory, opened, opened_observables
from equitraj.training import checkpoint
from equitraj.training.method import Method
from equitraj.training.outcome import Data, Monitor, Outcome, RunTimeout
from equitraj.training.samples import Split, load_splits, network_data, shape_of
from equitraj.training.state import BYTES, arrays_of, pretrained

Result = tuple[Outcome, str]  # and its status
PACKAGES = {
    "numpy": [],
    "jax": ["jax", "equinox", "optax"],
    "torch": ["torch", "e3nn", "torch-geometric"],
}


def fitted(method: Method, split: Split, lag: int) -> dict[str, np.ndarray | bytes]:
    """The state of a closed form, from parts of the split where it can take them."""
    options, module = method.hyperparameters(), method.module
    if hasattr(module, "fit_in_parts"):
        return module.fit_in_parts(
            options, ((features.view(sample, lag), sample.target) for sample in split)
        )
    sample = tasks.joined(list(split))
    return module.fit(options, features.view(sample, lag), sample.target)


def fit_closed_form(
    method: Method, splits: dict[str, Split], lag: int, parts: tuple[str, ...]
) -> Result:
    """Fit a model that selects nothing on the named splits together."""
    split = splits["train"].with_newest(
        np.concatenate([splits[part].samples.newest for part in parts])
    )
    begin, outcome = time.perf_counter(), Outcome()
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
    """The checkpoint of each seed; other data, options or code make another training."""
    parts = (data.train, data.validation)
    arrays = [
        array for part in parts for array in (*part.inputs.values(), part.target, part.weight)
    ]
    mark = checkpoint.fingerprint(task, asdict(method), code, *arrays)
    seconds = method.training_options().checkpoint_seconds
    paths = [folder / "checkpoints" / f"seed{seed}.safetensors" for seed in seeds]
    marks = [checkpoint.fingerprint(mark, seed) for seed in seeds]
    return [
        checkpoint.Checkpoint(path, mark, seconds) for path, mark in zip(paths, marks, strict=True)
    ]


def train_networks(
    method: Method,
    data: Data,
    seeds: list[int],
    saved: list[checkpoint.Checkpoint],
    task: dict,
    loop: Callable,
) -> list[Result]:
    """Train one network per seed, but for seeds that ended before a kill. `loop()` gives what
    trains them."""
    options, results = method.training_options(), []
    for seed, kept in zip(seeds, saved, strict=True):
        if (finished := kept.finished()) is not None:
            results.append(finished)
            continue
        outcome, error = Outcome(), None
        monitor = Monitor(
            options, data.statistics.residual_scale, f"{task['name']} {method.name} seed {seed}"
        )
        outcome.history = monitor.history
        try:
            trainer = loop()
            trainer.train(seed, monitor, kept, outcome)
            outcome.device = trainer.device
            outcome.frames_per_second = monitor.frames_per_second(trainer.frames_per_epoch)
        except NotWritten:  # a full disk is no result of the method's
            raise
        except Exception as caught:  # recorded as a row: a failed run is a result
            error = caught
        outcome.seconds, outcome.compile_seconds = monitor.seconds, monitor.compile_seconds
        results.append((outcome, status_of(error)))
        kept.finish(*results[-1])
    return results


def builder(method: Method, shape: Shape) -> Callable:
    """What a loop calls to get a network with fresh weights: with a key in JAX, without one in
    torch."""
    return lambda *key: method.build(shape, *key)


def status_of(error: Exception | None) -> str:
    """`ok`, `timeout` or `failed: reason`, in one line; where it was raised is printed."""
    if error is None:
        return "ok"
    print("".join(traceback.format_exception(error)), file=sys.stderr)
    if isinstance(error, RunTimeout):
        return "timeout"
    text = " ".join(str(error).split())
    return f"failed: {type(error).__name__}: {text}"[:300]


def versions(framework: str) -> dict[str, str]:
    """Versions of the packages that a run of this framework depends on."""
    names = ["numpy", "safetensors", *PACKAGES[framework]]
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}


def write_run(folder: Path, outcome: Outcome, status: str, reference: dict, record: dict) -> None:
    """Write `model.safetensors`, `history.csv` and `run.json`; a failed run keeps its initial
    weights only.

    `reference` holds what the alignment was fitted to, if it was, under that name.
    """
    weights = outcome.arrays() | reference
    with atomic(folder / "model.safetensors") as path:
        save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, path)
    write_table(folder / "history.csv", ["epoch", "train_loss", "validation_mse"], outcome.history)
    write_json(
        folder / "run.json",
        record
        | {
            "status": status,
            "has_initial": bool(outcome.initial),
            "snapshots": sorted(outcome.snapshots),
            "n_parameters": n_parameters(outcome.initial or outcome.trained),
            "train_seconds": outcome.seconds,
            "compile_seconds": outcome.compile_seconds,
            "diagnostics": outcome.diagnostics,
            "frames_per_second": outcome.frames_per_second,
            "last_fall": outcome.last_fall,
            "flops": outcome.flops_per_epoch and outcome.flops_per_epoch * len(outcome.history),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "device": outcome.device,
        },
    )


def n_parameters(arrays: dict[str, np.ndarray]) -> int:
    """How many numbers were learned; bytes are not counted."""
    return sum(int(value.size) for name, value in arrays.items() if not name.startswith(BYTES))


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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
    """Train `method` on `task`; write one run folder per seed below `folder`, until then
    checkpoints."""
    with opened(trajectory) as whole, opened_observables(aligned) as observed:
        training = Training(task, method, whole, observed, place, code)
        training.train(size, seeds, folder)
        training.forget()


class Training:
    """Trains a method on a task, one training size after another; what they share is made once.

    `whole` and `observed` are the trajectory and the observables of two open files. `code` is the
    digest of the code that is run, by which checkpoints are told apart.
    """

    def __init__(
        self,
        task: dict,
        method: Method,
        whole: Trajectory,
        observed: dict,
        place: Place = CPU,
        code: str = "",
    ) -> None:
        self.task, self.method, self.whole, self.observed, self.place = (
            task,
            method,
            whole,
            observed,
            place,
        )
        self.code = code
        self.weights = None if method.closed_form else method.first_weights()
        self.saved: list[checkpoint.Checkpoint] = []
        self.loop = None

    def train(self, size: str, seeds: list[int], folder: Path) -> None:
        """Write one run folder per seed below `folder`."""
        started, threads = now(), int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        method, task = self.method, self.task
        claims = method.claims()  # which refuses wrong options before anything is written
        splits, split_record = load_splits(self.whole, self.observed, task, size)
        shape = shape_of(method, splits["train"], task)
        memory.check(method.name, method.model, method.spec, asdict(method), shape.n_points)
        # what selects nothing on validation may learn from it, unless the number of training
        # samples is the question
        parts = ("train", "validation") if method.closed_form and str(size) == "all" else ("train",)
        if method.closed_form:
            results = [fit_closed_form(method, splits, task["lag"], parts)] * len(seeds)
        else:
            results = self._networks(
                network_data(method, splits, shape), shape, size, seeds, folder
            )
        framework = model_spec(method.model).framework
        record = {
            "task": task,
            "method": asdict(method),
            "shape": asdict(shape),
            "bonds": None if self.whole.bonds is None else self.whole.bonds.tolist(),
            "split": split_record,
            "fitted_on": parts,
            "train_size": str(size),
            "claims": claims,
            "framework": framework,
            "versions": versions(framework),
            "precision": "float64" if method.closed_form else method.training_options().precision,
            "threads": threads,
        }
        reference = {
            name: self.observed[name][:] for name in ("reference",) if name in self.observed
        }
        record |= {"started": started, "ended": now(), "host": socket.gethostname()}
        record |= {"visible_device": self.place.visible}
        for seed, (outcome, status) in zip(seeds, results, strict=True):
            write_run(folder / f"seed{seed}", outcome, status, reference, record | {"seed": seed})

    def _networks(
        self, data: Data, shape: Shape, size: str, seeds: list[int], folder: Path
    ) -> list[Result]:
        """What comes of one network per seed."""
        task, method = self.task | {"train_size": str(size)}, self.method
        code = self.code or command_digest(
            "train.py", method.model, method.frames or method.alignment
        )
        saved = checkpoints(method, data, seeds, folder, task, code)
        self.saved += saved
        here = []

        def loop() -> object:
            """The loop on these samples; it is made where a seed needs it."""
            if not here:
                here.append(self._loop_on(builder(method, shape), data))
            return here[0]

        return train_networks(method, data, seeds, saved, task, loop)

    def _loop_on(self, build: Callable, data: Data) -> object:
        """The training loop of the method's framework on these samples."""
        if self.loop is not None:
            return self.loop.on(build, data)
        trainer = import_module(f"equitraj.training.{self.method.spec.framework}").Trainer
        self.loop = trainer(
            build, data, self.method.training_options(), self.place.wanted, self.weights
        )
        return self.loop

    def forget(self) -> None:
        """Delete the checkpoints: every run is written, and nothing will resume."""
        for each in self.saved:
            each.remove()
