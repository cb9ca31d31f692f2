"""Which change of a butane molecule leaves the energy of which untrained model alone: the chapter's
five models, each less free than the one above it. Numbers are the median relative change of the
energy over random weights."""

from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from equitraj.report.figures.style import ON_BRIGHT, WIDTH, listing, read_table

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


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    table = read_table(inputs["ladder"])
    models, changes = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["generator"]))
    cells = table.set_index(["model", "generator"])
    invariant = np.array(
        [[cells.loc[(m, c), "verdict"] == "invariant" for c in changes] for m in models]
    )
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axes = figure.subplots()
    axes.imshow(invariant, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for (row, column), same in np.ndenumerate(invariant):
        change = cells.loc[(models[row], changes[column]), "relative_change"]
        text = "invariant" if same else f"changed\n{100 * change:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=ON_BRIGHT, fontsize=8)
    axes.set_xticks(range(len(changes)), [COLUMNS.get(change, change) for change in changes])
    axes.set_yticks(
        range(len(models)),
        [model.replace("+", " +\n", 1).replace("+r", " + r") for model in models],
    )
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.hlines(
        np.arange(1, len(models)) - 0.5, -0.5, len(changes) - 0.5, color="white", linewidth=2
    )
    axes.vlines(
        np.arange(1, len(changes)) - 0.5, -0.5, len(models) - 0.5, color="white", linewidth=2
    )
    last = [
        COLUMNS.get(change, change).replace("\n", " ")
        for change, same in zip(changes, invariant[-1], strict=True)
        if not same
    ]
    return figure, (
        f"Invariant cells per model, from the top: {listing(map(str, invariant.sum(1)))} of {len(changes)}. The last "
        f"model still answers when the molecule really changes ({listing(last)}), but it cannot tell a mirror image "
        f"apart."
    )
