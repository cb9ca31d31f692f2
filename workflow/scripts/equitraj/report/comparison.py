"""Two finished studies: how their errors differ, which audits, which settings, and what only one of
them has.

Errors are compared on the logarithm. Where both were tested on the same samples, seeds that both
have are pairs, so that what they share cancels; otherwise the two are independent, and the interval
is wider.
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


@dataclass(frozen=True)
class Study:
    """A finished study. Attributes: folder, its results; config, the resolved one; tables by name."""

    folder: Path
    config: dict
    tables: dict[str, pd.DataFrame]

    @cached_property
    def errors(self) -> Errors:
        """Errors of every run by blocks of test samples."""
        return Errors(self.tables["blocks"])

    @cached_property
    def sizes(self) -> dict[tuple[str, str], int]:
        """Training samples by task and training size."""
        return sizes_of(self.tables["splits"])

    @property
    def title(self) -> str:
        """What the study calls itself."""
        return self.config.get("study", {}).get("title", "")

    def names(self, what: str) -> list:
        """Tasks, methods, training sizes or seeds that it ran, in their order."""
        return list(dict.fromkeys(self.tables["metrics"][what]))

    def test_of(self, task: str) -> tuple:
        """What is equal in two studies that test a task on the same samples: its settings, its
        data, its test split."""
        known = self.config.get("tasks", {}).get(task, {})
        source = known.get("source", "")
        record = read_record(self.folder / "data" / source / "lifted.h5")
        splits = self.tables["splits"]
        test = splits[(splits["task"] == task) & (splits["split"] == "test")].drop(
            columns=["task", "train_size"]
        )
        made = (
            record.sha256
            if record
            else json.dumps(self.config.get("sources", {}).get(source), sort_keys=True)
        )
        return json.dumps(known, sort_keys=True), made, test.drop_duplicates().to_csv(index=False)


def read_study(path: Path) -> Study:
    """The study whose results are `path`, or lie in `path`/results.

    Raises:
        ValueError: tables or the configuration are missing; the message names them.
    """
    folder = next(
        (place for place in (path, path / "results") if (place / "tables/metrics.csv").is_file()),
        None,
    )
    if folder is None:
        raise ValueError(
            f"{path}: no tables/metrics.csv, nor results/tables/metrics.csv; expected the results of a finished study"
        )
    wanted = [*(folder / "tables" / f"{name}.csv" for name in TABLES), folder / "config.json"]
    if missing := [str(file.relative_to(path)) for file in wanted if not file.is_file()]:
        raise ValueError(f"{path}: no {', '.join(missing)}; run the study to its end, then compare")
    return Study(
        folder, read_json(wanted[-1]), {file.stem: read_table(file) for file in wanted[:-1]}
    )


def ratios(a: Study, b: Study) -> pd.DataFrame:
    """A row per task, method and training size of both: how many times the error in `b` is that in
    `a`, as given and rotated. Holm's correction is for the comparisons at the largest size of each
    task that both have."""
    rows = [_ratio_row(a, b, key) for key in _common(a, b)]
    table = pd.DataFrame(rows).reindex(columns=RATIOS)
    largest = table["samples"] == table.groupby("task")["samples"].transform("max")
    p = table.loc[largest, ["mse_p", "mse_rotated_p"]].to_numpy(float)
    table.loc[largest, ["mse_p_holm", "mse_rotated_p_holm"]] = holm(p.ravel()).reshape(p.shape)
    return table


def _common(a: Study, b: Study) -> list[tuple[str, str, str]]:
    found = [
        list(dict.fromkeys(one.tables["metrics"][KEYS].itertuples(index=False, name=None)))
        for one in (a, b)
    ]
    return [key for key in found[0] if key in set(found[1])]


def _ratio_row(a: Study, b: Study, key: tuple[str, str, str]) -> dict:
    task, method, size = key
    one, other = (study.errors.get(*key) for study in (a, b))
    same = a.test_of(task) == b.test_of(task)
    pairs = shared(one, other) if same else []
    row = dict(zip(KEYS, key, strict=True)) | {
        "samples": a.sizes.get((task, size)),
        "pairs": len(pairs),
    }
    row |= {"seeds_a": len(one.seeds) if one else 0, "seeds_b": len(other.seeds) if other else 0}
    configured = [study.config.get("methods", {}).get(method) for study in (a, b)]
    row |= {"same_test": same, "same_method": configured[0] == configured[1]}
    for measure, column in MEASURES.items():
        means = [_mean(blocks, measure) for blocks in (one, other)]
        row |= {f"{column}_a": means[0], f"{column}_b": means[1]}
        if one and other:
            found = _estimate(one, other, pairs, measure)
            ends = dict(zip(("_low", "_high"), found.interval(), strict=True))
            row |= {
                f"{column}{end}": value
                for end, value in ({"_ratio": found.value, "_p": found.p} | ends).items()
            }
    return row


def _mean(blocks: Blocks | None, measure: str) -> float:
    """Geometric mean over seeds of the mean error."""
    return float(np.exp(log_mean(blocks.errors[measure], blocks.samples))) if blocks else np.nan


def _estimate(one: Blocks, other: Blocks, pairs: list[int], measure: str) -> Estimate:
    """The ratio of errors: of pairs where there are enough of them, else of all seeds as if none
    were shared."""
    if len(pairs) >= MIN_SEEDS and np.array_equal(one.samples, other.samples):
        return ratio(one.of(pairs, measure), other.of(pairs, measure), one.samples)
    alone = [
        estimated(x.errors[measure][None], x.samples, lambda log: log[..., 0]) for x in (one, other)
    ]
    return Estimate(
        alone[1].log - alone[0].log,
        float(np.hypot(*(each.by_seeds for each in alone))),
        float(np.hypot(*(each.by_blocks for each in alone))),
        tuple(min(freedom) for freedom in zip(*(each.freedom for each in alone), strict=True)),
    )


def verdicts(a: Study, b: Study) -> pd.DataFrame:
    """A row per task, method, transformation and precision audited in both whose verdict or claim
    is another: the worst over training sizes and seeds of the trained methods."""
    both = _worst(a).merge(_worst(b), on=VERDICTS, suffixes=("_a", "_b"))
    differ = [both[f"{column}_a"] != both[f"{column}_b"] for column in ("verdict", "claim")]
    return both[differ[0] | differ[1]].reset_index(drop=True)


def _worst(study: Study) -> pd.DataFrame:
    audit = study.tables["audit"]
    trained = audit[audit["weights"] == "trained"].sort_values("rel_mean", kind="stable")
    return trained.drop_duplicates(VERDICTS, keep="last").sort_index()[
        [*VERDICTS, "rel_mean", "verdict", "claim"]
    ]


def settings(config_a: dict, config_b: dict) -> pd.DataFrame:
    """A row per key (dotted) that has another value in one configuration, or none: `key`, `a` and
    `b`, as JSON."""
    a, b = (dict(_flat(config)) for config in (config_a, config_b))
    rows = [
        {"key": key, "a": a.get(key), "b": b.get(key)}
        for key in dict.fromkeys([*a, *b])
        if a.get(key) != b.get(key)
    ]
    return pd.DataFrame(rows, columns=["key", "a", "b"])


def _flat(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, json.dumps(value, sort_keys=True)


def only_in(a: Study, b: Study) -> dict[str, list[str]]:
    """What `a` ran and `b` did not: tasks, methods, training sizes, seeds, and methods on tasks
    that both know."""
    kinds = {"task": "tasks", "method": "methods", "train_size": "training sizes", "seed": "seeds"}
    found = {
        plural: [str(x) for x in a.names(name) if x not in b.names(name)]
        for name, plural in kinds.items()
    }
    pairs = [
        set(one.tables["metrics"][["task", "method"]].itertuples(index=False, name=None))
        for one in (a, b)
    ]
    left = [
        (t, m)
        for t, m in sorted(pairs[0] - pairs[1])
        if t in b.names("task") and m in b.names("method")
    ]
    return {
        kind: names
        for kind, names in (found | {"pairs": [f"{m} on {t}" for t, m in left]}).items()
        if names
    }
