"""Train one method on one task: all seeds, one run folder each."""

import argparse
import json
from pathlib import Path

from equitraj.method import Method
from equitraj.train_run import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=json.loads, required=True, help="the task as JSON, with its name")
    parser.add_argument("--method", type=json.loads, required=True, help="the method as JSON, with its name")
    parser.add_argument("--size", default="all", help="number of training samples, or all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--trajectory", type=Path, required=True, help="lifted trajectory")
    parser.add_argument("--aligned", type=Path, required=True, help="aligned trajectory: frames of each frame")
    parser.add_argument("--folder", type=Path, required=True, help="where seed0/, seed1/ ... go")
    args = parser.parse_args()
    try:
        run(args.task, Method(**args.method), args.size, args.seeds, args.trajectory, args.aligned, args.folder)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
