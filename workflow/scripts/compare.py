"""Write one page of two finished studies, their differences first.

python workflow/scripts/compare.py results ../before/results --output compare.html
"""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import write_text
from equitraj.report import compared
from equitraj.report.comparison import read_study


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "a",
        metavar="A",
        type=Path,
        help="the results of a study, or the folder that holds results/",
    )
    parser.add_argument("b", metavar="B", type=Path, help="those of the other one")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("compare.html"),
        help="the HTML file (default %(default)s)",
    )
    args = parser.parse_args()
    a, b = (read_study(path) for path in (args.a, args.b))
    if a.folder.resolve() == b.folder.resolve():
        raise ValueError(f"{args.a} and {args.b} are the same study; expected two")
    write_text(args.output, compared.render(compared.context(a, b, (str(args.a), str(args.b)))))
    print(f"{args.output}: {len(compared.NAMES)} studies side by side")


if __name__ == "__main__":
    command.run(main)
