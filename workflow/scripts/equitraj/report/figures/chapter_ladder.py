"""Which changes of a butane molecule leave the energy of which untrained model unchanged?

The rows are the five models of the chapter, each with fewer degrees of freedom than the one above
it. The numbers are the median relative change of the energy over random weights."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from equitraj.report.figures.style import ON_BRIGHT, WIDTH, Drawing, listing, read_table

INPUTS = ("ladder",)
TITLE = "The ladder of invariances"
COLOURS = ListedColormap(["#f6d5c3", "#cfe3f1"])
COLUMNS = {
    "translation": "translated",
    "rotation": "rotated",
    "reflection": "reflected",
    "permutation_same_element": "two C\nswapped",
    "permutation_with_features": "C and H\nswapped",
    "conformation": "one atom\nmoved",
}


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per model and a column per change."""
    table = read_table(inputs["ladder"])
    models = list(dict.fromkeys(table["model"]))
    changes = list(dict.fromkeys(table["generator"]))
    cells = table.set_index(["model", "generator"])
    verdicts = [[cells.loc[(model, change), "verdict"] for change in changes] for model in models]
    invariant = np.array(verdicts) == "invariant"
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axes = figure.subplots()
    axes.imshow(invariant, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for (row, column), same in np.ndenumerate(invariant):
        size = cells.loc[(models[row], changes[column]), "relative_change"]
        text = "invariant" if same else f"changed\n{100 * size:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=ON_BRIGHT, fontsize=8)
    names = [COLUMNS.get(change, change) for change in changes]
    _labels(axes, models, names)
    _lines_between_cells(axes, len(models), len(changes))
    return figure, finding(invariant, names)


def _labels(axes: Axes, models: list[str], names: list[str]) -> None:
    """Write the names of models, broken into lines, and the names of changes."""
    broken = [model.replace("+", " +\n", 1) for model in models]
    spaced = [model.replace("+r", " + r") for model in broken]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(models)), spaced)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _lines_between_cells(axes: Axes, rows: int, columns: int) -> None:
    between_rows = np.arange(1, rows) - 0.5
    between_columns = np.arange(1, columns) - 0.5
    axes.hlines(between_rows, -0.5, columns - 0.5, color="white", linewidth=2)
    axes.vlines(between_columns, -0.5, rows - 0.5, color="white", linewidth=2)


def finding(invariant: np.ndarray, names: list[str]) -> str:
    """Count the invariant cells of each model, and list the changes that the last model notices."""
    counts = listing(map(str, invariant.sum(1)))
    words = [name.replace("\n", " ") for name in names]
    last_row = zip(words, invariant[-1], strict=True)
    changed = [word for word, same in last_row if not same]
    return (
        f"Invariant cells per model, from the top: {counts} of {len(names)}. The last model still "
        f"answers when the molecule really changes ({listing(changed)}), but it cannot distinguish "
        f"mirror images."
    )
