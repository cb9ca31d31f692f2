"""Physical quantities in rollouts against the number of steps, compared with the true values.

The curves are means over starts and medians over seeds for each method; the dark line is the truth.
Where the quantities are known, the rows show the length of bonds, the radius of gyration, and the
size of the change of energy, momentum and angular momentum since the start, with velocities from
central differences. With a heat bath, the true values change too. A line that leaves a panel or
ends early is unphysical. `physics.csv` has the distances of all distributions from the true
ones."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.report.figures.style import (
    INK,
    WIDTH,
    Drawing,
    Styles,
    kinds_of,
    largest_size,
    listing,
    log_axis,
    log_limits,
    nothing,
    read_methods,
    read_table,
    sig,
    task_rows,
)

TITLE = "Physics in rollouts"
INPUTS = ("summary", "audit", "physics", "sources")
QUANTITIES = {
    "bond_length": "bond length",
    "radius_of_gyration": "radius of gyration",
    "energy_drift": "drift of energy",
    "momentum_drift": "drift of momentum",
    "angular_momentum_drift": "drift of angular\nmomentum",
}
DRIFTS = ("energy_drift", "momentum_drift", "angular_momentum_drift")
TASKS = 3  # columns
BEYOND = 100  # limits of a panel, as a multiple of the true drift
OFF = 0.1  # of the true bond length


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a row per quantity and a column per task."""
    _, styles = read_methods(inputs)
    table = largest_size(read_table(inputs["physics"]))
    curves = table[table["quantity"].isin(list(QUANTITIES))]
    curves = curves[curves.groupby("task")["step"].transform("max") > 1]
    if curves.empty:
        return nothing("no physics was measured in rollouts")
    units = quantity_units(read_table(inputs["sources"]))
    tasks = list(curves["task"].unique())[-TASKS:]  # the tasks with the longest histories
    shown = curves[curves["task"].isin(tasks)]
    measured = set(curves["quantity"])
    quantities = [quantity for quantity in QUANTITIES if quantity in measured]
    methods = sorted(shown["method"].unique())
    columns, legend_height = _legend_size(methods)
    size = (WIDTH, 1.35 * len(quantities) + 0.5 + legend_height)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(quantities), len(tasks), squeeze=False, sharex="col")
    for axes, quantity in zip(grid, quantities, strict=True):
        rows = shown[shown["quantity"] == quantity]
        for axis, task in zip(axes, tasks, strict=True):
            _panel(axis, task_rows(rows, task), quantity, styles)
        axes[0].set_ylabel(_label(quantity, units[quantity]))
    for axis, task in zip(grid[0], tasks, strict=True):
        axis.set_title(task)
    for axis in grid[-1]:
        axis.set_xlabel("step")
    _legend(figure, methods, styles, columns)
    return figure, finding(table, kinds_of(styles), units["energy_drift"])


def _legend_size(methods: list[str]) -> tuple[int, float]:
    """Columns of the legend, and its height in inches."""
    longest = max(map(len, methods))
    width = 0.5 + 0.066 * longest  # inches of a line and its name
    columns = int(np.clip(WIDTH // width, 1, 4))
    rows = -(-(len(methods) + 1) // columns)
    return columns, 0.17 * rows


def _legend(figure: Figure, methods: list[str], styles: Styles, columns: int) -> None:
    entries = [Line2D([], [], color=INK, linewidth=2.2, label="truth")]
    for method in methods:
        entry = Line2D([], [], **styles[method].line, label=method)
        entries.append(entry)
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=columns,
        columnspacing=1.4,
        handletextpad=0.5,
    )


def _label(quantity: str, unit: str) -> str:
    name = QUANTITIES[quantity]
    if not unit:
        return name
    return f"{name}\n({unit})"


def quantity_units(sources: pd.DataFrame) -> dict[str, str]:
    """The unit of each quantity, or "" if it is unknown.

    It is unknown if sources have different units or reduced ones. Masses are in g/mol (u), so that
    energies in nm and ps are in kJ/mol.
    """
    units = dict.fromkeys(QUANTITIES, "")
    known = {(row.length_unit, row.time_unit) for row in sources.itertuples()}
    if len(known) != 1:
        return units
    length, time = ("" if unit == "reduced" else unit for unit in known.pop())
    units |= {
        "bond_length": length,
        "radius_of_gyration": length,
    }
    if not (length and time):
        return units
    energy = "kJ/mol" if (length, time) == ("nm", "ps") else f"u {length}²/{time}²"
    return units | {
        "energy_drift": energy,
        "momentum_drift": f"u {length}/{time}",
        "angular_momentum_drift": f"u {length}²/{time}",
    }


def _panel(axis: Axes, rows: pd.DataFrame, quantity: str, styles: Styles) -> None:
    if rows.empty:
        axis.set_axis_off()
        return
    curves = _medians(rows)
    truth = rows.groupby("step")["truth"].median()
    axis.set_xscale("log")
    if quantity in DRIFTS:
        curves = curves.abs()
        truth = truth.abs()
        values = curves.to_numpy().ravel()
        low, high = log_limits([*truth, *values])
        low = max(low, truth.min() / BEYOND)
        high = min(high, truth.max() * BEYOND)
        log_axis(axis.yaxis, (low, high))
    else:
        axis.set_ylim(0.5 * truth.min(), 1.5 * truth.max())
    for method in curves:
        curve = curves[method].dropna()
        axis.plot(curve, **styles[method].line, linewidth=1.1)
    axis.plot(truth, color=INK, linewidth=2.2, zorder=5)
    axis.grid()


def _medians(rows: pd.DataFrame, column: str = "predicted") -> pd.DataFrame:
    """Medians over seeds, with a row per step and a column per method.

    They are missing where half of the seeds have ended.
    """
    seeds = rows.pivot(
        index="step",
        columns=["method", "seed"],
        values=column,
    )
    by_method = seeds.fillna(np.inf).T.groupby(level="method")
    medians = by_method.median().T
    return medians.replace(np.inf, np.nan)


def finding(table: pd.DataFrame, kinds: dict[str, str], energy_unit: str = "") -> str:
    """For each task, compare the fitted methods by distance, bond lengths and drift of energy."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        fitted = rows[rows["method"].map(kinds) != "baseline"]
        words = _comparisons(fitted, energy_unit)
        if words:
            count = fitted["method"].nunique()
            parts.append(f"{task}: of {count} fitted methods {', '.join(words)}")
    if not parts:
        return "No fitted method was rolled out: 0 rows."
    return "; ".join(parts) + "."


def _comparisons(rows: pd.DataFrame, energy_unit: str) -> list[str]:
    """What the finding states about each quantity that was measured."""
    quantities = {quantity: part for quantity, part in rows.groupby("quantity")}
    words = []
    if "steps_to_bond_length" in quantities:
        words.append(_within(quantities["steps_to_bond_length"]))
    if "bond_length" in quantities:
        words.append(_bonds(quantities["bond_length"]))
    if "energy_drift" in quantities:
        words.append(_energy(quantities["energy_drift"], energy_unit))
    return words


def _within(rows: pd.DataFrame) -> str:
    """The methods that stay within a bond length of the truth, or the last one to leave."""
    numbers = rows.assign(steps=rows["predicted"].fillna(np.inf))
    steps = numbers.groupby("method")["steps"].median()
    if np.isfinite(steps.max()):
        last = f"{steps.idxmax()}, after {steps.max():g} steps"
        return f"the last to be a bond length from the truth is {last}"
    never = steps.index[np.isinf(steps)]
    n_steps = rows["step"].max()
    return (
        f"{len(never)} stay within a bond length of the truth for {n_steps} steps "
        f"({listing(never)})"
    )


def _bonds(rows: pd.DataFrame) -> str:
    distance = _medians(rows, "distance").iloc[-1]
    last = rows["step"].idxmax()
    truth = rows.loc[last, "truth"]
    off = ~(distance <= OFF * truth)
    return f"at the end {off.sum()} have bond lengths that are wrong by over {100 * OFF:.0f} %"


def _energy(rows: pd.DataFrame, unit: str) -> str:
    last = rows.loc[rows["step"].idxmax()]
    step, truth = last["step"], last["truth"]
    drift = _medians(rows).iloc[-1].dropna()
    if drift.empty:
        return f"no energy is a number after {step} steps"
    best = (drift - truth).abs().idxmin()
    size = f"{sig(drift[best])} {unit}".rstrip()
    return (
        f"{best} has the most accurate drift of energy, {size} after {step} steps "
        f"(truth: {sig(truth)})"
    )
