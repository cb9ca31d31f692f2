"""Invented tables of the audit of symmetry, of probes and controls, and of the geometry behind
them."""

import numpy as np
import pandas as pd

GENERATORS = (
    "rotation inversion mirror translation translation_0.1 translation_1 translation_10 "
    "permutation euclidean "
    "time_reversal scaling"
).split()
UNTRAINED = ("persistence", "constant_velocity", "autoregression", "linear_lsq")
BUILT_IN = ("exact", "in expectation")
BROKEN = {"mlp_axes": ("rotation", "inversion", "mirror", "euclidean")}  # claimed, and not so
QUANTILES = [0, 0.01, 0.05, *np.arange(1, 10) / 10, 0.95, 0.99, 1]


def claim_of(method: str, spec: tuple, generator: str) -> str:
    """The level that an invented method claims for a generator."""
    model, alignment, rotation = spec[0], spec[1], spec[3]
    if generator in ("time_reversal", "scaling"):
        return "no"
    if generator == "permutation":
        return "no" if model in ("mlp", "linear") else "exact"
    if generator.startswith("translation"):
        return "exact" if rotation in BUILT_IN or alignment != "none" else "no"
    chiral = (
        generator in ("inversion", "mirror", "euclidean")
        and model == "mlp"
        and not method.endswith("o3")
    )
    return "no" if chiral and method not in BROKEN else rotation


def audit(runs: pd.DataFrame, methods: dict, rng: np.random.Generator) -> pd.DataFrame:
    """Claims that hold at rounding, all others far above; the two terms of the loss sum up to its
    total."""
    rows = []
    for run in runs[runs["status"] == "ok"].itertuples():
        for weights in ("initial", "trained") if run.method not in UNTRAINED else ("trained",):
            for dtype, noise in (("float32", 1e-6), ("float64", 5e-15)):
                for generator in GENERATORS:
                    claim = claim_of(run.method, methods[run.method], generator)
                    holds = claim in BUILT_IN and generator not in BROKEN.get(run.method, ())
                    size = {"learned": 0.02}.get(claim, 0.6) if weights == "trained" else 0.9
                    error = (noise if holds else size) * np.exp(0.5 * rng.normal())
                    twirled, variance = run.mse, run.mse * error**2
                    rows.append({
                        "task": run.task, "method": run.method, "train_size": run.train_size, "seed": run.seed,
                        "weights": weights, "dtype": dtype, "generator": generator, "samples": 64,
                        "abs_mean": error * 1e-3, "abs_max": error * 3e-3, "out_mean": error * 1e-2,
                        "out_p95": error * 2e-2, "out_max": error * 3e-2, "rel_mean": error, "rel_low": 0.9 * error,
                        "rel_high": 1.1 * error, "rel_p95": 2 * error, "rel_max": 3 * error,
                        "loss_total": twirled + variance, "loss_twirled": twirled, "loss_variance": variance,
                        "loss_percent": 100 * variance / (twirled + variance), "identity_error": 1e-16,
                        "noise_floor": 10 * noise, "verdict": "exact" if holds else "broken", "claim": claim,
                        "agrees": "no" if claim in BUILT_IN and not holds else "yes",
                    })  # fmt: skip
    return pd.DataFrame(rows)


def probes(runs: pd.DataFrame, methods: dict, rng: np.random.Generator) -> pd.DataFrame:
    """Every probe of the first seed: at rounding where rotation is built in."""
    parts = []
    for run in runs[(runs["status"] == "ok") & (runs["seed"] == 0)].itertuples():
        built_in = methods[run.method][3] in BUILT_IN and run.method not in BROKEN
        level = 5e-15 if built_in else 0.02 if methods[run.method][3] == "learned" else 0.6
        level *= np.exp(0.5 * rng.normal())
        part = pd.DataFrame(
            [*_angle(level), *_along(run, level, built_in), *_worst(level), *_stabilisers(level, built_in),
             *_continuity(methods[run.method][1]), *_lie(run.method, level)],
            columns=["probe", "item", "x", "value", "low", "high"],
        )  # fmt: skip
        head = {
            "task": run.task,
            "method": run.method,
            "train_size": run.train_size,
            "seed": run.seed,
        }
        exact = part["value"] < 1e-12
        judged, known = (
            part["probe"] == "stabiliser",
            part["probe"].isin(["stabiliser", "lie", "lie_layer"]),
        )
        verdicts = np.where(judged, np.where(exact, "exact", "broken"), None)
        parts.append(part.assign(**head, floor=np.where(known, 5e-14, np.nan), verdict=verdicts))
    table = pd.concat(parts, ignore_index=True)
    return table[["task", "method", "train_size", "seed", *table.columns[:6], "floor", "verdict"]]


def _angle(level: float) -> list[tuple]:
    x = np.arange(0, 181, 20)
    value = level * (np.sin(np.radians(x) / 2) + 1e-3 * (level < 1e-9))
    return [("angle", "", a, v, 0.8 * v, 1.2 * v) for a, v in zip(x, value, strict=True)]


def _along(run: tuple, level: float, built_in: bool) -> list[tuple]:
    epochs, steps = np.arange(0, 41, 5), np.arange(1, 101, 9)
    fall = np.ones(9) if built_in else 0.3 + 0.7 * np.exp(-epochs / 9)
    growth = steps**0.5 if not built_in else 1 + steps / 20
    training = [
        ("training", "rotation", e, v, np.nan, np.nan)
        for e, v in zip(epochs, level * fall, strict=True)
    ]
    rollout = [
        ("rollout", "", s, v, np.nan, np.nan) for s, v in zip(steps, level * growth, strict=True)
    ]
    return ([] if run.method in UNTRAINED else training) + rollout


def _worst(level: float) -> list[tuple]:
    return [
        ("worst_rotation", "random p95", np.nan, 2 * level, np.nan, np.nan),
        ("worst_rotation", "worst", np.nan, 3 * level, np.nan, np.nan),
    ]


def _stabilisers(level: float, built_in: bool) -> list[tuple]:
    return [("stabiliser", item, np.nan, level, np.nan, np.nan) for item in ("planar", "C2", "C3")]


def _continuity(alignment: str) -> list[tuple]:
    gap = np.logspace(-4, 0, 9)
    gain = 1.3 / gap if alignment.startswith(("principal", "frame")) else np.full(9, 1.2)
    return [("continuity", "", g, v, np.nan, np.nan) for g, v in zip(gap, gain, strict=True)]


def _lie(method: str, level: float) -> list[tuple]:
    rows = [
        ("lie", "rotation", np.nan, level, np.nan, np.nan),
        ("lie", "translation", np.nan, level / 3, 0, 0),
    ]
    if method in ("mlp", "mlp_rotated", "mlp_point0", "egnn"):
        rows += [
            ("lie_layer", f"layer {i}", i, level * (1 + i / 2), np.nan, np.nan) for i in range(4)
        ]
    return rows


def controls(tasks: dict[str, int]) -> pd.DataFrame:
    """Three controls that must fail and one that must pass, all as expected, the same in the audit
    of two methods."""
    rows = [
        ("mlp", "rotation", 0.7, "broken", "broken"),
        ("per_point_shift", "translation", 0.9, "broken", "broken"),
        ("group_averaged", "rotation", 3e-15, "exact", "exact"),
        ("group_averaged, other rotations", "rotation", 4e-3, "approximate", "not exact"),
    ]
    columns = ["control", "generator", "rel_mean", "verdict", "expected"]
    table = pd.concat([pd.DataFrame(rows, columns=columns).assign(task=task) for task in tasks])
    table = table.assign(train_size="all", seed=0, noise_floor=5e-14)
    table = pd.concat(
        [table.assign(method=method) for method in ("mlp", "egnn")], ignore_index=True
    )
    order = [
        "task",
        "method",
        "train_size",
        "seed",
        "control",
        "generator",
        "rel_mean",
        "noise_floor",
    ]
    return table[[*order, "verdict", "expected"]]


def perturbation(tasks: dict[str, int], names: list[str], points: int = 12) -> pd.DataFrame:
    """Gains of 1 on the diagonal; point0 and vector01 pass a shift of their points on to all
    others."""
    moved, point = (index.ravel() for index in np.meshgrid(range(points), range(points)))
    parts = []
    for task in tasks:
        for number, name in enumerate(names):
            gain = np.where(moved == point, 1.0, 0.01 * number)
            gain = np.where((moved < 2) & (name == "vector01"), 5.0 + point / 2, gain)
            gain = np.where((moved == 0) & (name == "point0"), 1.0, gain)
            parts.append(
                pd.DataFrame(
                    {"task": task, "alignment": name, "moved": moved, "point": point, "gain": gain}
                )
            )
    return pd.concat(parts, ignore_index=True)


def eigengap(tasks: dict[str, int]) -> pd.DataFrame:
    """Gaps from 0.02 to 0.97, even in between."""
    parts = [
        pd.DataFrame({"task": t, "quantile": QUANTILES, "gap": 0.02 + 0.95 * np.array(QUANTILES)})
        for t in tasks
    ]
    return pd.concat(parts, ignore_index=True)


def isotropy(tasks: dict[str, int]) -> pd.DataFrame:
    """The first task is oriented, all others are not."""
    rows = [
        (
            task,
            1500,
            0.31 if i == 0 else 0.002,
            0.001 if i == 0 else 0.42,
            "oriented" if i == 0 else "rotation-invariant",
        )
        for i, task in enumerate(tasks)
    ]
    return pd.DataFrame(rows, columns=["task", "frames", "statistic", "p_value", "verdict"])


def tables(
    runs: pd.DataFrame,
    tasks: dict[str, int],
    names: list[str],
    methods: dict,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """All of them under their input keys."""
    return {
        "audit": audit(runs, methods, rng), "probes": probes(runs, methods, rng), "controls": controls(tasks),
        "perturbation": perturbation(tasks, names), "eigengap": eigengap(tasks), "isotropy": isotropy(tasks),
    }  # fmt: skip
