"""Say how far the study in a folder is: jobs done, running, left and failed, and when it may end.

python workflow/scripts/progress.py --watch 10

It reads what Snakemake writes and touches nothing: call it in another terminal, on any machine that
sees the folder.
"""

import argparse
import time
from datetime import datetime
from pathlib import Path

from equitraj.base import command
from equitraj.study import progress


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="where snakemake runs (default: here)"
    )
    parser.add_argument(
        "--benchmarks",
        type=Path,
        help="those of an earlier run (default: FOLDER/results/benchmarks)",
    )
    parser.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="say it again and again, until the run has ended",
    )
    args = parser.parse_args()
    while True:
        log = progress.log_of(args.folder)
        found = progress.parse(log.read_text(encoding="utf-8", errors="replace").splitlines())
        earlier = progress.benchmarks(args.benchmarks or args.folder / "results" / "benchmarks")
        print(progress.told(found, earlier, datetime.now()), flush=True)
        if found.ended or not args.watch:
            return
        time.sleep(args.watch)


if __name__ == "__main__":
    command.run(main)
