"""Draw figures from tables: NAME.svg, NAME.png and NAME.json (title, caption, finding, and the data
that it shows).

python workflow/scripts/figure.py accuracy --folder results/figures \
    --input summary=results/tables/summary.csv audit=results/tables/audit.csv
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from equitraj.base import command, marks
from equitraj.base.files import checked, write_json
from equitraj.report import figures
from equitraj.report.figures import style
from equitraj.report.figures._data import data
from equitraj.report.figures._part import part
from equitraj.report.words import squared

SUFFIXES = (".svg", ".png", ".json")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="the figures: " + ", ".join(figures.names()))
    parser.add_argument(
        "--input",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=PATH",
        help="tables and data files",
    )
    parser.add_argument("--folder", required=True, type=Path, help="where the files go")
    parser.add_argument(
        "--codes",
        nargs="+",
        default=[],
        metavar="NAME=DIGEST",
        help="figures that are kept if this code drew them",
    )
    parser.add_argument(
        "--forced",
        nargs="*",
        default=[],
        help="figures that are drawn all the same: by rule or file",
    )
    return parser.parse_args()


def input_paths(name: str, pairs: list[str], needed: tuple[str, ...]) -> dict[str, Path]:
    """The `KEY=PATH` pairs of what the figure needs as a mapping, checked against what exists."""
    paths = {key: Path(path) for key, _, path in (pair.partition("=") for pair in pairs)}
    missing = [key for key in needed if key not in paths]
    if missing:
        raise ValueError(
            f"figure {name}: no input {', '.join(missing)}; give --input {missing[0]}=PATH"
        )
    read = {key: paths[key] for key in figures.read_by(name) if key in paths}
    absent = [f"{key}={path}" for key, path in read.items() if not path.is_file()]
    if absent:
        raise ValueError(
            f"figure {name}: no such file: {', '.join(absent)}; make it first, or correct the path"
        )
    return read


def method_colours(paths: dict[str, Path]) -> dict[str, str]:
    """The colour of each method that a figure can show, where its tables tell them."""
    if not {"summary", "audit"} <= set(paths):
        return {}
    _, styles = style.read_methods(paths)
    return {method: look.colour for method, look in styles.items()}


def draw(name: str, paths: dict[str, Path], folder: Path) -> None:
    """Draw one figure and save it, with what it says beside it."""
    module = figures.load(name)
    with TemporaryDirectory() as place:
        paths, left_out = part(paths, Path(place))
        figure, finding = module.draw(paths)
        colours = method_colours(paths)
        if "sources" in paths:
            style.with_unit(figure, squared(style.read_table(paths["sources"])))
    caption = " ".join([*(module.__doc__ or "").split(), left_out]).strip()
    title = getattr(module, "TITLE", name.replace("_", " ").capitalize())
    output = folder / f"{name}.svg"
    style.save(figure, output)
    words = {"caption": caption, "finding": finding, "title": title}
    write_json(output.with_suffix(".json"), words | {"methods": colours, **data(figure, colours)})


def draw_where_missing(
    name: str, paths: dict[str, Path], folder: Path, code: str, forced: list[str]
) -> None:
    """Draw a figure, unless this code has drawn it from the same tables, or it is `forced`."""
    read = {key: marks.digest(checked(path)) for key, path in paths.items()}
    mark = marks.mark_of(code, figures.caption(name), read)
    mark_path, files = folder / f".{name}.mark", [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    if marks.is_made(mark_path, mark, files) and not marks.is_forced(forced, "figures", files):
        return
    mark_path.unlink(missing_ok=True)
    draw(name, paths, folder)
    mark_path.write_text(mark, encoding="utf-8")


def main() -> None:
    """Draw and save the missing figures, or end with one line that says what is wrong."""
    args = arguments()
    codes = dict(pair.split("=", 1) for pair in args.codes)
    style.apply()
    for name in [*args.names, *codes]:
        try:
            paths = input_paths(name, args.input, figures.load(name).INPUTS)
            if name in codes:
                draw_where_missing(name, paths, args.folder, codes[name], args.forced)
            else:
                draw(name, paths, args.folder)
        except (ValueError, KeyError) as error:
            raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    command.run(main)
