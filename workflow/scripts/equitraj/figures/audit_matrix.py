"""Symmetry of the trained methods as measured: the mean change when the input is transformed and the prediction is
transformed back, relative to the predicted displacement; the worst over tasks and seeds. A frame means that the method
claims this symmetry, a cross that the claim does not hold. Rounding alone is larger in float32 than in float64 by nine
decades, and larger the smaller the displacements are beside the positions."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from equitraj.figures import style

TITLE = "Symmetry audit of the trained methods"
INPUTS = ("summary", "audit")
GENERATORS = ["rotation", "reflection", "translation", "permutation"]


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A row per method, a column per generator and precision."""
    summary, audit = style.read_table(inputs["summary"]), style.read_table(inputs["audit"])
    trained = audit[audit["weights"] == "trained"]
    if trained.empty:
        return style.empty("no trained method was audited"), "No trained method was audited: 0 rows."
    cells = worst_cells(trained)
    kinds = style.method_kinds(summary, audit)
    order = list(style.KINDS)
    methods = sorted(cells.index.unique("method"), key=lambda m: (order.index(kinds.get(m, "baseline")), m))
    columns = sorted(cells.index.droplevel("method").unique(), key=_column_key)
    figure = Figure(figsize=(style.WIDTH, 0.27 * len(methods) + 1.5), layout="constrained")
    axis = figure.subplots()
    _matrix(axis, figure, cells, methods, columns)
    return figure, finding(trained)


def worst_cells(trained: pd.DataFrame) -> pd.DataFrame:
    """For each method, generator and dtype: the largest rel_mean, whether it is claimed, whether all verdicts agree."""
    applicable = trained["verdict"] != "not applicable"
    table = trained.assign(
        error=trained["rel_mean"].where(applicable), claimed=trained["claim"] == "yes", agreed=trained["agrees"] != "no"
    )
    groups = table.groupby(["method", "generator", "dtype"])
    return groups.agg(error=("error", "max"), claimed=("claimed", "any"), agreed=("agreed", "all"))


def _column_key(column: tuple[str, str]) -> tuple:
    generator, dtype = column
    return (GENERATORS.index(generator) if generator in GENERATORS else len(GENERATORS), generator, dtype)


def _matrix(axis: Axes, figure: Figure, cells: pd.DataFrame, methods: list[str], columns: list[tuple]) -> None:
    index = pd.MultiIndex.from_tuples([(m, *c) for m in methods for c in columns], names=cells.index.names)
    errors = cells["error"].reindex(index).to_numpy(dtype=float).reshape(len(methods), len(columns))
    decade = np.log10(np.clip(errors, 1e-16, 1e2))
    image = axis.imshow(decade, cmap="YlGnBu_r", vmin=-16, vmax=1, aspect="auto")
    for row, method in enumerate(methods):
        for column, key in enumerate(columns):
            if (method, *key) in cells.index:
                _cell(axis, row, column, cells.loc[(method, *key)], decade[row, column])
    axis.set_yticks(range(len(methods)), methods)
    axis.set_xticks(range(len(columns)), [f"{generator}\n{dtype}" for generator, dtype in columns], fontsize=7.5)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, ticks=[-15, -10, -5, 0], pad=0.01, fraction=0.03)
    bar.ax.set_yticklabels(["$10^{-15}$", "$10^{-10}$", "$10^{-5}$", "1"])
    bar.set_label("relative change")


def _cell(axis: Axes, row: int, column: int, cell: pd.Series, decade: float) -> None:
    ink = "white" if decade < -8 else style.INK
    error = cell["error"]
    text = "n/a" if np.isnan(error) else "0" if error == 0 else "∞"
    if 0 < error < np.inf:
        text = f"$10^{{{round(np.log10(error))}}}$"
    axis.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
    if cell["claimed"]:
        frame = Rectangle((column - 0.45, row - 0.4), 0.9, 0.8, fill=False, edgecolor=ink, linewidth=1.2)
        axis.add_patch(frame)
    if not cell["agreed"]:
        axis.plot(column + 0.32, row, marker="x", color=style.RED, markersize=7, markeredgewidth=2)


def finding(trained: pd.DataFrame) -> str:
    """How many claims hold, and those that do not with the error measured."""
    judged = trained[(trained["claim"] == "yes") & (trained["verdict"] != "not applicable")]
    keys = ["method", "generator", "dtype"]
    claims = judged.groupby(keys)
    broken = judged[judged["agrees"] == "no"].groupby(["method", "generator"])["rel_mean"].max()
    holds = claims["agrees"].agg(lambda values: (values != "no").all()).sum()
    if broken.empty:
        return f"All {holds} claims (method, generator, precision) hold."
    worst = [
        f"{method} under {generator} (relative change {style.sig(value)})"
        for (method, generator), value in broken.items()
    ]
    return f"{holds} of {len(claims)} claims (method, generator, precision) hold; not so: {style.listing(worst)}."
