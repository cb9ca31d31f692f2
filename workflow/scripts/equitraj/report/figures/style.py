"""The common style of all figures: sizes, fonts, colours, markers, numbers as text, and saving.

A method has the same colour and marker in all figures. Cool colours and round markers claim
rotation equivariance, warm colours and square markers do not, greys and triangles are baselines.
Every colour has a contrast of at least 4.5 on white, so that text in it is legible (WCAG 2.2,
1.4.3); the marker and a direct label show the same information. No two methods have exactly the
same colour, because the page finds a method in a figure by its colour.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

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

LineStyle = str | tuple[float, tuple[float, ...]]
Drawing = tuple[Figure, str]  # what `draw` returns: a figure and its finding

WIDTH = 7.6  # inches, the text width of the report
LEGEND = 0.35  # inches below the panels
INK, FAINT, PALE = "#1f2430", "#646b76", "#d9dce1"
# text on coloured cells; unlike INK, these colours stay the same on a dark page
ON_DARK, ON_BRIGHT = "#fffffe", "#1f2431"
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#8f6400", "#00785a", "#b84a00", "#b0437f"
SERIES = [BLUE, ORANGE, GREEN, RED, PURPLE, INK]  # colours of tasks, which repeat
WRONG = "#c00000"  # text about a claim that does not hold
FLOOR_DECADES = 2  # how far below the smallest error the floor is still drawn to scale
REFERENCES = ["mse_persistence", "mse_velocity"]  # columns: the errors of the two references
REFERENCE: dict[str, LineStyle] = {  # their names and dashes, in the same order
    "no motion": (0, (5, 2)),
    "constant velocity": (0, (1, 1.5)),
}

BASELINES = ("persistence", "constant_velocity")  # the models without parameters
# The columns that hold text, even if all their values are digits or `nan`.
TEXT = (
    *("task", "method", "model", "alignment", "augmentation", "train_size", "control"),
    *("source", "length_unit", "time_unit", "engine", "name", "url", "status"),
)

CLAIM_COLUMNS = ["method", "generator", "claim"]

KINDS = {
    "equivariant": ("o", ["#0072b2", "#00785a", "#6a3fb5", "#1b3f8b", "#0f7d8c", "#4a5fd0"]),
    "not equivariant": (
        "s",
        ["#b84a00", "#8f6400", "#b0437f", "#8c2d04", "#7b3f8c", "#a03050", "#6b5b00", "#5c3317"],
    ),
    "baseline": ("^", ["#50565f", "#6e747e", "#2c3340", "#3d434c"]),
}
KIND_NAMES = {
    "equivariant": "claims rotation equivariance",
    "not equivariant": "no such claim",
    "baseline": "baseline",
}
MARKERS = {  # the next one each time the colours of a kind are used up
    "equivariant": "oDhp8",
    "not equivariant": "sPX*d",
    "baseline": "^v<>1",
}
DASHES: list[LineStyle] = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5))]

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


class LineOptions(TypedDict):
    """Options of `Axes.plot` for a line of a method."""

    color: str
    linestyle: LineStyle


class MarkerOptions(TypedDict):
    """Options of `Axes.plot` for a marker of a method."""

    color: str
    marker: str


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn; `kind` is a key of KINDS."""

    kind: str
    colour: str
    marker: str
    linestyle: LineStyle

    @property
    def line(self) -> LineOptions:
        """Options that draw a line in this style."""
        return LineOptions(
            color=self.colour,
            linestyle=self.linestyle,
        )

    @property
    def point(self) -> MarkerOptions:
        """Options that draw a marker in this style."""
        return MarkerOptions(
            color=self.colour,
            marker=self.marker,
        )


Styles = dict[str, MethodStyle]


def apply() -> None:
    """Set the matplotlib parameters of all figures; `figure.py` calls this before `draw`."""
    matplotlib.use("Agg")
    matplotlib.rcParams.update(RC)


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a CSV table: columns of TEXT stay text, and an empty field is NaN.

    A table with a header only has no rows.

    Args:
        columns: the columns to read; a selection makes reading a large table much faster.
    """
    with checked(path).open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    missing = {column: [""] if column in TEXT else ["", "nan", "NaN"] for column in header}
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values=missing,
        usecols=columns,
    )


def read_claims(path: str | Path) -> pd.DataFrame:
    """Read the columns of audit.csv that `method_kinds` and `method_styles` need."""
    return read_table(path, CLAIM_COLUMNS)


def task_rows(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """The rows of one task."""
    selected = table["task"] == task
    return table[selected]


def method_kinds(summary: pd.DataFrame, audit: pd.DataFrame) -> dict[str, str]:
    """The kind of each method, by its model and its claim to rotation equivariance in the audit."""
    rotation = audit["generator"] == "rotation"
    claimed = audit["claim"].isin(CLAIMED)
    equivariant = set(audit[rotation & claimed]["method"])
    rows = summary.drop_duplicates("method")
    models = rows.set_index("method")["model"]
    return {method: _kind(model, method in equivariant) for method, model in models.items()}


def _kind(model: str, claims_rotation: bool) -> str:
    if model in BASELINES:
        return "baseline"
    return "equivariant" if claims_rotation else "not equivariant"


def method_styles(summary: pd.DataFrame, audit: pd.DataFrame) -> Styles:
    """One style per method, by alphabetical order within a kind.

    The styles do not depend on the order of the rows.
    """
    styles: Styles = {}
    counts = dict.fromkeys(KINDS, 0)
    kinds = method_kinds(summary, audit)
    for method, kind in sorted(kinds.items()):
        styles[method] = _style(kind, counts[kind])
        counts[kind] += 1
    return styles


def read_methods(inputs: dict[str, Path]) -> tuple[pd.DataFrame, Styles]:
    """The summary, and the styles of its methods, from the inputs `summary` and `audit`."""
    summary = read_table(inputs["summary"])
    audit = read_claims(inputs["audit"])
    return summary, method_styles(summary, audit)


def kinds_of(styles: Styles) -> dict[str, str]:
    """The kind of each method."""
    return {method: look.kind for method, look in styles.items()}


def _style(kind: str, number: int) -> MethodStyle:
    """The style of a method from its kind and its number within the kind."""
    _, colours = KINDS[kind]
    markers = MARKERS[kind]
    lap, index = divmod(number, len(colours))
    red_green_blue = int(colours[index][1:], 16)
    # a repeated colour differs in the last bits of blue, which is not visible
    unique = red_green_blue ^ 2 * lap
    return MethodStyle(
        kind=kind,
        colour=f"#{unique:06x}",
        marker=markers[lap % len(markers)],
        linestyle=DASHES[lap % len(DASHES)],
    )


def series_colour(number: int) -> str:
    """The colour of a task by its number."""
    index = number % len(SERIES)
    return SERIES[index]


def size_key(size: str) -> float:
    """Sorting key of training set sizes; `all` comes last."""
    if size == "all":
        return float("inf")
    return float(size)


def largest_size(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task's largest training set."""
    sizes = table.groupby("task")["train_size"]
    largest = sizes.transform(lambda column: max(column, key=size_key))
    selected = table["train_size"] == largest
    return table[selected]


def sig(value: float | None, digits: int = 3) -> str:
    """Write `value` with 3 significant digits: `1.65e-07`, `0.0123`, `4.45`, `1,637`.

    A missing value is `n/a`.
    """
    if value is None or not np.isfinite(value):
        return "n/a"
    if value == 0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])  # after rounding: 0.9999 is 1.00
    if not -3 <= exponent < 6:
        return scientific
    decimals = max(digits - 1 - exponent, 0)
    return f"{value:,.{decimals}f}"


def skill(value: float | None) -> str:
    """Write a skill with two digits of its difference from 1, such as `0.99983`.

    The digits follow the difference because it tells good methods apart.
    """
    if value is None:
        return sig(value)
    if abs(value) < 1e-12:
        return "0"  # the rounding error of a reference compared with itself
    if not 0.9 < value < 1:
        return sig(value)
    if value > 0.999999:
        return ">0.999999"
    decade = int(np.ceil(-np.log10(1 - value)))
    return f"{value:.{decade + 1}f}"


def listing(words: Iterable[str], most: int = 8) -> str:
    """Join words: `a`, `a and b`, `a, b and c`, or `no method` if there are none.

    A list of more than `most` words is cut and ends with, for example, `and 9 more`.
    """
    words = list(words)
    if len(words) > most:
        left_out = len(words) - most + 1
        kept = words[: most - 1]
        words = [*kept, f"{left_out} more"]
    if not words:
        return "no method"
    *first, last = words
    if not first:
        return last
    return ", ".join(first) + " and " + last


def bracketed(words: Iterable[str]) -> str:
    """A listing in brackets after a blank, or an empty text if there are no words."""
    words = list(words)
    if not words:
        return ""
    return f" ({listing(words)})"


def panels(
    count: int, columns: int = 2, height: float = 2.6, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of text width with `count` axes in a grid of at most `columns` columns.

    Args:
        height: inches of each panel.
        sharey: whether all panels share their y axis.
    """
    columns = max(1, min(columns, count))
    rows = -(-max(count, 1) // columns)
    size = (WIDTH, rows * height + LEGEND)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    axes = list(grid.ravel())
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def empty(message: str) -> Figure:
    """A figure that states why there is nothing to draw."""
    figure = Figure(figsize=(WIDTH, 1.0))
    figure.text(
        0.5,
        0.5,
        message,
        ha="center",
        va="center",
        color=FAINT,
    )
    return figure


def nothing(message: str, counted: str = "rows") -> Drawing:
    """An empty figure and its finding: `message` as a sentence, and that there are 0 `counted`."""
    sentence = message[0].upper() + message[1:]
    return empty(message), f"{sentence}: 0 {counted}."


def spread(
    values: Sequence[float] | np.ndarray, gap: float, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Positions of labels in [low, high], at least `gap` apart, that are nearest to `values`.

    They minimise the sum of squared distances: isotonic regression of `values` minus multiples of
    the gap, by pooling adjacent violators (Barlow et al., Statistical Inference under Order
    Restrictions, 1972). A gap that is too large for the interval is reduced.
    """
    wanted = np.asarray(values, dtype=float)
    intervals = len(wanted) - 1
    gap = min(gap, (high - low) / max(intervals, 1))
    offset = gap * np.arange(len(wanted))
    order = np.argsort(wanted, kind="stable")
    fitted = _isotonic(wanted[order] - offset)
    largest = high - gap * intervals
    positions = np.empty_like(wanted)
    positions[order] = np.clip(fitted, low, largest) + offset
    return positions


def _isotonic(values: np.ndarray) -> np.ndarray:
    """The increasing sequence that is nearest to `values` (M,) in least squares."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] >= mean:
            earlier, size = blocks.pop()
            total = earlier * size + mean * count
            count += size
            mean = total / count
        blocks.append((mean, count))
    means = [mean for mean, _ in blocks]
    sizes = [size for _, size in blocks]
    return np.repeat(means, sizes)


def kind_legend(
    figure: Figure, styles: Styles, methods: Iterable[str], extra: Sequence[Line2D] = ()
) -> None:
    """Explain below the panels the markers of the kinds of `methods`, and then `extra`."""
    present = {styles[method].kind for method in methods}
    entries = [_kind_entry(kind) for kind in KINDS if kind in present]
    figure.legend(
        handles=[*entries, *extra],
        loc="outside lower center",
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.4,
    )


def _kind_entry(kind: str) -> Line2D:
    marker, colours = KINDS[kind]
    # no method has this colour, but the difference is not visible
    red_green_blue = int(colours[0][1:], 16) + 1
    return Line2D(
        [],
        [],
        color=f"#{red_green_blue:06x}",
        marker=marker,
        linestyle="none",
        label=KIND_NAMES[kind],
    )


def reference_lines(axes: Axes, errors: Iterable[float], vertical: bool = False) -> None:
    """Draw a line at the error of each reference, in the order of REFERENCES."""
    draw_line = axes.axvline if vertical else axes.axhline
    for error, dash in zip(errors, REFERENCE.values(), strict=True):
        draw_line(
            error,
            color=FAINT,
            linestyle=dash,
            linewidth=1,
            zorder=1,
        )


def reference_entries() -> list[Line2D]:
    """Legend entries of the two reference lines."""
    return [
        Line2D(
            [],
            [],
            color=FAINT,
            linestyle=dash,
            linewidth=1,
            label=name,
        )
        for name, dash in REFERENCE.items()
    ]


def label_right(
    axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], styles: Styles
) -> None:
    """Write names in the right margin, near the heights of their points, with leader lines.

    The names do not overlap. Set the limits and scales of `axes` first: they determine the places.
    """
    if not len(points):
        return
    low, high = axes.get_ylim()
    points = [(x, min(max(y, low), high)) for x, y in points]
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = to_axes.transform(points)[:, 1]
    heights = spread(wanted, 0.125 / _drawn_height(axes))
    for point, name, height in zip(points, names, heights, strict=True):
        _label(axes, point, name, height, styles[name].colour)


def _drawn_height(axes: Axes) -> float:
    """Inches of a panel that its title and axis label leave for the data."""
    figure = axes.get_figure(root=True)
    place = axes.get_subplotspec()
    assert figure is not None  # every panel has both
    assert place is not None
    rows = place.get_gridspec().nrows
    inches = figure.get_size_inches()[1]
    return (inches - LEGEND) / rows - 0.65


def _label(axes: Axes, point: tuple[float, float], name: str, height: float, colour: str) -> None:
    leader = {
        "arrowstyle": "-",
        "linewidth": 0.4,
        "color": colour,
        "alpha": 0.5,
        "relpos": (0, 0.5),
        "shrinkA": 0,
    }
    axes.annotate(
        name,
        xy=point,
        xytext=(1.04, height),
        textcoords="axes fraction",
        color=colour,
        fontsize=7.5,
        va="center",
        annotation_clip=False,
        arrowprops=leader,
    )


def panel_height(n_methods: int) -> float:
    """Inches that a panel needs for `n_methods` labels above each other."""
    labels = 0.128 * n_methods
    return max(2.3, labels + 0.7)


def ceiling(references: Iterable[float]) -> float:
    """The largest error that is drawn to scale, as a multiple of the largest reference.

    A larger error is drawn at the edge with its number, so that the others stay apart.
    """
    errors = np.asarray(list(references), dtype=float)
    largest = float(np.nanmax(errors))
    return 30 * largest


def with_floor(values: Iterable[float], floor: float | None) -> list[float]:
    """The errors that an axis has to show, with the floor if it is near enough to them.

    It is near enough if it is less than FLOOR_DECADES powers of ten below the smallest error.
    """
    errors = list(values)
    if not floor:
        return errors
    lowest = np.nanmin(errors) / 10**FLOOR_DECADES
    return [*errors, floor] if floor > lowest else errors


def floor_line(axes: Axes, value: float, kind: str, vertical: bool = False) -> None:
    """Draw a thin line at the irreducible error, with its name.

    A floor outside of the limits is written at the edge as a number. Set limits and scales first.

    Args:
        kind: column `kind` of floor.csv; a lower bound is called by this name.
    """
    name = "floor" if kind == "exact" else kind
    low, high = axes.get_xlim() if vertical else axes.get_ylim()
    if low <= value <= high:
        draw_line = axes.axvline if vertical else axes.axhline
        draw_line(value, color=INK, linewidth=0.8, zorder=1)
    else:
        name = f"{name}: {sig(value)}"
        value = high if value > high else low
    if vertical:
        _floor_name_above(axes, value, name)
    else:
        side = "top" if value > low else "bottom"  # everything else lies above the floor
        _floor_name_left(axes, value, name, side)


def _floor_name_above(axes: Axes, value: float, name: str) -> None:
    pixels = axes.transData.transform((value, 1))
    across, _ = axes.transAxes.inverted().transform(pixels)
    axes.text(
        value,
        1.01,
        name,
        transform=axes.get_xaxis_transform(),
        ha=_inward(across),
        va="bottom",
        fontsize=7,
        color=INK,
        clip_on=False,
    )


def _floor_name_left(axes: Axes, value: float, name: str, side: str) -> None:
    axes.text(
        0.02,
        value,
        name,
        transform=axes.get_yaxis_transform(),
        ha="left",
        va=side,
        fontsize=7,
        color=INK,
        clip_on=False,
    )


def _inward(across: float) -> str:
    """The alignment of a text at the fraction `across` of a panel's width that keeps it inside."""
    if across < 0.2:
        return "left"
    if across > 0.8:
        return "right"
    return "center"


def log_axis(axis: Axis, limits: tuple[float, float]) -> None:
    """Make `axis` (`axes.xaxis` or `axes.yaxis`) logarithmic, with a moderate number of ticks."""
    axes = axis.axes
    if axis is axes.xaxis:
        axes.set(xscale="log", xlim=limits)
    else:
        axes.set(yscale="log", ylim=limits)
    axis.set_minor_formatter(NullFormatter())
    low, high = limits
    span = high / low
    if span < 200:
        axis.set_major_locator(LogLocator(subs=_tick_multiples(span)))
        axis.set_major_formatter(FuncFormatter(_two_digits))
    else:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_minor_locator(NullLocator())


def _tick_multiples(span: float) -> tuple[float, ...]:
    """The multiples of each power of ten that have a tick, on an axis with `span` = high / low."""
    if span > 30:
        return (1, 3)
    if span > 3:
        return (1, 2, 5)
    return (1, 1.5, 2, 2.5, 3, 4, 5, 7)


def _two_digits(value: float, _: int | None) -> str:
    return f"{value:.2g}"


def fit_log_axis(axis: Axis, values: Iterable[float], margin: float = 0.06) -> None:
    """Make `axis` logarithmic with the limits that `log_limits` finds for `values`."""
    limits = log_limits(values, margin)
    log_axis(axis, limits)


def log_limits(values: Iterable[float], margin: float = 0.06) -> tuple[float, float]:
    """Limits of a logarithmic axis around the positive finite `values`.

    Args:
        margin: the distance on both sides, as a fraction of the span in powers of ten.
    """
    numbers = np.asarray(list(values), dtype=float)
    usable = np.isfinite(numbers) & (numbers > 0)
    logs = np.log10(numbers[usable])
    low, high = (logs.min(), logs.max()) if len(logs) else (-1, 0)
    pad = max(margin * (high - low), 0.1)
    return 10 ** (low - pad), 10 ** (high + pad)


def with_unit(figure: Figure, unit: str) -> None:
    """Add the unit of mean squared errors to the labels of all axes."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            label = axis.label
            text = label.get_text()
            text_with_unit = text.replace("MSE", f"MSE in {unit}")
            label.set_text(text_with_unit)


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` as SVG (the same bytes for the same figure) and as PNG with the same stem.

    Each file appears in one step.
    """
    path = Path(path)
    literal(figure)
    options = {"svg.hashsalt": "equitraj", "svg.fonttype": "none"}
    with matplotlib.rc_context(options):
        _save_as(figure, path.with_suffix(".svg"), {"Date": None, "Creator": "equitraj"})
        # both files have one layout; with many panels, a layout takes longer than drawing
        figure.set_layout_engine("none")
        _save_as(figure, path.with_suffix(".png"), {"Software": "equitraj"})


def _save_as(figure: Figure, path: Path, metadata: dict[str, str | None]) -> None:
    with atomic(path) as temporary:
        figure.savefig(
            temporary,
            format=path.suffix[1:],
            dpi=160,
            metadata=metadata,
            facecolor="white",
        )
