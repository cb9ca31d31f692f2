"""Fail where a trained method does not have a symmetry that it claims: --audit
results/tables/audit.csv."""

import argparse
from pathlib import Path

import pandas as pd

from equitraj.base import command
from equitraj.base.files import checked, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audit", type=Path, required=True, help="the table of the audit")
    parser.add_argument(
        "--output", type=Path, required=True, help="a text that says how many claims hold"
    )
    args = parser.parse_args()
    table = pd.read_csv(checked(args.audit), keep_default_na=False)
    claimed = table[
        (table["weights"] == "trained") & table["claim"].isin(["exact", "in expectation"])
    ]
    broken = claimed[claimed["agrees"] == "no"]
    if len(broken):
        named = broken.groupby(["task", "method"], sort=False)["generator"].unique()
        lines = [
            f"{task} {method}: {', '.join(generators)}"
            for (task, method), generators in named.items()
        ]
        raise SystemExit("claims that do not hold (audit.strict is true):\n  " + "\n  ".join(lines))
    write_text(args.output, f"All {len(claimed)} claims hold.\n")


if __name__ == "__main__":
    command.run(main)
