"""Physics of rollouts against the number of steps: means over starts, the median over seeds of each
method, and the truth in ink. Where they are known: the length of bonds and the radius of gyration;
how far energy, momentum and angular momentum have drifted since the start (its size), by velocities
from central differences. A bath makes them drift in the truth too. A line that leaves a panel, or
ends early, has left the physics; `physics.csv` has the distances of all distributions from the true
ones."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.report.figures import style

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
BEYOND = 100  # times the true drift: where a panel ends
OFF = 0.1  # of the true bond length


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A row per quantity, a column per task."""
    summary, table = style.read_table(inputs["summary"]), style.read_table(inputs["physics"])
    table = style.largest_size(table)
    curves = table[table["quantity"].isin(list(QUANTITIES))]
    curves = curves[curves.groupby("task")["step"].transform("max") > 1]
    if curves.empty:
        return style.empty(
            "no physics was measured in rollouts"
        ), "No physics was measured in rollouts: 0 rows."
    units = quantity_units(style.read_table(inputs["sources"]))
    audit = style.read_claims(inputs["audit"])
    styles = style.method_styles(summary, audit)
    tasks = list(curves["task"].unique())[-TASKS:]  # those of the longest histories
    quantities = [quantity for quantity in QUANTITIES if (curves["quantity"] == quantity).any()]
    methods = sorted(curves.loc[curves["task"].isin(tasks), "method"].unique())
    width = 0.5 + 0.066 * max(map(len, methods))  # inches of a line and its name
    columns = int(np.clip(style.WIDTH // width, 1, 4))
    legend = 0.17 * -(-(len(methods) + 1) // columns)
    figure = Figure(
        figsize=(style.WIDTH, 1.35 * len(quantities) + 0.5 + legend), layout="constrained"
    )
    grid = figure.subplots(len(quantities), len(tasks), squeeze=False, sharex="col")
    for axes, quantity in zip(grid, quantities, strict=True):
        for axis, task in zip(axes, tasks, strict=True):
            rows = curves[(curves["task"] == task) & (curves["quantity"] == quantity)]
            _panel(axis, rows, quantity, styles)
        unit = units[quantity]
        axes[0].set_ylabel(f"{QUANTITIES[quantity]}\n({unit})" if unit else QUANTITIES[quantity])
    for axis, task in zip(grid[0], tasks, strict=True):
        axis.set_title(task)
    for axis in grid[-1]:
        axis.set_xlabel("step")
    entries = [Line2D([], [], color=style.INK, linewidth=2.2, label="truth")]
    looks = {method: styles[method] for method in methods}
    entries += [
        Line2D([], [], color=s.colour, linestyle=s.linestyle, label=m) for m, s in looks.items()
    ]
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=columns,
        columnspacing=1.4,
        handletextpad=0.5,
    )
    return figure, finding(table, style.method_kinds(summary, audit), units["energy_drift"])


def quantity_units(sources: pd.DataFrame) -> dict[str, str]:
    """The unit of each quantity, "" where it is not known: where sources have several, or reduced
    ones.

    Masses are in g/mol (u), so that energies in nm and ps are in kJ/mol.
    """
    known = {(row.length_unit, row.time_unit) for row in sources.itertuples()}
    length, time = known.pop() if len(known) == 1 else ("reduced", "reduced")
    length, time = ("" if unit == "reduced" else unit for unit in (length, time))
    found = dict.fromkeys(QUANTITIES, "") | {"bond_length": length, "radius_of_gyration": length}
    if length and time:
        found |= {
            "momentum_drift": f"u {length}/{time}",
            "angular_momentum_drift": f"u {length}²/{time}",
        }
        found["energy_drift"] = (
            "kJ/mol" if (length, time) == ("nm", "ps") else f"u {length}²/{time}²"
        )
    return found


def _panel(
    axis: Axes, rows: pd.DataFrame, quantity: str, styles: dict[str, style.MethodStyle]
) -> None:
    if rows.empty:
        axis.set_axis_off()
        return
    curves, truth = _medians(rows), rows.groupby("step")["truth"].median()
    axis.set_xscale("log")
    if quantity in DRIFTS:
        curves, truth = curves.abs(), truth.abs()
        low, high = style.log_limits([*truth, *curves.to_numpy().ravel()])
        style.log_axis(
            axis.yaxis, (max(low, truth.min() / BEYOND), min(high, truth.max() * BEYOND))
        )
    else:
        axis.set_ylim(0.5 * truth.min(), 1.5 * truth.max())
    for method in curves:
        look = styles[method]
        axis.plot(
            curves[method].dropna(), color=look.colour, linestyle=look.linestyle, linewidth=1.1
        )
    axis.plot(truth, color=style.INK, linewidth=2.2, zorder=5)
    axis.grid()


def _medians(rows: pd.DataFrame, column: str = "predicted") -> pd.DataFrame:
    """Median over seeds, a row per step, a column per method; none where half of the seeds have
    ended."""
    seeds = rows.pivot(index="step", columns=["method", "seed"], values=column).fillna(np.inf)
    return seeds.T.groupby(level="method").median().T.replace(np.inf, np.nan)


def finding(table: pd.DataFrame, kinds: dict[str, str], energy_unit: str = "") -> str:
    """For each task how many fitted methods stay near the truth and keep bonds, and whose energy
    drifts best."""
    parts = []
    for task, rows in table.groupby("task", sort=False):
        rows = rows[rows["method"].map(kinds) != "baseline"]
        said = SAID | {"energy_drift": partial(_energy, unit=energy_unit)}
        words = [
            say(rows[rows["quantity"] == what])
            for what, say in said.items()
            if (rows["quantity"] == what).any()
        ]
        if words:
            parts.append(f"{task}, {rows['method'].nunique()} fitted methods: {', '.join(words)}")
    return "; ".join(parts) + "." if parts else "No fitted method was rolled out: 0 rows."


def _within(rows: pd.DataFrame) -> str:
    steps = rows.assign(steps=rows["predicted"].fillna(np.inf)).groupby("method")["steps"].median()
    if np.isfinite(steps.max()):
        return (
            f"the last to be off by a bond length is {steps.idxmax()}, after {steps.max():g} steps"
        )
    never = style.listing(steps.index[np.isinf(steps)])
    return f"within a bond length of the truth for {rows['step'].max()} steps stay {np.isinf(steps).sum()} ({never})"


def _bonds(rows: pd.DataFrame) -> str:
    last, truth = _medians(rows, "distance").iloc[-1], rows.loc[rows["step"].idxmax(), "truth"]
    off = ~(last <= OFF * truth)
    return f"bond lengths are off by more than {100 * OFF:.0f} % then with {off.sum()}"


def _energy(rows: pd.DataFrame, unit: str) -> str:
    step, truth = rows["step"].max(), rows.loc[rows["step"].idxmax(), "truth"]
    drift = _medians(rows).iloc[-1].dropna()
    if drift.empty:
        return f"no energy is a number after {step} steps"
    best = (drift - truth).abs().idxmin()
    return (
        f"the energy of {best} drifts least wrongly, by {style.sig(drift[best])} {unit}".rstrip()
        + f" after {step} steps, that of the truth by {style.sig(truth)}"
    )


SAID = {"steps_to_bond_length": _within, "bond_length": _bonds}
