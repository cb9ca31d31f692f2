"""Draw one figure from tables: NAME.svg, NAME.png and NAME.json (title, caption, finding, and the data that it shows).

python workflow/scripts/figure.py accuracy --output results/figures/accuracy.svg \
    --input summary=results/tables/summary.csv audit=results/tables/audit.csv
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from equitraj.base import command
from equitraj.base.files import write_json
from equitraj.report import figures
from equitraj.report.figures import style
from equitraj.report.figures._data import data
from equitraj.report.figures._part import part
from equitraj.report.words import squared


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the figure: " + ", ".join(figures.names()))
    parser.add_argument(
        "--input", nargs="+", action="extend", default=[], metavar="KEY=PATH", help="tables and data files"
    )
    parser.add_argument("--output", required=True, type=Path, help="the SVG file; PNG and JSON stand beside it")
    return parser.parse_args()


def input_paths(name: str, pairs: list[str], needed: tuple[str, ...]) -> dict[str, Path]:
    """The `KEY=PATH` pairs as a mapping, checked against what the figure needs and what exists."""
    paths = {key: Path(path) for key, _, path in (pair.partition("=") for pair in pairs)}
    missing = [key for key in needed if key not in paths]
    if missing:
        raise ValueError(f"figure {name}: no input {', '.join(missing)}; give --input {missing[0]}=PATH")
    absent = [f"{key}={path}" for key, path in paths.items() if not path.is_file()]
    if absent:
        raise ValueError(f"figure {name}: no such file: {', '.join(absent)}; make it first, or correct the path")
    return paths


def method_colours(paths: dict[str, Path]) -> dict[str, str]:
    """The colour of each method that a figure can show, where its tables tell them."""
    if not {"summary", "audit"} <= set(paths):
        return {}
    styles = style.method_styles(style.read_table(paths["summary"]), style.read_claims(paths["audit"]))
    return {method: look.colour for method, look in styles.items()}


def main() -> None:
    """Draw and save, or end with one line that says what is wrong."""
    args = arguments()
    try:
        module = figures.load(args.name)
        paths = input_paths(args.name, args.input, module.INPUTS)
        style.apply()
        with TemporaryDirectory() as folder:
            paths, left_out = part(paths, Path(folder))
            figure, finding = module.draw(paths)
            colours = method_colours(paths)
            if "sources" in paths:
                style.with_unit(figure, squared(style.read_table(paths["sources"])))
    except (ValueError, KeyError) as error:
        raise SystemExit(f"error: {error}") from error
    caption = " ".join([*(module.__doc__ or "").split(), left_out]).strip()
    title = getattr(module, "TITLE", args.name.replace("_", " ").capitalize())
    style.save(figure, args.output)
    words = {"caption": caption, "finding": finding, "title": title}
    write_json(args.output.with_suffix(".json"), words | {"methods": colours, **data(figure, colours)})


if __name__ == "__main__":
    command.run(main)
