"""Put tables one below the other; a column that one of them lacks stays empty there."""

import argparse
from pathlib import Path

import pandas as pd

from equitraj.base import command
from equitraj.base.files import atomic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    whole = pd.concat(
        [pd.read_csv(path, dtype=str, keep_default_na=False) for path in args.tables],
        ignore_index=True,
    )
    with atomic(args.output) as path:
        whole.to_csv(path, index=False)


if __name__ == "__main__":
    command.run(main)
