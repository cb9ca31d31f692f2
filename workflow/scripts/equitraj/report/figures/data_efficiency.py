"""Test error against training samples, a line per method, typical errors (geometric means over
seeds) with 95 % intervals over seeds and blocks of test samples where there are three seeds or
more, a point per seed where there are fewer. An arrow along the axis of samples says how many times
as many samples a method needs without its route to symmetry. The dashed line is the error of no
motion, the dotted one that of constant velocity, and the thin one the floor, which no method can
beat."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from equitraj.report.figures import style
from equitraj.report.floor import Level, levels

TITLE = "Error against training samples"
INPUTS = ("metrics", "summary", "audit", "data_factors", "splits", "floor")
PANELS = 4  # tasks that are drawn
ALONE = 6.0  # inches; one panel stands beside a table on the first screen, and its words must be large enough


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task."""
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    metrics, factors = style.read_table(inputs["metrics"]), style.read_table(inputs["data_factors"])
    styles = style.method_styles(summary, audit)
    samples = (
        style.read_table(inputs["splits"])
        .query("split == 'train'")
        .set_index(["task", "train_size"])["samples"]
    )
    table = with_samples(summary, samples).dropna(subset=["mse_mean"])
    floors = levels(inputs["floor"])
    several = table.groupby("task")["samples"].nunique().loc[lambda sizes: sizes > 1].index
    tasks = [task for task in table["task"].unique() if task in several][:PANELS]
    if not tasks:
        return style.empty(
            "the study has one training size"
        ), "The study has one training size, so nothing is drawn."
    drawn = table[table["task"].isin(tasks)]
    figure, axes = style.panels(
        len(tasks), height=style.panel_height(drawn["method"].nunique()) + 0.3
    )
    if len(tasks) == 1:
        figure.set_figwidth(ALONE)
    for axis, task in zip(axes, tasks, strict=True):
        seeds = with_samples(
            metrics[(metrics["task"] == task) & (metrics["status"] == "ok")], samples
        )
        _panel(axis, table[table["task"] == task], seeds, styles, floors.get(task))
        _factor(axis, table[table["task"] == task], factors[factors["task"] == task])
        axis.set_title(task)
    kinds = {styles[m].kind for m in drawn["method"]} - {"baseline"}  # of which there are lines
    style.kind_legend(figure, kinds, style.reference_entries())
    return figure, finding(factors[factors["task"].isin(tasks)], tasks)


def with_samples(table: pd.DataFrame, samples: pd.Series) -> pd.DataFrame:
    """Rows of a table with the number of training samples that their size stands for on their task."""
    return table.join(samples, on=["task", "train_size"])


def _panel(
    axis: Axes,
    rows: pd.DataFrame,
    seeds: pd.DataFrame,
    styles: dict[str, style.MethodStyle],
    floor: Level | None,
) -> None:
    references = rows[["mse_persistence", "mse_velocity"]].max()
    fitted = rows[rows["method"].map(lambda m: styles[m].kind != "baseline")]
    shown = fitted["mse_mean"][fitted["mse_mean"] < style.ceiling(references)]
    style.log_axis(axis.xaxis, style.log_limits(rows["samples"], 0.03))
    style.log_axis(
        axis.yaxis,
        style.log_limits(style.with_floor([*shown, references.min()], floor and floor.value)),
    )
    if floor:
        style.floor_line(axis, floor.value, floor.kind)
    for value, dash in zip(references, style.REFERENCE.values(), strict=True):
        axis.axhline(value, color=style.FAINT, linestyle=dash, linewidth=1, zorder=1)
    ends = {}
    for method, points in fitted.groupby("method", sort=False):
        look, line = styles[method], points.sort_values("samples")
        axis.plot(
            line["samples"],
            line["mse_mean"],
            marker=look.marker,
            color=look.colour,
            linestyle=look.linestyle,
        )
        if line["mse_low"].notna().any():
            axis.fill_between(
                line["samples"],
                line["mse_low"],
                line["mse_high"],
                color=look.colour,
                alpha=0.13,
                lw=0,
            )
        else:
            each = seeds[seeds["method"] == method]
            axis.plot(
                each["samples"],
                each["mse"],
                look.marker,
                color=look.colour,
                alpha=0.4,
                markersize=3,
            )
        ends[method] = tuple(line[["samples", "mse_mean"]].iloc[-1])
    style.label_right(axis, list(ends.values()), list(ends), styles)
    sizes = sorted(rows["samples"].unique())
    axis.xaxis.set_major_locator(FixedLocator(sizes))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set(xlabel="training samples", ylabel="test MSE")
    axis.grid()


def _factor(axis: Axes, rows: pd.DataFrame, factors: pd.DataFrame) -> None:
    """The arrow of the largest settled data factor on data as given, at an error that both methods
    reach."""
    settled = factors[(factors["measure"] == "given") & (factors["low"] > 1)]
    if settled.empty:
        return
    best = settled.loc[settled["factor"].idxmax()]
    curves = [
        rows[rows["method"] == best[name]]
        .sort_values("samples")
        .set_index("samples")["mse_mean"]
        .cummin()
        for name in ("method", "against")
    ]
    level = np.sqrt(max(c.iloc[-1] for c in curves) * min(c.iloc[0] for c in curves))
    ends = [np.exp(np.interp(-np.log(level), -np.log(c), np.log(c.index))) for c in curves]
    axis.annotate(
        "",
        (ends[0], level),
        (ends[1], level),
        arrowprops={"arrowstyle": "<->", "color": style.INK, "lw": 0.9},
    )
    axis.annotate(
        f"{style.sig(best['factor'], 2)} times the samples", (np.sqrt(ends[0] * ends[1]), level), (0, 3),
        textcoords="offset points", ha="center", fontsize=7.5, color=style.INK,
    )  # fmt: skip


def finding(factors: pd.DataFrame, tasks: list[str]) -> str:
    """The largest data factor of each task with its interval, or that none is settled."""
    parts = []
    for task in tasks:
        rows = factors[(factors["task"] == task) & (factors["measure"] == "given")]
        settled = rows[(rows["low"] > 1) | (rows["bound"] == "more than")]
        if settled.empty:
            parts.append(f"{task}: no route to symmetry saves samples beyond the intervals")
            continue
        best = settled.loc[settled["factor"].idxmax()]
        parts.append(
            f"{task}: {best['against']} needs {times_text(best)} as many training samples as {best['method']}"
            f"{interval_text(best)}"
        )
    return "; ".join(parts) + "."


def times_text(row: pd.Series) -> str:
    """A data factor, as `5.31 times` or `more than 16.0 times`."""
    bound = f"{row['bound']} " if isinstance(row["bound"], str) and row["bound"] else ""
    return f"{bound}{style.sig(row['factor'])} times"


def interval_text(row: pd.Series) -> str:
    """What follows a data factor in brackets: its interval, why there is none, or nothing after a
    bound."""
    if isinstance(row["bound"], str) and row["bound"]:
        return ""
    if pd.isna(row["low"]):
        return f" ({row['seeds']} seed{'' if row['seeds'] == 1 else 's'}: no interval)"
    return f" (95 % interval {style.sig(row['low'])} to {style.sig(row['high'])})"
