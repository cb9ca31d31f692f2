"""Training of one method on one task with one training size: all seeds, from trajectory files to run folders."""

import csv
import resource
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from equitraj import features, tasks
from equitraj.files import atomic, write_json
from equitraj.frames import Frames
from equitraj.method import Method
from equitraj.models._shape import Shape
from equitraj.registry import model_spec
from equitraj.tasks import Sample
from equitraj.training.outcome import Arrays, Data, Outcome, RunTimeout
from equitraj.trajectory import Trajectory, read, read_observables

PACKAGES = {"numpy": [], "jax": ["jax", "equinox", "optax"], "torch": ["torch", "e3nn", "torch-geometric"]}


@dataclass(frozen=True)
class Split:
    """A split in the model's frame. Attributes: sample (S * F samples); weight (S * F,) of the frames."""

    sample: Sample
    weight: np.ndarray


def load_splits(
    trajectory: Trajectory, observables: dict, task: dict, size: str | int
) -> tuple[dict[str, Split], dict]:
    """Training and validation samples in the frames of the aligned file, and a record of all three splits."""
    history, lag = task["history"], task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])
    newest["train"] = tasks.subset(newest["train"], size)
    every_frame = Frames(*(observables[name] for name in ("rotation", "origin", "weight")))

    def split(index: np.ndarray) -> Split:
        frames = every_frame.take(index)
        return Split(frames.into_sample(tasks.samples(trajectory, index, history, lag)), frames.weight.reshape(-1))

    record = {
        name: {"samples": len(n), "first_frame": int(n[0] - history + 1), "last_frame": int(n[-1] + lag)}
        for name, n in newest.items()
    }
    return {name: split(newest[name]) for name in ("train", "validation")}, record


def fit_closed_form(method: Method, splits: dict[str, Split], lag: int) -> tuple[Outcome, Exception | None]:
    """Fit a model that selects nothing: on training and validation samples together."""
    positions, targets = (
        np.concatenate([getattr(splits[part].sample, what) for part in ("train", "validation")])
        for what in ("position", "target")
    )
    begin, outcome = time.perf_counter(), Outcome({})
    try:
        outcome.trained = method.module.fit(method.hyperparameters(), positions, targets, lag)
    except Exception as error:  # recorded as a row: a failed run is a result
        return outcome, error
    outcome.seconds = time.perf_counter() - begin
    outcome.frames_per_second = len(positions) / max(outcome.seconds, 1e-9)
    return outcome, None


def train_network(
    method: Method, shape: Shape, splits: dict[str, Split], seeds: list[int], checkpoints: list[Path], name: str
) -> list:
    """Train a network with the loop of its framework; (Outcome, error or None) for each seed."""
    framework = model_spec(method.model).framework
    loop = import_module(f"equitraj.training.{framework}")
    options, hyperparameters = method.training_options(), method.hyperparameters()

    def arrays(split: Split) -> Arrays:
        inputs = features.network_inputs(split.sample, shape.statistics, options.precision)
        target = features.normalised_residual(split.sample.position, split.sample.target, shape.statistics)
        return Arrays(inputs, target, split.weight)

    data = Data(arrays(splits["train"]), arrays(splits["validation"]), shape.statistics, method.augmentation)
    extra = {"jax": lambda key: method.module.build(hyperparameters, shape, key)}
    build = extra.get(framework, lambda: method.module.build(hyperparameters, shape))
    return loop.train(build, data, options, seeds, checkpoints, name)


def status_of(error: Exception | None) -> str:
    """`ok`, `timeout` or `failed: reason`, in one line."""
    if error is None:
        return "ok"
    if isinstance(error, RunTimeout):
        return "timeout"
    text = " ".join(str(error).split())
    return f"failed: {type(error).__name__}: {text}"[:300]


def versions(framework: str) -> dict[str, str]:
    """Versions of the packages that a run of this framework depends on."""
    names = ["numpy", "safetensors", *PACKAGES[framework]]
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}


def write_run(folder: Path, outcome: Outcome, error: Exception | None, record: dict) -> None:
    """Write `model.safetensors`, `history.csv` and `run.json`; a failed run keeps its initial weights only."""
    if error is not None:
        print("".join(traceback.format_exception(error)), file=sys.stderr)
    trained = outcome.trained if error is None else {}
    weights = {f"initial/{k}": v for k, v in outcome.initial.items()} | {f"trained/{k}": v for k, v in trained.items()}
    with atomic(folder / "model.safetensors") as path:
        save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, path)
    with atomic(folder / "history.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", "train_loss", "validation_mse"])
        writer.writeheader()
        writer.writerows(outcome.history)
    write_json(
        folder / "run.json",
        record
        | {
            "status": status_of(error),
            "has_initial": bool(outcome.initial),
            "n_parameters": int(sum(v.size for v in (outcome.initial or outcome.trained).values())),
            "train_seconds": outcome.seconds,
            "frames_per_second": outcome.frames_per_second,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "device": outcome.device,
        },
    )


def run(task: dict, method: Method, size: str, seeds: list[int], trajectory: Path, aligned: Path, folder: Path) -> None:
    """Train `method` on `task`; write one run folder per seed below `folder`, and checkpoints of unfinished ones."""
    observed = read_observables(aligned)
    splits, split_record = load_splits(read(trajectory), observed, task, size)
    train = splits["train"].sample
    residual = "last" if method.closed_form else method.training_options().residual
    shape = Shape(
        n_points=train.position.shape[2],
        n_displacements=train.position.shape[1] - 1,
        n_scalars=0 if train.scalar is None else train.scalar.shape[-1],
        statistics=features.measure(train.position, train.target, residual, task["lag"]),
    )
    name = f"{task['name']} {method.name} n={size}"
    if method.closed_form:
        results = [fit_closed_form(method, splits, task["lag"])] * len(seeds)
    else:
        paths = [folder / "checkpoints" / f"seed{seed}.safetensors" for seed in seeds]
        results = train_network(method, shape, splits, seeds, paths, name)
    framework = model_spec(method.model).framework
    for seed, (outcome, error) in zip(seeds, results, strict=True):
        record = {"task": task, "method": asdict(method), "shape": asdict(shape), "split": split_record, "seed": seed}
        record |= {
            "train_size": str(size),
            "claims": method.claims(),
            "framework": framework,
            "versions": versions(framework),
        }
        record["precision"] = "float64" if method.closed_form else method.training_options().precision
        write_run(folder / f"seed{seed}", outcome, error, record)
