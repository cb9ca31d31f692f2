"""A film of one trajectory in several frames side by side, jumps marked: a GIF, and a JSON file
with its words.

python workflow/scripts/film.py --trajectory results/data/chain/lifted.h5 --output film.gif \
    --aligned vector01=results/aligned/chain_k3/vector01.h5
"""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import write_json
from equitraj.report import film


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--trajectory", type=Path, required=True, help="the lifted trajectory, as recorded"
    )
    parser.add_argument(
        "--aligned",
        nargs="+",
        default=[],
        metavar="NAME=PATH",
        help="the same in a frame, by align.py",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="the GIF; its words stand beside it as JSON"
    )
    parser.add_argument(
        "--frames", type=int, default=film.LENGTH, help="length of the film (default %(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    """Draw and save, or end with one line that says what is wrong."""
    args = arguments()
    aligned = {name: Path(path) for name, _, path in (pair.partition("=") for pair in args.aligned)}
    absent = [str(path) for path in (args.trajectory, *aligned.values()) if not path.is_file()]
    if absent:
        raise ValueError(
            f"film: no such file: {', '.join(absent)}; give --trajectory PATH and --aligned "
            "NAME=PATH"
        )
    if args.frames < 2:
        raise ValueError(f"film: --frames {args.frames}; expected at least 2")
    pictures, words = film.film(args.trajectory, aligned, args.frames)
    film.save(pictures, args.output)
    write_json(args.output.with_suffix(".json"), words)


if __name__ == "__main__":
    command.run(main)
