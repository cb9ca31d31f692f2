"""Write down the published errors of a study as a table: --published JSON --output results/tables/published.csv."""

import argparse
import json
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import write_table

COLUMNS = ["task", "name", "mse", "source", "url", "method"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--published", type=json.loads, required=True, help="by task a list of name, mse, source, url, method"
    )
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rows = [{"url": "", "method": ""} | row | {"task": task} for task, found in args.published.items() for row in found]
    write_table(args.output, COLUMNS, rows)


if __name__ == "__main__":
    command.run(main)
