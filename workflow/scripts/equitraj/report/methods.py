"""What the page tells of each method on its own: its configuration, seeds, learning curves and
audit."""

import pandas as pd

from equitraj.report.figures.style import largest_size, sig

EPOCHS = 40  # points of a learning curve
WORST = 5  # test samples of a task
MOST = 60  # methods of a study that get a page of their own: the most accurate


def method_pages(
    metrics: pd.DataFrame,
    audit: pd.DataFrame,
    history: pd.DataFrame | None,
    config: dict,
    worst: pd.DataFrame | None = None,
) -> dict:
    """By method: `config`, `seeds` (task, samples, seed, errors, seconds, status), `curves`,
    `audit` and `worst`.

    In a study of more methods than `MOST` the others have their configuration only.
    """
    known = list(dict.fromkeys(metrics["method"]))
    ranks = (
        metrics.groupby("task")["mse"]
        .rank()
        .groupby(metrics["method"])
        .min()
        .sort_values(kind="stable")
    )
    whole = set(ranks.index[:MOST])
    curves = {} if history is None or history.empty else _curves(largest_size(history))
    least = (
        audit[audit["weights"] == "trained"]
        .sort_values("rel_mean")
        .groupby(["method", "generator"])
        .tail(1)
    )
    by_method, audits = dict(list(metrics.groupby("method"))), dict(list(least.groupby("method")))
    samples = {} if worst is None or worst.empty else _worst(largest_size(worst))
    return {
        method: {
            "config": config.get("methods", {}).get(method, {}),
            "seeds": [_seed(row) for row in by_method[method].itertuples()]
            if method in whole
            else [],
            "curves": curves.get(method, []) if method in whole else [],
            "worst": samples.get(method, []) if method in whole else [],
            "audit": [_audit(row) for row in audits[method].itertuples()]
            if method in audits.keys() & whole
            else [],
        }
        for method in known
    }


def _seed(row: tuple) -> list:
    numbers = (sig(value) for value in (row.mse, row.mse_rotated, row.train_seconds))
    return [row.task, row.train_size, int(row.seed), *numbers, row.status]


def _audit(row: tuple) -> list:
    return [
        row.generator.replace("_", " "),
        row.dtype,
        sig(row.rel_mean),
        row.verdict,
        row.claim,
        row.agrees,
    ]


def _worst(table: pd.DataFrame) -> dict[str, list]:
    """By method a row of task, test sample, how many seeds have it among their worst, and its mean
    error there."""
    found = (
        table.groupby(["method", "task", "sample"], sort=False)["mse"]
        .agg(["size", "mean"])
        .reset_index()
    )
    found = (
        found.sort_values(["size", "mean"], ascending=False, kind="stable")
        .groupby(["method", "task"])
        .head(WORST)
    )
    rows: dict[str, list] = {}
    for row in found.itertuples():
        rows.setdefault(row.method, []).append(
            [row.task, int(row.sample), int(row.size), sig(row.mean)]
        )
    return rows


def _curves(history: pd.DataFrame) -> dict[str, list]:
    """By method a list of task, seed and points (epoch, validation error) of its largest training
    size."""
    found: dict[str, list] = {}
    for (method, task, seed), rows in history.groupby(["method", "task", "seed"], sort=False):
        step = -(-len(rows) // EPOCHS)
        points = [
            [int(e), float(f"{v:.4g}")]
            for e, v in zip(rows["epoch"], rows["validation_mse"], strict=True)
        ]
        found.setdefault(method, []).append([task, int(seed), [*points[:-1:step], points[-1]]])
    return found
