"""Lift a planar trajectory file to three dimensions; one that has them already is passed on."""

import argparse
import json
from pathlib import Path

from equitraj.base import command
from equitraj.data import lift
from equitraj.data import trajectory as files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, required=True, help="the trajectory file to read")
    parser.add_argument(
        "--source", type=json.loads, required=True, help="the source of the config, as JSON"
    )
    parser.add_argument("--output", type=Path, required=True, help="the trajectory file to write")
    arguments = parser.parse_args()
    how, seed = arguments.source.get("lift", "zeros"), arguments.source.get("lift_seed", 0)
    files.write(arguments.output, lift.lift(files.read(arguments.input), how, seed))


if __name__ == "__main__":
    command.run(main)
