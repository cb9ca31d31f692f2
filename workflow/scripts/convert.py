"""Make a NumPy archive, which the workflow reads, of a pickle of arrays, which it never reads by
itself.

python workflow/scripts/convert.py motion.pkl                # says what the pickle holds
python workflow/scripts/convert.py motion.pkl walk.npz --array position=1 bonds=0

Only arrays of numbers, numbers, words, lists, tuples, dictionaries and sets are read. A pickle that
names anything else is refused with the name, and nothing of it is called. Parts are named by keys
and positions, separated by slashes.
"""

import argparse
import json
import sys
from pathlib import Path

from equitraj.base import command
from equitraj.data import pickles
from equitraj.data.inspection.entry import name_from


def pair(text: str) -> tuple[str, str]:
    """NAME=PART as a pair."""
    name, equals, part = text.partition("=")
    if not (equals and name.isidentifier() and part):
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=PART, as in position=1")
    return name, part


def main() -> None:
    """Convert, and print the entry of a source."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pickle", type=Path, help="the pickle to read")
    parser.add_argument(
        "output",
        type=Path,
        nargs="?",
        default=Path("converted.npz"),
        help="the archive to write (.npz)",
    )
    parser.add_argument(
        "--array", type=pair, nargs="+", default=[], metavar="NAME=PART", help="which part is what"
    )
    arguments = parser.parse_args()
    arrays = dict(arguments.array)
    if arguments.output.suffix != ".npz":
        raise ValueError(f"{arguments.output}: expected a name that ends with .npz")
    found = pickles.convert(arguments.pickle, arguments.output, arrays)
    shown = ", ".join(f"{name}: {name}" for name in found)
    name, path = name_from(arguments.output), json.dumps(str(arguments.output))
    print(f"sources:\n  {name}: {{ kind: file, path: {path}, arrays: {{ {shown} }} }}")
    print(f"{arguments.output}: written", file=sys.stderr)


if __name__ == "__main__":
    command.run(main)
