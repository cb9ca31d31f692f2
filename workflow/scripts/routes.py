"""What each route to symmetry buys: routes.csv, data_factors.csv and power_laws.csv."""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import atomic, read_json
from equitraj.report.figures.style import read_table
from equitraj.routes.tables import Errors, factors_table, laws_table, routes_table, sizes_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=Path, required=True, help="blocks.csv")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv")
    parser.add_argument(
        "--routes", type=Path, required=True, help="routes.json: method to its against and route"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()
    routes = read_json(args.routes)
    blocks, sizes = read_table(args.blocks), sizes_of(read_table(args.splits))
    errors = Errors(blocks)
    made = {
        "routes": routes_table(errors, routes, sizes),
        "data_factors": factors_table(errors, routes, sizes),
        "power_laws": laws_table(errors, list(dict.fromkeys(blocks["method"])), sizes),
    }
    for name, table in made.items():
        with atomic(args.output / f"{name}.csv") as path:
            table.to_csv(path, index=False)


if __name__ == "__main__":
    command.run(main)
