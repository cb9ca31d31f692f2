"""Train one method on one task: all seeds, one run folder each."""

import argparse
import json
from pathlib import Path

from equitraj.base import command, devices
from equitraj.base.registry import model_spec
from equitraj.training.method import Method
from equitraj.training.record import write_step
from equitraj.training.run import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=json.loads, required=True, help="the task as JSON, with its name")
    parser.add_argument("--method", type=json.loads, required=True, help="the method as JSON, with its name")
    parser.add_argument("--size", default="all", help="number of training samples, or all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--trajectory", type=Path, required=True, help="lifted trajectory")
    parser.add_argument("--aligned", type=Path, required=True, help="aligned trajectory: frames of each frame")
    parser.add_argument("--device", choices=devices.CHOICES, default="auto", help="for models that profit from a GPU")
    parser.add_argument("--folder", type=Path, required=True, help="where seed0/, seed1/ ... go")
    parser.add_argument("--record", type=Path, help="trained.sha256, the digests of what was written")
    args = parser.parse_args()
    method = Method(**args.method)
    with devices.borrowed(args.device if model_spec(method.model).gpu else "cpu") as place:
        run(args.task, method, args.size, args.seeds, args.trajectory, args.aligned, args.folder, place)
    if args.record:
        write_step(args.record, [args.folder / f"seed{seed}" for seed in args.seeds])


if __name__ == "__main__":
    command.run(main)
