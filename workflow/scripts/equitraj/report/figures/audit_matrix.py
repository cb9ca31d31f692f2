"""Symmetry of the trained methods as measured in float64: the mean change when the input is
transformed and the prediction is transformed back, relative to the predicted displacement; the
worst over tasks and seeds. A cell shows the power of ten, dark for rounding and bright for the size
of the motion itself. A frame means that the method claims this symmetry: solid exactly, dashed in
expectation over its own random draws, dotted learned. A red cross: a claim that does not hold, in
either precision. Translations are by parts of the points' extent. Time reversal and scaling are
measured, never claimed."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from equitraj.report.audited import tally
from equitraj.report.figures import _data, shared, style

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
REPORTED = ("time_reversal", "scaling")  # measured, and claimed by nobody
CROSS = "#d00000"
FRAMES = {"exact": "-", "in expectation": (0, (3, 1.5)), "learned": (0, (1, 1.2))}


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A row per method, grouped by kind; a column per generator."""
    summary, audit = style.read_table(inputs["summary"]), style.read_table(inputs["audit"])
    trained = audit[audit["weights"] == "trained"]
    if trained.empty:
        return style.empty(
            "no trained method was audited"
        ), "No trained method was audited: 0 rows."
    return of_table(trained, style.method_kinds(summary, audit)), finding(trained)


def of_table(trained: pd.DataFrame, kinds: dict[str, str] | None = None) -> Figure:
    """The matrix of the rows of audits, with a column `method`; methods of a kind stand together."""
    cells, kinds = worst_cells(trained), kinds or {}
    methods = shared.by_kind(cells.index.unique("method"), kinds)
    order = list(GENERATORS)
    columns = sorted(
        cells.index.unique("generator"),
        key=lambda g: (order.index(g) if g in order else len(order) - 2.5, g),
    )
    figure = Figure(figsize=(style.WIDTH, 0.2 * len(methods) + 1.75), layout="constrained")
    axis = figure.subplots()
    _matrix(axis, figure, cells, methods, columns)
    _dividers(
        axis, [kinds.get(m) for m in methods], sum(g not in REPORTED for g in columns), len(columns)
    )
    _legend(figure, cells)
    places = {(m, g): (columns.index(g), methods.index(m)) for m, g in cells.index}
    _data.tell(axis, "transformation", "relative change", [
        (method, GENERATORS.get(generator, generator), error, *places[method, generator])
        for (method, generator), error in cells["error"].items()
    ])  # fmt: skip
    return figure


def worst_cells(trained: pd.DataFrame) -> pd.DataFrame:
    """For each method and generator: the largest rel_mean in the finest precision, the claim,
    whether all agree."""
    applicable = trained["verdict"] != "not applicable"
    finest = trained["dtype"] == trained["dtype"].max()  # float64 sorts after float32
    table = trained.assign(
        error=trained["rel_mean"].where(applicable & finest), agreed=trained["agrees"] != "no"
    )
    groups = table.groupby(["method", "generator"])
    return groups.agg(error=("error", "max"), claim=("claim", "first"), agreed=("agreed", "all"))


def _matrix(
    axis: Axes, figure: Figure, cells: pd.DataFrame, methods: list[str], columns: list[str]
) -> None:
    index = pd.MultiIndex.from_product([methods, columns], names=cells.index.names)
    errors = cells["error"].reindex(index).to_numpy(dtype=float).reshape(len(methods), len(columns))
    decade = np.log10(np.clip(errors, 1e-16, 1e2))
    edges = np.arange(len(columns) + 1) - 0.5
    for row, method in enumerate(methods):  # one image each, so that the page finds it
        look = {"cmap": "YlGnBu_r", "vmin": -16, "vmax": 1, "edgecolor": "face", "linewidth": 0.4}
        image = axis.pcolormesh(edges, [row - 0.5, row + 0.5], decade[row : row + 1], **look)
        image.set_gid(_data.gid(method))
    axis.set(xlim=edges[[0, -1]], ylim=(len(methods) - 0.5, -0.5))
    for row, method in enumerate(methods):
        for column, generator in enumerate(columns):
            if (method, generator) in cells.index:
                cell = _cell(axis, row, column, cells.loc[(method, generator)], decade[row, column])
                for i, artist in enumerate(cell):
                    artist.set_gid(_data.gid(method, column, i))
    axis.set_yticks(range(len(methods)), methods, fontsize=7.5)
    for label, method in zip(axis.get_yticklabels(), methods, strict=True):
        if not cells.loc[method, "agreed"].all():
            label.set(color=style.WRONG, fontweight="bold")
    names = [GENERATORS.get(g, g.replace("_", " ")) for g in columns]
    axis.set_xticks(
        range(len(columns)), names, rotation=35, ha="left", rotation_mode="anchor", fontsize=7.5
    )
    axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, ticks=[-15, -10, -5, 0], pad=0.01, fraction=0.03)
    bar.ax.set_yticklabels(["$10^{-15}$", "$10^{-10}$", "$10^{-5}$", "1"])
    bar.set_label("relative change")


def _cell(axis: Axes, row: int, column: int, cell: pd.Series, decade: float) -> list[Artist]:
    error = cell["error"]
    ink = style.FAINT if np.isnan(error) else style.ON_DARK if decade < -8 else style.ON_BRIGHT
    text = "n/a" if np.isnan(error) else "0" if error == 0 else "∞"
    if 0 < error < np.inf:
        text = f"$10^{{{round(np.log10(error))}}}$"
    place = column if cell["agreed"] else column - 0.13  # beside the cross
    drawn = [axis.text(place, row, text, ha="center", va="center", fontsize=7, color=ink)]
    if cell["claim"] in FRAMES:
        dash = FRAMES[cell["claim"]]
        box = Rectangle(
            (column - 0.45, row - 0.4),
            0.9,
            0.8,
            fill=False,
            edgecolor=ink,
            linewidth=0.9,
            linestyle=dash,
        )
        drawn.append(axis.add_patch(box))
    if not cell["agreed"]:
        drawn += axis.plot(
            column + 0.3, row, marker="x", color=CROSS, markersize=5, markeredgewidth=1.8
        )
    return drawn


def _dividers(axis: Axes, kinds: list[str | None], claimed: int, columns: int) -> None:
    for y in range(1, len(kinds)):
        if kinds[y] != kinds[y - 1]:
            axis.axhline(y - 0.5, color="white", linewidth=4)
    if 0 < claimed < columns:
        axis.axvline(claimed - 0.5, color="white", linewidth=4)


def _legend(figure: Figure, cells: pd.DataFrame) -> None:
    present = set(cells["claim"])
    entries = [
        Patch(facecolor="white", edgecolor=style.INK, linestyle=dash, label=f"claimed: {level}")
        for level, dash in FRAMES.items()
        if level in present
    ]
    cross = Line2D(
        [], [], linestyle="none", marker="x", color=CROSS, markeredgewidth=2, label="claim broken"
    )
    figure.legend(handles=[*entries, cross], loc="outside lower center", ncols=4)


def finding(trained: pd.DataFrame) -> str:
    """How many claims hold, and those that do not with the error measured."""
    text = tally(trained) or "no method claims a symmetry"
    broken = trained[trained["agrees"] == "no"].groupby(["method", "generator"])["rel_mean"].max()
    worst = [
        f"{method} under {GENERATORS.get(generator, generator)} (relative change {style.sig(value)})"
        for (method, generator), value in broken.items()
    ]
    return f"{text[0].upper()}{text[1:]}{f'; not so: {style.listing(worst)}' if worst else ''}."
