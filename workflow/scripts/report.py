"""Write the report of a study as one HTML file that needs no network.

python workflow/scripts/report.py --tables results/tables --figures results/figures \
    --config results/config.json --benchmarks results/benchmarks --runs results/runs --output
    reports/report.html
"""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import read_json, write_text
from equitraj.report.page import Sources, context
from equitraj.report.template import render
from equitraj.study import plan


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables",
        type=Path,
        required=True,
        help="folder of metrics.csv, summary.csv, audit.csv, ...",
    )
    parser.add_argument(
        "--figures", type=Path, required=True, help="folder of NAME.svg with NAME.json"
    )
    parser.add_argument("--config", type=Path, required=True, help="config.json, the configuration")
    parser.add_argument("--output", type=Path, required=True, help="the HTML file")
    parser.add_argument("--benchmarks", type=Path, help="folder of Snakemake's benchmark files")
    parser.add_argument(
        "--runs", type=Path, help="folder of run folders, for the versions that trainings recorded"
    )
    parser.add_argument(
        "--show", nargs="*", help="names of the figures of this study; all in the folder without it"
    )
    parser.add_argument(
        "--plan", type=Path, help="plan.json: methods by task, train_sizes and seeds of this study"
    )
    parser.add_argument(
        "--film", type=Path, help="a GIF with its JSON file beside it, for the section on alignment"
    )
    return parser.parse_args()


def main() -> None:
    """Write the page, or end with one line that says what is wrong."""
    args = arguments()
    for name in ("metrics", "summary", "audit"):
        if not (path := args.tables / f"{name}.csv").is_file():
            raise SystemExit(
                f"error: no such table: {path}; expected metrics.csv, summary.csv and audit.csv in "
                "--tables"
            )
    only = args.show and tuple(args.show), args.plan and tuple(plan.batches(read_json(args.plan)))
    if args.film and not args.film.is_file():
        raise SystemExit(
            f"error: no such film: {args.film}; make it with film.py, or leave out --film"
        )
    sources = Sources(args.tables, args.figures, args.benchmarks, args.runs, *only, args.film)
    try:
        config = read_json(args.config)
        commands = ["snakemake --cores all --configfile study.yaml"]
        page = render(context(config["study"], config, sources, commands))
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"error: report: {type(error).__name__}: {error}") from error
    write_text(args.output, page)


if __name__ == "__main__":
    command.run(main)
