"""The tables of routes: errors against the same model without a route, data factors, power laws."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from equitraj.routes.bootstrap import MIN_SEEDS, Estimate, holm, mean, ratio
from equitraj.routes.curves import data_factor, power_law

MEASURES = {"given": "mse", "rotated": "mse_rotated"}
MIN_SIZES = 3  # of a power law
ROUTES = (
    "task method against route train_size samples seeds mse mse_low mse_high mse_against ratio ratio_low ratio_high p "
    "p_holm mse_rotated mse_rotated_low mse_rotated_high mse_rotated_against ratio_rotated ratio_rotated_low "
    "ratio_rotated_high p_rotated p_rotated_holm comparisons"
).split()
FACTORS = (
    "task method against route measure sizes smallest largest seeds factor low high bound".split()
)
LAWS = "task method measure sizes smallest largest seeds exponent low high misses_by".split()


@dataclass(frozen=True)
class Blocks:
    """Errors of a method: seeds (S,), errors (S, B) of each measure, test samples (B,)."""

    seeds: tuple[int, ...]
    errors: dict[str, np.ndarray]
    samples: np.ndarray

    def of(self, seeds: list[int], measure: str) -> np.ndarray:
        """Errors (S, B) of some of the seeds."""
        return self.errors[measure][[self.seeds.index(seed) for seed in seeds]]


class Errors:
    """The blocks of blocks.csv by task, method and training size; a run that failed has none."""

    def __init__(self, blocks: pd.DataFrame) -> None:
        self.found = {
            key: _blocks(rows)
            for key, rows in blocks.groupby(["task", "method", "train_size"], sort=False)
        }

    def get(self, task: str, method: str, size: str) -> Blocks | None:
        """The blocks of a method on a task, None where every seed failed."""
        return self.found.get((task, method, str(size)))

    def mean(self, task: str, method: str, size: str, measure: str) -> Estimate | None:
        """Mean error with its interval over seeds and blocks."""
        found = self.get(task, method, size)
        return mean(found.errors[measure], found.samples) if found else None


def _blocks(rows: pd.DataFrame) -> Blocks:
    seeds = tuple(rows["seed"].drop_duplicates())
    shape = (len(seeds), -1)
    errors = {name: rows[column].to_numpy().reshape(shape) for name, column in MEASURES.items()}
    return Blocks(seeds, errors, rows["samples"].to_numpy().reshape(shape)[0])


def sizes_of(splits: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Training samples of each task and training size."""
    rows = splits[splits["split"] == "train"]
    return {(row.task, str(row.train_size)): int(row.samples) for row in rows.itertuples()}


def sizes_by_task(sizes: dict[tuple[str, str], int]) -> dict[str, list[str]]:
    """The training sizes of each task, the smallest first; of two with the same samples the first."""
    found: dict[str, dict[int, str]] = {}
    for (task, size), samples in sizes.items():
        found.setdefault(task, {}).setdefault(samples, size)
    return {task: [by[samples] for samples in sorted(by)] for task, by in found.items()}


def shared(one: Blocks | None, other: Blocks | None) -> list[int]:
    """Seeds that both have."""
    return [seed for seed in one.seeds if seed in other.seeds] if one and other else []


def routes_table(
    errors: Errors, routes: dict[str, dict], sizes: dict[tuple[str, str], int]
) -> pd.DataFrame:
    """A row per task, method that is compared and training size, errors being typical ones:
    geometric means over seeds.

    Holm's correction is for the comparisons at the largest size of each task, on data as given and
    rotated.

    Args:
        routes: by method, `against`, the method it is compared with, and `route`, in words.
    """
    rows = [
        row
        for task, by_size in sizes_by_task(sizes).items()
        for method, route in routes.items()
        for size in by_size
        if (row := _route_row(errors, task, method, route, size, sizes[task, size]))
    ]
    table = pd.DataFrame(rows).reindex(columns=ROUTES)
    largest = table["samples"] == table.groupby("task")["samples"].transform("max")
    p = table.loc[largest, ["p", "p_rotated"]].to_numpy(float)
    table.loc[largest, ["p_holm", "p_rotated_holm"]] = holm(p.ravel()).reshape(p.shape)
    return table.assign(comparisons=int(np.isfinite(p).sum()))


def _route_row(
    errors: Errors, task: str, method: str, route: dict, size: str, samples: int
) -> dict | None:
    pair = [errors.get(task, name, size) for name in (method, route["against"])]
    seeds = shared(*pair)
    if not seeds:
        return None
    row = {
        "task": task,
        "method": method,
        **route,
        "train_size": size,
        "samples": samples,
        "seeds": len(seeds),
    }
    for measure, column in MEASURES.items():
        mine, others = (blocks.of(seeds, measure) for blocks in pair)
        of_tests = pair[0].samples
        found, suffix = ratio(mine, others, of_tests), column.removeprefix("mse")
        own = ratio(np.ones_like(mine), mine, of_tests)
        row |= dict(
            zip(
                (column, f"{column}_low", f"{column}_high"),
                (own.value, *own.interval()),
                strict=True,
            )
        )
        row[f"{column}_against"] = own.value * found.value
        names = (f"ratio{suffix}", f"ratio{suffix}_low", f"ratio{suffix}_high", f"p{suffix}")
        row |= dict(zip(names, (found.value, *found.interval(), found.p), strict=True))
    return row


def curve(
    errors: Errors, task: str, methods: list[str], by_size: list[str]
) -> tuple[list[str], list[int]]:
    """The sizes at which every one of the methods has all the seeds of the others, and these seeds."""
    found = {size: [errors.get(task, method, size) for method in methods] for size in by_size}
    present = {size: blocks for size, blocks in found.items() if all(blocks)}
    seeds = [set(b.seeds) for blocks in present.values() for b in blocks]
    return list(present), sorted(set.intersection(*seeds)) if seeds else []


def factors_table(
    errors: Errors, routes: dict[str, dict], sizes: dict[tuple[str, str], int]
) -> pd.DataFrame:
    """The data factor of each method that is compared, on each task with at least two sizes, given
    and rotated."""
    rows = []
    for task, every in sizes_by_task(sizes).items():
        for method, route in routes.items():
            by_size, seeds = curve(errors, task, [method, route["against"]], every)
            if len(by_size) < 2 or not seeds:
                continue
            counts = np.array([sizes[task, size] for size in by_size])
            row = {"task": task, "method": method, **route, **_range(counts, seeds)}
            rows += [
                row | {"measure": m} | _factor(errors, row, by_size, seeds, counts, m)
                for m in MEASURES
            ]
    return pd.DataFrame(rows).reindex(columns=FACTORS)


def _range(counts: np.ndarray, seeds: list[int]) -> dict:
    return {"sizes": len(counts), "smallest": counts[0], "largest": counts[-1], "seeds": len(seeds)}


def stacked(
    errors: Errors, task: str, method: str, by_size: list[str], seeds: list[int], measure: str
) -> np.ndarray:
    """Errors (C, S, B) of a method at several training sizes."""
    return np.stack([errors.get(task, method, size).of(seeds, measure) for size in by_size])


def _factor(
    errors: Errors,
    row: dict,
    by_size: list[str],
    seeds: list[int],
    counts: np.ndarray,
    measure: str,
) -> dict:
    pair = [
        stacked(errors, row["task"], row[name], by_size, seeds, measure)
        for name in ("method", "against")
    ]
    found = data_factor(*pair, counts, errors.get(row["task"], row["method"], by_size[0]).samples)
    low, high = found.estimate.interval()
    return {"factor": found.estimate.value, "low": low, "high": high, "bound": found.bound}


def laws_table(
    errors: Errors, methods: list[str], sizes: dict[tuple[str, str], int]
) -> pd.DataFrame:
    """The power law of each method on each task with at least `MIN_SIZES` sizes, given and rotated."""
    rows = []
    for task, every in sizes_by_task(sizes).items():
        for method in methods:
            by_size, seeds = curve(errors, task, [method], every)
            if len(by_size) < MIN_SIZES or not seeds:
                continue
            counts = np.array([sizes[task, size] for size in by_size])
            for measure in MEASURES:
                values = stacked(errors, task, method, by_size, seeds, measure)
                found, missed = power_law(
                    values, counts, errors.get(task, method, by_size[0]).samples
                )
                half = np.log(found.interval()) if len(seeds) >= MIN_SEEDS else (np.nan, np.nan)
                row = {"task": task, "method": method, "measure": measure, **_range(counts, seeds)}
                rows.append(
                    row
                    | {"exponent": found.log, "low": half[0], "high": half[1], "misses_by": missed}
                )
    return pd.DataFrame(rows).reindex(columns=LAWS)
