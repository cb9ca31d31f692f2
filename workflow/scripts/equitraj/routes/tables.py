"""The tables of routes: errors against the same model without a route, data factors, power laws."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from equitraj.routes.bootstrap import MIN_SEEDS, Estimate, holm, mean, ratio
from equitraj.routes.curves import data_factor, power_law

MEASURES = {"given": "mse", "rotated": "mse_rotated"}
MIN_SIZES = 3  # of a power law
Sizes = dict[tuple[str, str], int]  # training samples by task and training size
ROUTES = (
    "task method against route train_size samples seeds "
    "mse mse_low mse_high mse_against ratio ratio_low ratio_high p p_holm "
    "mse_rotated mse_rotated_low mse_rotated_high mse_rotated_against "
    "ratio_rotated ratio_rotated_low ratio_rotated_high p_rotated p_rotated_holm comparisons"
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
        """Return the errors (S, B) of some of the seeds."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return self.errors[measure][rows]


class Errors:
    """The blocks of blocks.csv by task, method and training size; a run that failed has none."""

    def __init__(self, blocks: pd.DataFrame) -> None:
        groups = blocks.groupby(["task", "method", "train_size"], sort=False)
        self.blocks = {key: _blocks(rows) for key, rows in groups}

    def get(self, task: str, method: str, size: str) -> Blocks | None:
        """Return the blocks of a method on a task, None where every seed failed."""
        name = str(size)
        key = (task, method, name)
        return self.blocks.get(key)

    def present(self, task: str, methods: list[str], size: str) -> dict[str, Blocks]:
        """Return the blocks of the methods that have some."""
        present = {}
        for method in methods:
            blocks = self.get(task, method, size)
            if blocks is not None:
                present[method] = blocks
        return present

    def mean(self, task: str, method: str, size: str, measure: str) -> Estimate | None:
        """Return the mean error with its interval over seeds and blocks."""
        blocks = self.get(task, method, size)
        if blocks is None:
            return None
        return mean(blocks.errors[measure], blocks.samples)


def _blocks(rows: pd.DataFrame) -> Blocks:
    seeds = tuple(rows["seed"].drop_duplicates())
    shape = (len(seeds), -1)
    errors = {}
    for name, column in MEASURES.items():
        errors[name] = rows[column].to_numpy().reshape(shape)
    samples = rows["samples"].to_numpy().reshape(shape)
    return Blocks(seeds, errors, samples[0])


def sizes_of(splits: pd.DataFrame) -> Sizes:
    """Return the training samples of each task and training size."""
    rows = splits[splits["split"] == "train"]
    sizes = {}
    for row in rows.itertuples():
        key = (row.task, str(row.train_size))
        sizes[key] = int(row.samples)
    return sizes


def sizes_by_task(sizes: Sizes) -> dict[str, dict[str, int]]:
    """Return by task the training sizes and their samples in ascending order.

    Of two sizes with the same samples only the first is kept.
    """
    by_task: dict[str, dict[str, int]] = {task: {} for task, _ in sizes}
    for task, size in sorted(sizes, key=sizes.__getitem__):
        samples = sizes[task, size]
        counts = by_task[task]
        if samples not in counts.values():
            counts[size] = samples
    return by_task


def shared(one: Blocks | None, other: Blocks | None) -> list[int]:
    """Return the seeds that both have."""
    if one is None or other is None:
        return []
    return [seed for seed in one.seeds if seed in other.seeds]


def routes_table(errors: Errors, routes: dict[str, dict], sizes: Sizes) -> pd.DataFrame:
    """Return a row per task, compared method and training size.

    Errors are typical ones: geometric means over seeds. Holm's correction covers the comparisons at
    the largest size of each task, on data as given and rotated.

    Args:
        routes: by method, `against`, the method it is compared with, and `route`, in words.
    """
    rows = []
    for task, by_size in sizes_by_task(sizes).items():
        for method, route in routes.items():
            for size, samples in by_size.items():
                labels = {"task": task, "method": method, **route, "train_size": size}
                row = _route_row(errors, labels, samples)
                if row is not None:
                    rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=ROUTES)
    most = table.groupby("task")["samples"].transform("max")
    largest = table["samples"] == most
    p = table.loc[largest, ["p", "p_rotated"]].to_numpy(float)
    table.loc[largest, ["p_holm", "p_rotated_holm"]] = holm(p.ravel()).reshape(p.shape)
    comparisons = int(np.isfinite(p).sum())
    return table.assign(comparisons=comparisons)


def _route_row(errors: Errors, labels: dict[str, str], samples: int) -> dict | None:
    task = labels["task"]
    size = labels["train_size"]
    blocks = errors.get(task, labels["method"], size)
    other_blocks = errors.get(task, labels["against"], size)
    seeds = shared(blocks, other_blocks)
    if not seeds:
        return None
    assert blocks is not None and other_blocks is not None
    row: dict = labels | {"samples": samples, "seeds": len(seeds)}
    for measure, column in MEASURES.items():
        own_errors = blocks.of(seeds, measure)
        other_errors = other_blocks.of(seeds, measure)
        compared = ratio(own_errors, other_errors, blocks.samples)
        own = ratio(np.ones_like(own_errors), own_errors, blocks.samples)
        suffix = column.removeprefix("mse")
        row |= _with_interval(column, own)
        row[f"{column}_against"] = own.value * compared.value
        row |= _with_interval(f"ratio{suffix}", compared)
        row[f"p{suffix}"] = compared.p
    return row


def _with_interval(column: str, estimate: Estimate) -> dict[str, float]:
    low, high = estimate.interval()
    return {column: estimate.value, f"{column}_low": low, f"{column}_high": high}


@dataclass(frozen=True)
class Curve:
    """The part of a task's learning curve that all compared methods share, with C sizes.

    Attributes: samples (C,), training samples; seeds that every method has at every size; blocks,
    by method, at each size.
    """

    samples: list[int]
    seeds: list[int]
    blocks: dict[str, list[Blocks]]

    @property
    def summary(self) -> dict:
        """The columns of the range of sizes and of the seeds."""
        return {
            "sizes": len(self.samples),
            "smallest": self.samples[0],
            "largest": self.samples[-1],
            "seeds": len(self.seeds),
        }

    def errors(self, method: str, measure: str) -> np.ndarray:
        """Return the errors (C, S, B) of a method."""
        errors = [blocks.of(self.seeds, measure) for blocks in self.blocks[method]]
        return np.stack(errors)

    def test_samples(self, method: str) -> np.ndarray:
        """Return the test samples (B,) of the blocks."""
        first = self.blocks[method][0]
        return first.samples


def _curve(
    errors: Errors, task: str, methods: list[str], by_size: dict[str, int], least: int
) -> Curve | None:
    """Return the shared curve of methods, None if they have fewer than `least` sizes in common."""
    samples = []
    seeds: list[set[int]] = []
    blocks: dict[str, list[Blocks]] = {method: [] for method in methods}
    for size, count in by_size.items():
        present = errors.present(task, methods, size)
        if len(present) < len(blocks):
            continue
        samples.append(count)
        for method, each in present.items():
            blocks[method].append(each)
            seeds.append(set(each.seeds))
    if len(samples) < least:
        return None
    common = set.intersection(*seeds)
    return Curve(samples, sorted(common), blocks) if common else None


def factors_table(errors: Errors, routes: dict[str, dict], sizes: Sizes) -> pd.DataFrame:
    """Return the data factor of each compared method on each task with at least two sizes.

    It is computed on data as given and rotated.
    """
    rows = []
    for task, by_size in sizes_by_task(sizes).items():
        for method, route in routes.items():
            against = route["against"]
            curve = _curve(errors, task, [method, against], by_size, 2)
            if curve is None:
                continue
            labels = {"task": task, "method": method, **route} | curve.summary
            for measure in MEASURES:
                factor = _factor(curve, method, against, measure)
                row = labels | {"measure": measure} | factor
                rows.append(row)
    table = pd.DataFrame(rows)
    return table.reindex(columns=FACTORS)


def _factor(curve: Curve, method: str, against: str, measure: str) -> dict:
    errors = curve.errors(method, measure)
    other_errors = curve.errors(against, measure)
    sizes = np.array(curve.samples)
    factor = data_factor(errors, other_errors, sizes, curve.test_samples(method))
    low, high = factor.estimate.interval()
    return {"factor": factor.estimate.value, "low": low, "high": high, "bound": factor.bound}


def laws_table(errors: Errors, methods: list[str], sizes: Sizes) -> pd.DataFrame:
    """Return the power law of each method on each task with at least `MIN_SIZES` sizes.

    It is fitted on data as given and rotated.
    """
    rows = []
    for task, by_size in sizes_by_task(sizes).items():
        for method in methods:
            curve = _curve(errors, task, [method], by_size, MIN_SIZES)
            if curve is None:
                continue
            labels = {"task": task, "method": method} | curve.summary
            for measure in MEASURES:
                law = _law(curve, method, measure)
                row = labels | {"measure": measure} | law
                rows.append(row)
    table = pd.DataFrame(rows)
    return table.reindex(columns=LAWS)


def _law(curve: Curve, method: str, measure: str) -> dict[str, float]:
    errors = curve.errors(method, measure)
    sizes = np.array(curve.samples)
    estimate, factor = power_law(errors, sizes, curve.test_samples(method))
    low = high = np.nan
    if len(curve.seeds) >= MIN_SEEDS:
        low, high = np.log(estimate.interval())
    return {"exponent": estimate.log, "low": low, "high": high, "misses_by": factor}
