"""Symmetry of the trained methods in float64. A cell is the worst error over tasks and seeds.

The error is the mean change of the prediction when the input is transformed and the prediction is
transformed back, relative to the predicted displacement. The number is a power of ten; a dark cell
is a rounding error, and a bright cell is as large as the motion itself. A box marks a symmetry that
the method claims: solid lines for an exact claim, dashed lines for a claim in expectation over the
method's own random draws, dotted lines for a learned symmetry. A red cross marks a claim that does
not hold in one of the two precisions. Translations are multiples of the extent of the points. Time
reversal and scaling are measured but never claimed."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from equitraj.report.audited import tally
from equitraj.report.figures._data import gid, tell
from equitraj.report.figures.shared import by_kind
from equitraj.report.figures.style import (
    FAINT,
    INK,
    ON_BRIGHT,
    ON_DARK,
    WIDTH,
    WRONG,
    Drawing,
    LineStyle,
    listing,
    method_kinds,
    nothing,
    read_table,
    sig,
)

TITLE = "Symmetry audit of the trained methods"
INPUTS = ("summary", "audit")
GENERATORS = {
    "rotation": "rotation",
    "rotation_z": "rotation about z",
    "inversion": "inversion",
    "mirror": "mirror",
    "translation": "translation",
    "translation_0.1": "translation 0.1",
    "translation_1": "translation 1",
    "translation_10": "translation 10",
    "permutation": "permutation",
    "euclidean": "E(3) combined",
    "time_reversal": "time reversal",
    "scaling": "scaling",
}
REPORTED = ("time_reversal", "scaling")  # measured, but never claimed
CROSS = "#d00000"
FRAMES: dict[str, LineStyle] = {  # the lines of the boxes
    "exact": "-",
    "in expectation": (0, (3, 1.5)),
    "learned": (0, (1, 1.2)),
}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per method, grouped by kind, and a column per generator."""
    summary = read_table(inputs["summary"])
    audit = read_table(inputs["audit"])
    trained = audit[audit["weights"] == "trained"]
    if trained.empty:
        return nothing("no trained method was audited")
    kinds = method_kinds(summary, audit)
    return of_table(trained, kinds), finding(trained)


def of_table(trained: pd.DataFrame, kinds: dict[str, str] | None = None) -> Figure:
    """Draw the matrix of audit rows with a column `method`; methods of a kind are adjacent."""
    cells = worst_cells(trained)
    kinds = kinds or {}
    methods = by_kind(cells.index.unique("method"), kinds)
    columns = sorted(cells.index.unique("generator"), key=_column_key)
    height = 0.2 * len(methods) + 1.75
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    decade = _decades(cells, methods, columns)
    meshes = _meshes(axis, methods, decade)
    _cells(axis, cells, methods, columns, decade)
    _labels(axis, cells, methods, columns)
    _colourbar(figure, axis, meshes[-1])
    row_kinds = [kinds.get(method) for method in methods]
    claimed = sum(generator not in REPORTED for generator in columns)
    _dividers(axis, row_kinds, claimed, len(columns))
    _legend(figure, cells)
    _tell(axis, cells, methods, columns)
    return figure


def worst_cells(trained: pd.DataFrame) -> pd.DataFrame:
    """The error, the claim and their agreement, by method and generator.

    The error is the largest rel_mean in the finest precision. Column `agreed` is true if all rows
    agree with the claim.
    """
    applicable = trained["verdict"] != "not applicable"
    finest = trained["dtype"] == trained["dtype"].max()  # float64 sorts after float32
    table = trained.assign(
        error=trained["rel_mean"].where(applicable & finest),
        agreed=trained["agrees"] != "no",
    )
    groups = table.groupby(["method", "generator"])
    return groups.agg(
        error=("error", "max"),
        claim=("claim", "first"),
        agreed=("agreed", "all"),
    )


def _column_key(generator: str) -> tuple[float, str]:
    """Sort generators as in GENERATORS; unknown ones come before time reversal."""
    order = list(GENERATORS)
    if generator in order:
        return order.index(generator), generator
    return len(order) - 2.5, generator


def _decades(cells: pd.DataFrame, methods: list[str], columns: list[str]) -> np.ndarray:
    """The logarithms of the errors (methods, columns), limited to the colour map's range."""
    index = pd.MultiIndex.from_product([methods, columns], names=cells.index.names)
    errors = cells["error"].reindex(index).to_numpy(dtype=float)
    table = errors.reshape(len(methods), len(columns))
    return np.log10(np.clip(table, 1e-16, 1e2))


def _meshes(axis: Axes, methods: list[str], decade: np.ndarray) -> list[QuadMesh]:
    """Draw the colours, with one image per method, so that the page can find each method."""
    edges = np.arange(decade.shape[1] + 1) - 0.5
    meshes = []
    for row, method in enumerate(methods):
        mesh = axis.pcolormesh(
            edges,
            [row - 0.5, row + 0.5],
            decade[row : row + 1],
            cmap="YlGnBu_r",
            vmin=-16,
            vmax=1,
            edgecolor="face",
            linewidth=0.4,
        )
        mesh.set_gid(gid(method))
        meshes.append(mesh)
    axis.set(xlim=edges[[0, -1]], ylim=(len(methods) - 0.5, -0.5))
    return meshes


def _cells(
    axis: Axes, cells: pd.DataFrame, methods: list[str], columns: list[str], decade: np.ndarray
) -> None:
    for row, method in enumerate(methods):
        for column, generator in enumerate(columns):
            key = (method, generator)
            if key not in cells.index:
                continue
            artists = _cell(axis, row, column, cells.loc[key], decade[row, column])
            for number, artist in enumerate(artists):
                artist.set_gid(gid(method, column, number))


def _cell(axis: Axes, row: int, column: int, cell: pd.Series, decade: float) -> list[Artist]:
    """Draw the number of a cell, its box and its cross."""
    ink = _ink(cell["error"], decade)
    text = axis.text(
        column if cell["agreed"] else column - 0.13,  # next to the cross
        row,
        _power(cell["error"]),
        ha="center",
        va="center",
        fontsize=7,
        color=ink,
    )
    artists: list[Artist] = [text]
    if cell["claim"] in FRAMES:
        box = Rectangle(
            (column - 0.45, row - 0.4),
            0.9,
            0.8,
            fill=False,
            edgecolor=ink,
            linewidth=0.9,
            linestyle=FRAMES[cell["claim"]],
        )
        artists.append(axis.add_patch(box))
    if not cell["agreed"]:
        artists += axis.plot(
            column + 0.3,
            row,
            marker="x",
            color=CROSS,
            markersize=5,
            markeredgewidth=1.8,
        )
    return artists


def _ink(error: float, decade: float) -> str:
    if np.isnan(error):
        return FAINT
    return ON_DARK if decade < -8 else ON_BRIGHT


def _power(error: float) -> str:
    """The number in a cell: the power of ten that is nearest to its error."""
    if np.isnan(error):
        return "n/a"
    if error == 0:
        return "0"
    if not 0 < error < np.inf:
        return "∞"
    exponent = round(np.log10(error))
    return f"$10^{{{exponent}}}$"


def _labels(axis: Axes, cells: pd.DataFrame, methods: list[str], columns: list[str]) -> None:
    """Write the names of rows and columns; methods with a broken claim are red."""
    axis.set_yticks(range(len(methods)), methods, fontsize=7.5)
    for label, method in zip(axis.get_yticklabels(), methods, strict=True):
        if not cells.loc[method, "agreed"].all():
            label.set(color=WRONG, fontweight="bold")
    names = [_generator_name(generator) for generator in columns]
    axis.set_xticks(
        range(len(columns)),
        names,
        rotation=35,
        ha="left",
        rotation_mode="anchor",
        fontsize=7.5,
    )
    axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)


def _generator_name(generator: str) -> str:
    plain = generator.replace("_", " ")
    return GENERATORS.get(generator, plain)


def _colourbar(figure: Figure, axis: Axes, mesh: QuadMesh) -> None:
    bar = figure.colorbar(
        mesh,
        ax=axis,
        ticks=[-15, -10, -5, 0],
        pad=0.01,
        fraction=0.03,
    )
    bar.ax.set_yticklabels(["$10^{-15}$", "$10^{-10}$", "$10^{-5}$", "1"])
    bar.set_label("relative change")


def _dividers(axis: Axes, kinds: list[str | None], claimed: int, columns: int) -> None:
    """Draw white lines between kinds, and before the generators that are never claimed."""
    for y in range(1, len(kinds)):
        if kinds[y] != kinds[y - 1]:
            axis.axhline(y - 0.5, color="white", linewidth=4)
    if 0 < claimed < columns:
        axis.axvline(claimed - 0.5, color="white", linewidth=4)


def _legend(figure: Figure, cells: pd.DataFrame) -> None:
    present = set(cells["claim"])
    entries: list[Artist] = [_box_entry(level) for level in FRAMES if level in present]
    cross = Line2D(
        [],
        [],
        linestyle="none",
        marker="x",
        color=CROSS,
        markeredgewidth=2,
        label="claim broken",
    )
    entries.append(cross)
    figure.legend(handles=entries, loc="outside lower center", ncols=4)


def _box_entry(level: str) -> Patch:
    return Patch(
        facecolor="white",
        edgecolor=INK,
        linestyle=FRAMES[level],
        label=f"claimed: {level}",
    )


def _tell(axis: Axes, cells: pd.DataFrame, methods: list[str], columns: list[str]) -> None:
    """Record the numbers of the cells for the page."""
    shown = []
    for (method, generator), error in cells["error"].items():
        name = GENERATORS.get(generator, generator)
        across = columns.index(generator)
        down = methods.index(method)
        shown.append((method, name, error, across, down))
    tell(axis, "transformation", "relative change", shown)


def finding(trained: pd.DataFrame) -> str:
    """Count the claims that hold, and list the broken ones with their errors."""
    text = tally(trained) or "no method claims a symmetry"
    sentence = text[0].upper() + text[1:]
    rows = trained[trained["agrees"] == "no"]
    errors = rows.groupby(["method", "generator"])["rel_mean"].max()
    broken = []
    for (method, generator), error in errors.items():
        name = GENERATORS.get(generator, generator)
        broken.append(f"{method} under {name} (relative change {sig(error)})")
    if not broken:
        return f"{sentence}."
    return f"{sentence}; not so: {listing(broken)}."
