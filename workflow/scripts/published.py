"""Write down the published errors of a study as a table."""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import read_json, write_table

COLUMNS = ["task", "name", "mse", "source", "url", "method"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--published",
        type=Path,
        required=True,
        help="JSON: by task a list of name, mse, source, url, method",
    )
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    published = read_json(args.published)
    rows = [
        {"url": "", "method": ""} | row | {"task": task}
        for task, found in published.items()
        for row in found
    ]
    write_table(args.output, COLUMNS, rows)


if __name__ == "__main__":
    command.run(main)
