"""Describe a trajectory file, and print the entry of a study file for it.

The whole output is a valid study file.

python workflow/scripts/describe.py my_trajectory.npz
python workflow/scripts/describe.py md.xtc --topology md.gro --selection "name CA"
"""

import argparse
import json
from pathlib import Path

import yaml

from equitraj.base import command
from equitraj.data import inspection
from equitraj.data.lift import lift
from equitraj.symmetry.isotropy import described, isotropy_test

CONFIG = Path(__file__).parents[2] / "config.yaml"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "path", metavar="FILE", nargs="+", help="a file, or several of the same points, as episodes"
    )
    parser.add_argument("--topology", help="topology, for formats that need one")
    parser.add_argument("--selection", help="MDAnalysis selection of the atoms to keep")
    parser.add_argument(
        "--array", help="name of the array of positions (default: guessed by name and shape)"
    )
    parser.add_argument(
        "--source", type=json.loads, default={}, help="other keys of the source, as JSON"
    )
    parser.add_argument("--name", help="name of the source (default: the name of the file)")
    return parser.parse_args()


def main() -> None:
    """Describe the file, and print the study."""
    given = arguments()
    path = given.path[0] if len(given.path) == 1 else given.path
    named = {key: getattr(given, key) for key in ("topology", "selection", "array")}
    source = {"path": path} | {key: value for key, value in named.items() if value} | given.source
    # The study is laid over the default configuration, so its source needs a name of its own.
    taken = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["sources"]
    look = inspection.look(source, given.name, taken=taken)
    isotropy = isotropy_test(lift(look.trajectory).position)
    look.said["Orientation"] = [described(isotropy)]
    print(look.text(), end="")


if __name__ == "__main__":
    command.run(main)
