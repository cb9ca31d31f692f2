"""One look for every figure: sizes, fonts, a colour and a marker for each method, numbers as text,
saving.

A method has one colour and one marker in all figures. Cool colours and round markers claim rotation
equivariance, warm colours and square ones do not, greys and triangles fit nothing. Every colour has
a contrast of at least 4.5 on white, so that labels in it can be read (WCAG 2.2, 1.4.3); the marker
and a direct label repeat what the colour says. No two methods have the very same colour, by which
the page finds a method in a figure.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from equitraj.base.claims import CLAIMED
from equitraj.base.files import atomic, checked
from equitraj.report.figures._literal import literal

WIDTH = 7.6  # inches, the text width of the report
LEGEND = 0.35  # inches below the panels
INK, FAINT, PALE = "#1f2430", "#646b76", "#d9dce1"
ON_DARK, ON_BRIGHT = (
    "#fffffe",
    "#1f2431",
)  # words on coloured cells, which unlike INK stay as they are on a dark page
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#8f6400", "#00785a", "#b84a00", "#b0437f"
WRONG = "#c00000"  # words of what is not as claimed
FLOOR_DECADES = 2  # below the smallest error, where the floor is still drawn to scale
REFERENCE = {
    "no motion": (0, (5, 2)),
    "constant velocity": (0, (1, 1.5)),
}  # dashes of the two reference lines

BASELINES = ("persistence", "constant_velocity")  # the models that fit nothing
# The columns whose values are text, also where they are all digits, or `nan`.
TEXT = (
    *("task", "method", "model", "alignment", "augmentation", "train_size", "control"),
    *("source", "length_unit", "time_unit", "engine", "name", "url", "status"),
)

KINDS = {
    "equivariant": ("o", ["#0072b2", "#00785a", "#6a3fb5", "#1b3f8b", "#0f7d8c", "#4a5fd0"]),
    "not equivariant": (
        "s",
        ["#b84a00", "#8f6400", "#b0437f", "#8c2d04", "#7b3f8c", "#a03050", "#6b5b00", "#5c3317"],
    ),
    "baseline": ("^", ["#50565f", "#6e747e", "#2c3340", "#3d434c"]),
}
MARKERS = {
    "equivariant": "oDhp8",
    "not equivariant": "sPX*d",
    "baseline": "^v<>1",
}  # the next where colours end
DASHES = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5))]

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "equitraj",
}


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn; `kind` is a key of KINDS."""

    kind: str
    colour: str
    marker: str
    linestyle: str | tuple


def apply() -> None:
    """Set the matplotlib parameters of all figures; `figure.py` calls it before `draw`."""
    matplotlib.use("Agg")
    matplotlib.rcParams.update(RC)


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A CSV table; names stay text, an empty field is NaN, and a table with a head only has no
    rows.

    Args:
        columns: those that are wanted, which of a large table is a good deal faster.
    """
    with checked(path).open(newline="", encoding="utf-8") as file:
        heads = next(csv.reader(file), [])
    missing = {head: [""] if head in TEXT else ["", "nan", "NaN"] for head in heads}
    options = {
        "dtype": dict.fromkeys(TEXT, str),
        "keep_default_na": False,
        "na_values": missing,
        "usecols": columns,
    }
    return pd.read_csv(path, **options)


def read_claims(path: str | Path) -> pd.DataFrame:
    """What `method_kinds` and `method_styles` need of audit.csv."""
    return read_table(path, ["method", "generator", "claim"])


def method_kinds(summary: pd.DataFrame, audit: pd.DataFrame) -> dict[str, str]:
    """The kind of each method: a baseline, or by its claim to rotation equivariance in the audit."""
    claims = set(audit[(audit["generator"] == "rotation") & audit["claim"].isin(CLAIMED)]["method"])
    models = summary.drop_duplicates("method").set_index("method")["model"]
    return {
        method: "baseline"
        if model in BASELINES
        else "equivariant"
        if method in claims
        else "not equivariant"
        for method, model in models.items()
    }


def method_styles(summary: pd.DataFrame, audit: pd.DataFrame) -> dict[str, MethodStyle]:
    """One style per method, the same whenever the two tables are the same, in alphabetical order
    within a kind."""
    styles, counts = {}, dict.fromkeys(KINDS, 0)
    for method, kind in sorted(method_kinds(summary, audit).items()):
        _, colours = KINDS[kind]
        lap, colour = divmod(counts[kind], len(colours))
        counts[kind] += 1
        marker, dash = MARKERS[kind][lap % len(MARKERS[kind])], DASHES[lap % len(DASHES)]
        # a step in the last bits of blue, which nobody sees, where a colour comes again
        unique = f"#{int(colours[colour][1:], 16) ^ 2 * lap:06x}"
        styles[method] = MethodStyle(kind, unique, marker, dash)
    return styles


def size_key(size: str) -> float:
    """Sorting key of training set sizes, `all` last."""
    return float("inf") if size == "all" else float(size)


def largest_size(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task's largest training set."""
    largest = table.groupby("task")["train_size"].transform(lambda sizes: max(sizes, key=size_key))
    return table[table["train_size"] == largest]


def sig(value: float, digits: int = 3) -> str:
    """`value` with 3 significant digits: `1.65e-07`, `0.0123`, `4.45`, `1637`; `n/a` for a missing
    one."""
    if value is None or not np.isfinite(value):
        return "n/a"
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 0.9999 is 1.00
    if -3 <= exponent < 6:
        return f"{value:,.{max(digits - 1 - exponent, 0)}f}"
    return f"{value:.{digits - 1}e}"


def skill(value: float) -> str:
    """A skill with two digits of what is missing to 1, `0.99983`, because what counts there is how
    near to 1 it is."""
    if value is not None and abs(value) < 1e-12:
        return "0"  # what is left when a reference is compared with itself
    if value is None or not 0.9 < value < 1:
        return sig(value)
    if value > 0.999999:
        return ">0.999999"
    return f"{value:.{int(np.ceil(-np.log10(1 - value))) + 1}f}"


def listing(words: Iterable[str], most: int = 8) -> str:
    """`a`, `a and b`, `a, b and c`, or `no method`; of more than `most` words the first ones `and 9
    more`."""
    words = list(words)
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return (
        words[0]
        if len(words) == 1
        else ", ".join(words[:-1]) + " and " + words[-1]
        if words
        else "no method"
    )


def bracketed(words: Iterable[str]) -> str:
    """A listing in brackets after a blank, or nothing where there are no words."""
    words = list(words)
    return f" ({listing(words)})" if words else ""


def panels(
    count: int, columns: int = 2, height: float = 2.6, **options: object
) -> tuple[Figure, list[Axes]]:
    """A figure of text width with `count` axes in a grid of at most `columns` columns, each
    `height` inches high."""
    columns = max(1, min(columns, count))
    rows = -(-max(count, 1) // columns)
    figure = Figure(figsize=(WIDTH, rows * height + LEGEND), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for spare in grid[count:]:
        spare.remove()
    return figure, list(grid[:count])


def empty(message: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = Figure(figsize=(WIDTH, 1.0))
    figure.text(0.5, 0.5, message, ha="center", va="center", color=FAINT)
    return figure


def spread(values: Sequence[float], gap: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Positions in [low, high], at least `gap` apart, of least squared distance to `values`: where
    labels are written.

    Isotonic regression by pooling adjacent violators (Barlow et al., Statistical Inference under
    Order Restrictions, 1972) of the values less their share of gaps. Where `gap` does not fit it is
    made smaller.
    """
    values = np.asarray(values, dtype=float)
    gap = min(gap, (high - low) / max(len(values) - 1, 1))
    order = np.argsort(values, kind="stable")
    offset = gap * np.arange(len(values))
    blocks: list[tuple[float, int]] = []
    for value in values[order] - offset:
        count = 1
        while blocks and blocks[-1][0] >= value:
            before, size = blocks.pop()
            value, count = (before * size + value * count) / (size + count), size + count
        blocks.append((value, count))
    placed = np.repeat([value for value, _ in blocks], [count for _, count in blocks])
    result = np.empty_like(values)
    result[order] = np.clip(placed, low, high - gap * (len(values) - 1)) + offset
    return result


def kind_legend(figure: Figure, kinds: Iterable[str], extra: Sequence[Line2D] = ()) -> None:
    """Explain below the panels the markers of the kinds present, and `extra`."""
    kinds = set(kinds)
    names = {
        "equivariant": "claims rotation equivariance",
        "not equivariant": "no such claim",
        "baseline": "baseline",
    }
    entries = [
        # a colour that is no method's, though nobody sees the difference
        Line2D(
            [],
            [],
            color=f"#{int(colours[0][1:], 16) + 1:06x}",
            marker=marker,
            linestyle="none",
            label=names[kind],
        )
        for kind, (marker, colours) in KINDS.items()
        if kind in kinds
    ]
    figure.legend(
        handles=[*entries, *extra],
        loc="outside lower center",
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.4,
    )


def reference_entries() -> list[Line2D]:
    """Legend entries of the two reference lines."""
    return [
        Line2D([], [], color=FAINT, linestyle=dash, linewidth=1, label=name)
        for name, dash in REFERENCE.items()
    ]


def label_right(
    axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], styles: dict
) -> None:
    """Names in the right margin, at the height of their points as far as they do not overlap, with
    leader lines.

    Set the limits and scales of `axes` first: the places are computed from them.
    """
    if not len(points):
        return
    rows = axes.get_subplotspec().get_gridspec().nrows
    height = (
        axes.figure.get_size_inches()[1] - LEGEND
    ) / rows - 0.65  # what title and axis label leave of a panel
    to_axes = axes.transData + axes.transAxes.inverted()
    low, high = axes.get_ylim()
    points = [(x, min(max(y, low), high)) for x, y in points]
    wanted = to_axes.transform(points)[:, 1]
    for point, name, place in zip(points, names, spread(wanted, 0.125 / height), strict=True):
        axes.annotate(
            name,
            xy=point,
            xytext=(1.04, place),
            textcoords="axes fraction",
            color=styles[name].colour,
            fontsize=7.5,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "linewidth": 0.4,
                "color": styles[name].colour,
                "alpha": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 0,
            },
        )


def panel_height(n_methods: int) -> float:
    """Inches that a panel needs for `n_methods` labels above each other."""
    return max(2.3, 0.128 * n_methods + 0.7)


def ceiling(references: Iterable[float]) -> float:
    """The error above which a point is drawn at the edge with its number, so that it does not
    squeeze all others."""
    return 30 * float(np.nanmax(np.asarray(list(references), dtype=float)))


def with_floor(values: Iterable[float], floor: float | None) -> list[float]:
    """The errors that an axis has to show, with the floor where it is not further below them than
    `FLOOR_DECADES`."""
    values = list(values)
    near = floor and floor > np.nanmin(values) / 10**FLOOR_DECADES
    return [*values, floor] if near else values


def floor_line(axes: Axes, value: float, kind: str, vertical: bool = False) -> None:
    """A thin line at the irreducible error with its name; its number at the edge where it lies
    outside of the limits.

    Set limits and scales first. `kind` is that of floor.csv: a lower bound is called so.
    """
    along, letter = ("v", "x") if vertical else ("h", "y")
    low, high = getattr(axes, f"get_{letter}lim")()
    name = "floor" if kind == "exact" else kind
    if low <= value <= high:
        getattr(axes, f"ax{along}line")(value, color=INK, linewidth=0.8, zorder=1)
    else:
        name, value = f"{name}: {sig(value)}", high if value > high else low
    look = {"fontsize": 7, "color": INK, "clip_on": False}
    if vertical:
        place = axes.transAxes.inverted().transform(axes.transData.transform((value, 1)))[0]
        side = "left" if place < 0.2 else "right" if place > 0.8 else "center"
        axes.text(
            value, 1.01, name, transform=axes.get_xaxis_transform(), ha=side, va="bottom", **look
        )
    else:
        side = "top" if value > low else "bottom"  # all else lies above the floor
        axes.text(
            0.02, value, name, transform=axes.get_yaxis_transform(), ha="left", va=side, **look
        )


def log_axis(axis: Axis, limits: tuple[float, float]) -> None:
    """Make `axis` (`axes.xaxis` or `axes.yaxis`) logarithmic, with enough ticks on short spans and
    few on long ones."""
    letter, span = axis.axis_name, limits[1] / limits[0]
    getattr(axis.axes, f"set_{letter}scale")("log")
    getattr(axis.axes, f"set_{letter}lim")(limits)
    axis.set_minor_formatter(NullFormatter())
    if span < 200:
        subs = (1, 3) if span > 30 else (1, 2, 5) if span > 3 else (1, 1.5, 2, 2.5, 3, 4, 5, 7)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    else:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_minor_locator(NullLocator())


def log_limits(values: Iterable[float], margin: float = 0.06) -> tuple[float, float]:
    """Limits of a logarithmic axis around the positive finite `values`, with a margin in parts of
    the span."""
    values = np.asarray(list(values), dtype=float)
    logs = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (logs.min(), logs.max()) if len(logs) else (-1, 0)
    pad = max(margin * (high - low), 0.1)
    return 10 ** (low - pad), 10 ** (high + pad)


def with_unit(figure: Figure, unit: str) -> None:
    """Say in the labels of axes what mean square errors are in."""
    for axes in figure.axes:
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_text(label.get_text().replace("MSE", f"MSE in {unit}"))


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` as SVG (the same bytes for the same figure) and as PNG beside it, each in one
    step."""
    path = Path(path)
    literal(figure)
    with matplotlib.rc_context({"svg.hashsalt": "equitraj", "svg.fonttype": "none"}):
        for suffix, metadata in (
            (".svg", {"Date": None, "Creator": "equitraj"}),
            (".png", {"Software": "equitraj"}),
        ):
            with atomic(path.with_suffix(suffix)) as temporary:
                figure.savefig(
                    temporary, format=suffix[1:], dpi=160, metadata=metadata, facecolor="white"
                )
            figure.set_layout_engine(
                "none"
            )  # both have one layout, which with many panels takes longer than drawing
