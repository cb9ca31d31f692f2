"""Audit the symmetry of trained methods, or of any Python function.

In the workflow, the runs of a method on a task: audit.csv, probes.csv and controls.csv in each run
folder.

  audit.py --trajectory results/data/chain_in_space/lifted.h5 \
    --runs results/runs/space_k2/egnn/nall/seed*

Alone, any function that maps positions (B, K, N, 3), newest frame last, to predicted positions
(B, N, 3):

  audit.py --predictor mypackage.model:predict --data trajectory.npz --history 3 \
    --claims rotation translation
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from equitraj.base import command, devices
from equitraj.base.claims import GENERATORS, IMPLIED_BY
from equitraj.base.registry import nearest
from equitraj.training.arguments import add_step


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--samples", type=int, default=64, help="test samples, spread over the split or the file"
    )
    parser.add_argument("--elements", type=int, default=64, help="group elements per generator")
    runs = parser.add_argument_group("in the workflow")
    runs.add_argument("--trajectory", type=Path, help="the lifted trajectory")
    runs.add_argument("--runs", type=Path, nargs="+", help="run folders of a method on a task")
    runs.add_argument("--processes", type=int, default=1, help="processes that share the work")
    add_step(runs, "audited")
    alone = parser.add_argument_group("alone")
    alone.add_argument(
        "--predictor",
        metavar="MODULE:FUNCTION",
        help="the function; its module is looked for here first",
    )
    alone.add_argument("--data", help="a trajectory: .npz, .npy, H5MD, or what MDAnalysis reads")
    alone.add_argument("--array", help="name of the array in an .npz file")
    alone.add_argument("--topology", help="topology of the trajectory, for formats that need one")
    alone.add_argument(
        "--history", type=int, default=1, help="frames K that the function sees (default: 1)"
    )
    alone.add_argument(
        "--lag", type=int, default=1, help="how many frames ahead it predicts (default: 1)"
    )
    alone.add_argument(
        "--precision",
        choices=["float32", "float64"],
        default="float64",
        help="in which it computes",
    )
    alone.add_argument(
        "--claims",
        nargs="*",
        default=[],
        choices=(*GENERATORS, *IMPLIED_BY),
        help="symmetries it should have exactly",
    )
    alone.add_argument(
        "--time-limit",
        type=float,
        help="seconds beyond which a slow function is refused beforehand",
    )
    alone.add_argument("--output", type=Path, help="write the rows as CSV")
    args = parser.parse_args()
    if bool(args.runs and args.trajectory) == bool(args.predictor and args.data):
        parser.error("give either --trajectory and --runs, or --predictor and --data")
    return args


def main() -> None:
    args = arguments()
    devices.hide()  # all frameworks predict on the CPU, so that all methods get the same test
    if args.runs:
        audit_runs(args)
    else:
        # by name: its environment is the user's own, and no rule needs what reads foreign formats
        audit_function(
            args, import_module("equitraj.symmetry.function"), import_module("equitraj.api.reading")
        )


def audit_runs(args: argparse.Namespace) -> None:
    """Audit the run folders that were not audited yet, and those that have changed since."""
    from equitraj.base import marks
    from equitraj.data.trajectory import opened
    from equitraj.symmetry import run as audit_run
    from equitraj.training import steps

    first = audit_run.first_trained(args.runs)
    options = args.code, args.samples, args.elements, marks.digest(args.trajectory)
    made_from = {
        run: marks.mark_of(*options, run in first, *steps.trained_digests(run)) for run in args.runs
    }
    wanted = steps.to_make("audited", args, made_from)
    steps.begin("audited", wanted)
    with opened(args.trajectory) as trajectory:
        audit_run.run(args.runs, trajectory, args.samples, args.elements, args.processes, wanted)
    steps.finish("audited", made_from, wanted)
    if args.record:
        steps.write_record(args.record, args.runs)


def audit_function(args: argparse.Namespace, audits: ModuleType, reading: ModuleType) -> None:
    """Audit `args.predictor` on `args.data`, print the matrix, write `args.output` if it is given.

    Raises:
        SystemExit: with 1, when a claim does not hold.
    """
    keys = {"array": args.array, "topology": args.topology}
    trajectory = reading.read(args.data, **{key: value for key, value in keys.items() if value})
    found = audits.audit(
        load_function(args.predictor),
        audits.samples(
            trajectory.position, trajectory.episode, args.history, args.lag, args.samples, args.data
        ),
        args.claims,
        lag=args.lag,
        elements=args.elements,
        precision=args.precision,
        time_limit=args.time_limit,
        name=f"--predictor {args.predictor}",
    )
    print(found)
    if args.output:
        found.write(args.output)
    if found.broken:
        raise SystemExit(f"claimed and not found exact: {', '.join(found.broken)}")


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
        raise ValueError(
            f"--predictor {name}: {error}; expected MODULE:FUNCTION, importable from here"
        ) from error
    if not callable(getattr(loaded, function, None)):
        known = [n for n in vars(loaded) if callable(getattr(loaded, n)) and not n.startswith("_")]
        raise ValueError(
            f"--predictor {name}: no function {function!r} in {loaded.__file__}; "
            f"{nearest(function, known)}"
        )
    return getattr(loaded, function)


if __name__ == "__main__":
    command.run(main)
