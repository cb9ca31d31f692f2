"""Two finished studies: how their errors, audits and settings differ, and what only one ran.

Errors are compared on the logarithm. If both studies tested on the same samples, the seeds that
both have are pairs, whose shared variation cancels. Otherwise the two are independent, and the
interval is wider.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from equitraj.base.files import read_json, read_record
from equitraj.report.figures.style import read_table
from equitraj.report.rows import largest, select
from equitraj.routes.bootstrap import MIN_SEEDS, Estimate, estimated, holm, log_mean, ratio
from equitraj.routes.tables import MEASURES, Blocks, Errors, shared, sizes_of

TABLES = ("metrics", "summary", "audit", "blocks", "splits")
KEYS = ["task", "method", "train_size"]
RATIOS = [
    *KEYS,
    *("samples", "seeds_a", "seeds_b", "pairs", "same_test", "same_method"),
    *(
        f"{name}_{end}"
        for name in MEASURES.values()
        for end in "a b ratio low high p p_holm".split()
    ),
]
VERDICTS = ["task", "method", "generator", "dtype"]
KINDS = {"task": "tasks", "method": "methods", "train_size": "training sizes", "seed": "seeds"}


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes: folder, of its results; config, resolved; tables, by name.
    """

    folder: Path
    config: dict
    tables: dict[str, pd.DataFrame]

    @cached_property
    def errors(self) -> Errors:
        """Errors of every run by blocks of test samples."""
        blocks = self.tables["blocks"]
        return Errors(blocks)

    @cached_property
    def sizes(self) -> dict[tuple[str, str], int]:
        """Training samples by task and training size."""
        splits = self.tables["splits"]
        return sizes_of(splits)

    @property
    def title(self) -> str:
        """The title in the configuration, "" without one."""
        study = self.config.get("study", {})
        return study.get("title", "")

    def names(self, column: str) -> list:
        """The tasks, methods, training sizes or seeds that the study ran, in their order."""
        metrics = self.tables["metrics"]
        return list(dict.fromkeys(metrics[column]))

    def trainings(self, columns: list[str]) -> dict[tuple, None]:
        """The values of several columns that occur together, as keys in their order."""
        table = self.tables["metrics"][columns]
        return dict.fromkeys(table.itertuples(index=False, name=None))

    def test_of(self, task: str) -> tuple:
        """What determines the test samples of a task: its settings, its data and its test split.

        It is equal in two studies that test the task on the same samples.
        """
        settings = self.config.get("tasks", {}).get(task, {})
        data = self._data_of(settings.get("source", ""))
        test = select(self.tables["splits"], task=task, split="test")
        bounds = test.drop(columns=["task", "train_size"]).drop_duplicates()
        return json.dumps(settings, sort_keys=True), data, bounds.to_csv(index=False)

    def _data_of(self, source: str) -> str:
        """The checksum of a source's trajectory; without one, the settings of the source."""
        record = read_record(self.folder / "data" / source / "lifted.h5")
        if record:
            return record.sha256
        settings = self.config.get("sources", {}).get(source)
        return json.dumps(settings, sort_keys=True)


def read_study(path: Path) -> Study:
    """Read the study whose results are in `path` or in `path`/results.

    Raises:
        ValueError: tables or the configuration are missing; the message names them.
    """
    folder = _results(path)
    files = [folder / "tables" / f"{name}.csv" for name in TABLES]
    config = folder / "config.json"
    missing = [str(file.relative_to(path)) for file in (*files, config) if not file.is_file()]
    if missing:
        names = ", ".join(missing)
        raise ValueError(f"{path}: no {names}; run the study to its end, then compare")
    tables = {file.stem: read_table(file) for file in files}
    return Study(folder, read_json(config), tables)


def _results(path: Path) -> Path:
    for folder in (path, path / "results"):
        if (folder / "tables/metrics.csv").is_file():
            return folder
    raise ValueError(
        f"{path}: no tables/metrics.csv, nor results/tables/metrics.csv; expected the results of "
        "a finished study"
    )


def ratios(a: Study, b: Study) -> pd.DataFrame:
    """Compare the errors of two studies, on data as given and rotated.

    Holm's correction covers the comparisons at the largest size of each task that both have.

    Returns:
        A row per task, method and training size of both, with the columns `RATIOS`. A ratio is the
        error in `b` over the error in `a`.
    """
    rows = [_ratio_row(a, b, key) for key in _common(a, b)]
    table = pd.DataFrame(rows).reindex(columns=RATIOS)
    compared = largest(table)
    p = compared[["mse_p", "mse_rotated_p"]].to_numpy(float)
    corrected = holm(p.ravel()).reshape(p.shape)
    table.loc[compared.index, ["mse_p_holm", "mse_rotated_p_holm"]] = corrected
    return table


def _common(a: Study, b: Study) -> list[tuple[str, str, str]]:
    in_a = a.trainings(KEYS)
    in_b = b.trainings(KEYS)
    return [key for key in in_a if key in in_b]


def _ratio_row(a: Study, b: Study, key: tuple[str, str, str]) -> dict:
    task, method, size = key
    one = a.errors.get(*key)
    other = b.errors.get(*key)
    same_test = a.test_of(task) == b.test_of(task)
    pairs = shared(one, other) if same_test else []
    row: dict[str, object] = {
        "task": task,
        "method": method,
        "train_size": size,
        "samples": a.sizes.get((task, size)),
        "pairs": len(pairs),
        "seeds_a": _n_seeds(one),
        "seeds_b": _n_seeds(other),
        "same_test": same_test,
        "same_method": _settings_of(a, method) == _settings_of(b, method),
    }
    for measure, column in MEASURES.items():
        row[f"{column}_a"] = _mean(one, measure)
        row[f"{column}_b"] = _mean(other, measure)
        if one and other:
            estimate = _estimate(one, other, pairs, measure)
            low, high = estimate.interval()
            row[f"{column}_ratio"] = estimate.value
            row[f"{column}_p"] = estimate.p
            row[f"{column}_low"] = low
            row[f"{column}_high"] = high
    return row


def _settings_of(study: Study, method: str) -> dict | None:
    methods = study.config.get("methods", {})
    return methods.get(method)


def _n_seeds(blocks: Blocks | None) -> int:
    if blocks is None:
        return 0
    return len(blocks.seeds)


def _mean(blocks: Blocks | None, measure: str) -> float:
    """Geometric mean over seeds of the mean error."""
    if blocks is None:
        return np.nan
    log = log_mean(blocks.errors[measure], blocks.samples)
    return float(np.exp(log))


def _estimate(one: Blocks, other: Blocks, pairs: list[int], measure: str) -> Estimate:
    """Estimate the ratio of errors, `other` over `one`.

    It is over pairs of seeds if there are enough of them; otherwise over all seeds, as if the two
    shared none.
    """
    if len(pairs) >= MIN_SEEDS and np.array_equal(one.samples, other.samples):
        return ratio(one.of(pairs, measure), other.of(pairs, measure), one.samples)
    first = _log_error(one, measure)
    second = _log_error(other, measure)
    return Estimate(
        second.log - first.log,
        float(np.hypot(first.by_seeds, second.by_seeds)),
        float(np.hypot(first.by_blocks, second.by_blocks)),
        (
            min(first.freedom[0], second.freedom[0]),
            min(first.freedom[1], second.freedom[1]),
        ),
    )


def _log_error(blocks: Blocks, measure: str) -> Estimate:
    def only_cell(log: np.ndarray) -> np.ndarray:
        return log[..., 0]

    errors = blocks.errors[measure][None]
    return estimated(errors, blocks.samples, only_cell)


def verdicts(a: Study, b: Study) -> pd.DataFrame:
    """Find the verdicts and claims that differ between two studies.

    Returns:
        A row per task, method, transformation and precision that both audited. It holds the worst
        over training sizes and seeds of the trained method.
    """
    worst = _worst(a)
    both = worst.merge(_worst(b), on=VERDICTS, suffixes=("_a", "_b"))
    differs = both["verdict_a"] != both["verdict_b"]
    differs |= both["claim_a"] != both["claim_b"]
    return both[differs].reset_index(drop=True)


def _worst(study: Study) -> pd.DataFrame:
    trained = select(study.tables["audit"], weights="trained")
    ordered = trained.sort_values("rel_mean", kind="stable")
    worst = ordered.drop_duplicates(VERDICTS, keep="last").sort_index()
    return worst[[*VERDICTS, "rel_mean", "verdict", "claim"]]


def settings(config_a: dict, config_b: dict) -> pd.DataFrame:
    """Find the settings that differ between two configurations.

    Returns:
        A row per setting with its dotted `key` and its values `a` and `b` as JSON, None where a
        configuration does not have it.
    """
    a = dict(_flat(config_a))
    b = dict(_flat(config_b))
    rows = []
    for key in a | b:
        row = {"key": key, "a": a.get(key), "b": b.get(key)}
        if row["a"] != row["b"]:
            rows.append(row)
    return pd.DataFrame(rows, columns=["key", "a", "b"])


def _flat(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted keys of a nested mapping with their values as JSON."""
    if not isinstance(value, dict) or not value:
        yield key, json.dumps(value, sort_keys=True)
        return
    for name, inner in value.items():
        dotted = str(name)
        if key:
            dotted = f"{key}.{name}"
        yield from _flat(inner, dotted)


def only_in(a: Study, b: Study) -> dict[str, list[str]]:
    """List what `a` ran and `b` did not, by kind.

    The kinds are tasks, methods, training sizes, seeds, and `pairs`: methods on tasks where `b`
    knows both.
    """
    only = {}
    for column, kind in KINDS.items():
        others = b.names(column)
        only[kind] = [str(name) for name in a.names(column) if name not in others]
    tasks = b.names("task")
    methods = b.names("method")
    only["pairs"] = []
    in_a = a.trainings(["task", "method"])
    in_b = b.trainings(["task", "method"])
    for task, method in sorted(in_a.keys() - in_b):
        if task in tasks and method in methods:
            only["pairs"].append(f"{method} on {task}")
    return {kind: names for kind, names in only.items() if names}
