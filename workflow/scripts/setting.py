"""Write one part of a study's configuration into a file, from which jobs read it."""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import read_json, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--settings", type=Path, required=True, help="all parts, as the workflow wrote them"
    )
    parser.add_argument("--part", required=True, help="the name of the part")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    write_json(args.output, read_json(args.settings)[args.part])


if __name__ == "__main__":
    command.run(main)
