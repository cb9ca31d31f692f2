"""Train one method on one task: all training sizes and seeds, one run folder each.

With --code, runs that the same code made from the same options and data are kept as they are.
"""

import argparse
from pathlib import Path

from equitraj.base import command, devices, marks
from equitraj.base.registry import model_spec
from equitraj.data.trajectory import opened, opened_observables
from equitraj.training import arguments, steps
from equitraj.training.method import Method
from equitraj.training.run import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    arguments.add_training(parser)
    parser.add_argument(
        "--sizes", nargs="+", default=["all"], help="numbers of training samples, or all"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="where nSIZE/seed0/, nSIZE/seed1/ ... go"
    )
    arguments.add_step(parser, "trained")
    args = parser.parse_args()
    method = Method(**args.method)
    made_from = {folder: mark_of(args, size) for size, folder in folders(args)}
    wanted = steps.to_make("trained", args, made_from)
    if wanted:
        train(args, method, made_from, wanted)
    if args.record:
        steps.write_record(args.record, list(made_from))


def folders(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """The training size and the folder of each run."""
    return [
        (size, args.folder / f"n{size}" / f"seed{seed}")
        for size in args.sizes
        for seed in args.seeds
    ]


def mark_of(args: argparse.Namespace, size: str) -> str:
    """The fingerprint of what a run of this training size is made from."""
    data = [marks.digest(path) for path in (args.trajectory, args.aligned)]
    return marks.mark_of(args.code, args.task, args.method, size, *data)


def train(
    args: argparse.Namespace, method: Method, made_from: dict[Path, str], wanted: list[Path]
) -> None:
    """Train the wanted runs, one training size after another."""
    device = args.device if model_spec(method.model).gpu else "cpu"
    with (
        devices.borrowed(device) as place,
        opened(args.trajectory) as whole,
        opened_observables(args.aligned) as observed,
    ):
        training = Training(args.task, method, whole, observed, place, args.code)
        for size in args.sizes:
            here = [folder for folder in wanted if folder.parent.name == f"n{size}"]
            if here:
                steps.begin("trained", here)
                training.train(
                    size, [int(folder.name.removeprefix("seed")) for folder in here], here[0].parent
                )
                steps.finish("trained", made_from, here)
        training.forget()


if __name__ == "__main__":
    command.run(main)
