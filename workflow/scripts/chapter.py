"""Reproduce the two textbook chapters number by number, and set the correct measurement beside each
number.

chapter.py baseline --input lifted.h5 --output baseline.npz
chapter.py network --input lifted.h5 --output network.npz [--epochs 16] [--seed 0]
chapter.py ladder --output invariance_ladder.csv
chapter.py table --input lifted.h5 --baseline baseline.npz --network network.npz --output
chapter.csv
"""

import argparse

from equitraj.base import command
from equitraj.chapter import data


def baseline(arguments: argparse.Namespace) -> None:
    """The linear baseline."""
    from equitraj.chapter.baseline import run

    position = data.load_positions(arguments.input, arguments.train)
    data.write_arrays(arguments.output, **run(position, arguments.train, arguments.epochs))


def network(arguments: argparse.Namespace) -> None:
    """The e3nn network."""
    from equitraj.chapter.network import run

    position = data.load_positions(arguments.input, arguments.train)
    data.write_arrays(
        arguments.output, **run(position, arguments.train, arguments.epochs, arguments.seed)
    )


def ladder(arguments: argparse.Namespace) -> None:
    """The butane models."""
    from equitraj.chapter.ladder import write_ladder

    write_ladder(arguments.output, arguments.seed)


def table(arguments: argparse.Namespace) -> None:
    """The table of printed, reproduced and corrected numbers."""
    from equitraj.chapter.table import write_table

    baseline, network = data.read_arrays(arguments.baseline), data.read_arrays(arguments.network)
    position = data.load_positions(arguments.input, int(baseline["n_train"]))
    write_table(arguments.output, position, baseline, network)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    for verb, epochs in ((baseline, 12), (network, 16), (ladder, None), (table, None)):
        command = verbs.add_parser(verb.__name__, help=verb.__doc__)
        command.set_defaults(verb=verb)
        command.add_argument("--output", required=True, help="the file to write")
        if verb is not ladder:
            command.add_argument("--input", required=True, help="lifted trajectory file")
        if epochs:
            command.add_argument(
                "--train", type=int, default=data.N_TRAIN, help="training pairs, in time order"
            )
            command.add_argument("--epochs", type=int, default=epochs)
        if verb in (network, ladder):
            command.add_argument("--seed", type=int, default=0)
        if verb is table:
            command.add_argument("--baseline", required=True, help="output of `baseline`")
            command.add_argument("--network", required=True, help="output of `network`")
    return top


def main() -> None:
    """Run one verb; a user's mistake ends with one line instead of a traceback."""
    arguments = parser().parse_args()
    try:
        arguments.verb(arguments)
    except (ValueError, OSError, KeyError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    command.run(main)
