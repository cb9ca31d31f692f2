"""The worst rotation that an optimiser found on SO(3) (filled) beside the 95th percentile (p95) of
random ones (open): where they lie far apart, random rotations do not show the error. The grey band
is rounding."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from equitraj.report.figures import shared, style

TITLE = "The worst rotation"
INPUTS = ("summary", "audit", "probes")
WORST, RANDOM = "worst", "random p95"
FACES = {WORST: "full", RANDOM: "none"}


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """A panel per task, a row per method."""
    rows = shared.probe_rows(inputs, "worst_rotation")
    if rows.empty:
        return style.empty(
            "no worst rotation was searched for"
        ), "No worst rotation was searched for: 0 rows."
    summary, audit = style.read_table(inputs["summary"]), style.read_claims(inputs["audit"])
    kinds, styles = style.method_kinds(summary, audit), style.method_styles(summary, audit)
    tasks = list(rows["task"].unique())
    count = rows.groupby("task")["method"].nunique().max()
    figure, axes = style.panels(len(tasks), height=shared.rows_height(count))
    for axis, task in zip(axes, tasks, strict=True):
        axis.set_title(task)
        shared.marker_rows(axis, rows[rows["task"] == task], FACES, kinds, styles, joined=True)
        axis.set_xlabel("relative error")
    extra = [*shared.face_entries(FACES), shared.floor_entry()]
    style.kind_legend(figure, (styles[m].kind for m in rows["method"].unique()), extra)
    return figure, finding(rows)


def finding(rows: pd.DataFrame) -> str:
    """The largest ratio of worst to random among what is above rounding, and how many stay at
    rounding at the worst."""
    worst = rows[rows["item"] == WORST]
    exact = shared.at_rounding(worst)
    text = f"{len(exact)} of {worst['method'].nunique()} methods stay at rounding under the worst rotation found"
    pairs = rows.pivot_table(index=["task", "method"], columns="item", values="value")
    pairs = pairs[~pairs.index.isin(exact, level="method")].dropna()
    if pairs.empty:
        return text + "."
    ratio = pairs[WORST] / pairs[RANDOM]
    task, method = ratio.idxmax()
    return (
        f"{text}; of the others the worst rotation is most above the random 95th percentile for {method} on {task}: "
        f"{style.sig(pairs[WORST][task, method])} against {style.sig(pairs[RANDOM][task, method])}, "
        f"{style.sig(ratio.max())} times."
    )
