"""The pages of single methods: configuration, seeds, learning curves, audit and worst samples."""

from collections.abc import Callable

import pandas as pd

from equitraj.report.figures.style import largest_size, sig
from equitraj.report.rows import select

EPOCHS = 40  # points of a learning curve
WORST = 5  # test samples of a task
MOST = 60  # methods with a whole page, the most accurate ones of a study


def method_pages(
    metrics: pd.DataFrame,
    audit: pd.DataFrame,
    history: pd.DataFrame | None,
    config: dict,
    worst: pd.DataFrame | None = None,
) -> dict[str, dict]:
    """Gather the contents of the page of each method.

    In a study of more methods than `MOST` the others have their configuration only.

    Args:
        history: of the training, None if it was not recorded.
        worst: the test samples with the largest errors, None if they were not recorded.

    Returns:
        By method: `config`, `seeds` (task, samples, seed, errors, seconds, status), `curves`,
        `audit` and `worst`.
    """
    entries = config.get("methods", {})
    whole = _most_accurate(metrics)
    parts = {
        "seeds": _by_method(metrics, _seed),
        "curves": _curves(history),
        "worst": _worst(worst),
        "audit": _audits(audit),
    }
    pages = {}
    for method in parts["seeds"]:
        page = {"config": entries.get(method, {})}
        for name, rows in parts.items():
            page[name] = rows.get(method, []) if method in whole else []
        pages[method] = page
    return pages


def _most_accurate(metrics: pd.DataFrame) -> set[str]:
    """The methods with the smallest errors, by the best rank on any task."""
    ranks = metrics.groupby("task")["mse"].rank()
    by_method = ranks.groupby(metrics["method"])
    best = by_method.min().sort_values(kind="stable")
    return set(best.index[:MOST])


def _by_method(table: pd.DataFrame, row_of: Callable[[dict], list]) -> dict[str, list]:
    """The rows of each method, as lists."""
    rows: dict[str, list] = {}
    for row in table.to_dict("records"):
        of_method = rows.setdefault(row["method"], [])
        of_method.append(row_of(row))
    return rows


def _seed(row: dict) -> list:
    return [
        row["task"],
        row["train_size"],
        int(row["seed"]),
        sig(row["mse"]),
        sig(row["mse_rotated"]),
        sig(row["train_seconds"]),
        row["status"],
    ]


def _audits(audit: pd.DataFrame) -> dict[str, list]:
    """By trained method a row per transformation, the worst of its measurements."""
    trained = select(audit, weights="trained")
    ordered = trained.sort_values("rel_mean")
    by_pair = ordered.groupby(["method", "generator"])
    worst = by_pair.tail(1)
    return _by_method(worst, _audit)


def _audit(row: dict) -> list:
    return [
        row["generator"].replace("_", " "),
        row["dtype"],
        sig(row["rel_mean"]),
        row["verdict"],
        row["claim"],
        row["agrees"],
    ]


def _worst(table: pd.DataFrame | None) -> dict[str, list]:
    """By method the test samples with the largest errors.

    Returns:
        Rows of the task, the sample, the number of seeds that have it among their worst, and its
        mean error in these seeds.
    """
    if table is None or table.empty:
        return {}
    by_sample = largest_size(table).groupby(["method", "task", "sample"], sort=False)
    samples = by_sample["mse"].agg(["size", "mean"]).reset_index()
    ordered = samples.sort_values(["size", "mean"], ascending=False, kind="stable")
    worst = ordered.groupby(["method", "task"]).head(WORST)
    return _by_method(worst, _sample)


def _sample(row: dict) -> list:
    return [row["task"], int(row["sample"]), int(row["size"]), sig(row["mean"])]


def _curves(history: pd.DataFrame | None) -> dict[str, list]:
    """By method the learning curves of its largest training size.

    Returns:
        Rows of the task, the seed and the points (epoch, validation error).
    """
    if history is None or history.empty:
        return {}
    curves: dict[str, list] = {}
    trainings = largest_size(history).groupby(["method", "task", "seed"], sort=False)
    for (method, task, seed), rows in trainings:
        step = -(-len(rows) // EPOCHS)
        points = []
        for epoch, error in zip(rows["epoch"], rows["validation_mse"], strict=True):
            points.append([int(epoch), float(f"{error:.4g}")])
        shown = [*points[:-1:step], points[-1]]
        curves.setdefault(method, []).append([task, int(seed), shown])
    return curves
