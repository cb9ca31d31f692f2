"""The audit of any Python function that predicts positions, on any trajectory: a printed matrix, and a table."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

import numpy as np

from equitraj import symmetry
from equitraj.base.claims import GENERATORS
from equitraj.base.files import write_table
from equitraj.base.registry import nearest
from equitraj.data.sources.reading import read_file
from equitraj.data.tasks import Sample, spread
from equitraj.symmetry import controls
from equitraj.symmetry.verdict import EPSILON

SHOWN = "generator verdict claim rel_mean rel_p95 rel_max abs_max loss_percent noise_floor".split()
ROUNDINGS = 8.0  # last digits of a coordinate that the floor grants a forward pass of unknown depth


def run(args: argparse.Namespace) -> None:
    """Audit `args.predictor` on `args.data`, print the matrix, write `args.output` if it is given.

    Raises:
        ValueError: no such function, a file that is no trajectory, or a prediction of another shape.
        SystemExit: with 1, when a claim does not hold.
    """
    sample = samples(args)
    predict = checked(load_function(args.predictor), args.predictor)
    claims = {g: "exact" if g in args.claims else "no" for g in GENERATORS}
    controls.run(sample)
    rows = symmetry.audit(
        lambda dtype: predict,
        sample,
        claims,
        {args.precision: args.elements},
        lag=args.lag,
        forward=floor(args.precision),
    )
    show(rows)
    if args.output:
        write_table(args.output, symmetry.COLUMNS, rows)
    broken = [row["generator"] for row in rows if row["agrees"] == "no"]
    if broken:
        raise SystemExit(f"claimed and not found exact: {', '.join(broken)}")


def samples(args: argparse.Namespace) -> Sample:
    """Samples spread over the whole trajectory."""
    source = {"path": args.data, "array": args.array, "topology": args.topology}
    trajectory = read_file({k: v for k, v in source.items() if v})
    position, episode = trajectory.position, trajectory.episode
    if position.shape[2] == 2:
        position = np.concatenate([position, np.zeros((*position.shape[:2], 1))], axis=2)
    ends = np.arange(args.history - 1, len(position) - args.lag)
    newest = ends[(episode[ends - args.history + 1] == episode[ends + args.lag])]
    if not len(newest):
        frames = args.history + args.lag
        raise ValueError(
            f"{args.data}: {len(position)} frames; at least {frames} of one episode are needed; reduce --history"
        )
    chosen = newest[spread(len(newest), args.samples)]
    past = chosen[:, None] + np.arange(1 - args.history, 1)
    return Sample(position[past], position[chosen + args.lag])


def load_function(name: str) -> Callable:
    """The function `module:function`; the working directory is searched first.

    Raises:
        ValueError: no such module or function.
    """
    module, _, function = name.partition(":")
    sys.path.insert(0, "")
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"--predictor {name}: {error}; expected MODULE:FUNCTION, importable from here") from error
    if not callable(getattr(loaded, function, None)):
        known = [n for n in vars(loaded) if callable(getattr(loaded, n)) and not n.startswith("_")]
        raise ValueError(
            f"--predictor {name}: no function {function!r} in {loaded.__file__}; {nearest(function, known)}"
        )
    return getattr(loaded, function)


def checked(function: Callable, name: str) -> symmetry.Predict:
    """The function as a predictor of samples, its shape checked."""

    def predict(sample: Sample) -> np.ndarray:
        found, expected = np.asarray(function(sample.position), np.float64), sample.position[:, -1].shape
        if found.shape != expected:
            raise ValueError(
                f"--predictor {name}: returned shape {found.shape}, expected {expected} (samples, points, 3)"
            )
        return found

    return predict


def floor(precision: str) -> Callable[[Sample, np.ndarray], float]:
    """Rounding of a forward pass that nothing is known of but its precision: some last digits of the coordinates."""

    def forward(sample: Sample, prediction: np.ndarray) -> float:
        size = np.linalg.norm(prediction, axis=(1, 2)) / symmetry.displacement_norm(prediction, sample)
        return float(ROUNDINGS * EPSILON[precision] * size.mean())

    return forward


def show(rows: list[dict]) -> None:
    """Print the matrix: a generator per line."""
    print("  ".join(f"{name:>14}" for name in SHOWN))
    for row in rows:
        cells = (f"{v:.2e}" if isinstance(v := row[name], float) else "-" if v is None else str(v) for name in SHOWN)
        print("  ".join(f"{cell:>14}" for cell in cells) + ("   claim does not hold" if row["agrees"] == "no" else ""))
