"""Invented result tables of a small study, in the layout of the workflow; `python synthetic_tables.py FOLDER`."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

PERSISTENCE, VELOCITY = 2.43e-5, 1.65e-7
# method: (model, alignment, augmentation, claims rotation, parameters, mse at K=1, mse at K=3, rotated / as given)
METHODS = {
    "persistence": ("persistence", "none", "none", True, 0, 2.43e-5, 2.43e-5, 1.0),
    "constant_velocity": ("constant_velocity", "none", "none", True, 2, 2.43e-5, 1.65e-7, 1.0),
    "autoregression": ("autoregression", "none", "none", True, 2, 2.43e-5, 4.10e-9, 1.0),
    "linear_sgd": ("linear", "none", "none", False, 1332, 0.185, 0.19, 3.1),
    "linear_lsq": ("linear", "none", "none", False, 1332, 2.38e-5, 5.1e-8, 2.2e3),
    "mlp": ("mlp", "none", "none", False, 23588, 2.37e-5, 8.4e-9, 4.0e3),
    "mlp_rotated": ("mlp", "none", "rotation", False, 23588, 2.39e-5, 2.2e-8, 1.04),
    "mlp_centre": ("mlp", "centre_of_mass", "none", False, 23588, 2.36e-5, 7.9e-9, 3.6e3),
    "mlp_point0": ("mlp", "point0", "none", False, 23588, 2.37e-5, 8.8e-9, 3.9e3),
    "mlp_vector": ("mlp", "vector01", "none", True, 23588, 2.38e-5, 6.9e-9, 1.0),
    "mlp_axes": ("mlp", "principal_axes", "none", True, 23588, 2.42e-5, 9.3e-9, 41.0),
    "egnn": ("egnn", "none", "none", True, 21350, 2.35e-5, 5.0e-9, 1.0),
    "e3nn": ("e3nn", "none", "none", True, 19287, 2.40e-5, 3.38e-9, 1.0),
}
TRAINED = [m for m in METHODS if m not in ("persistence", "constant_velocity", "autoregression", "linear_lsq")]
GENERATORS = ("rotation", "reflection", "translation", "permutation")


def metrics(tasks: dict[str, int], seeds: int, failed: str | None, rng: np.random.Generator) -> pd.DataFrame:
    """A row per run; the last seed of method `failed` failed."""
    rows = []
    for task, history in tasks.items():
        for method, (model, alignment, augmentation, _, size, one, three, ratio) in METHODS.items():
            if model == "autoregression" and history < 2:
                continue
            for seed in range(seeds if method in TRAINED else 1):
                mse = (one if history == 1 else three) * (np.exp(0.08 * rng.normal()) if method in TRAINED else 1)
                bad = method == failed and seed == seeds - 1
                numbers = {
                    "mse": mse, "rmse": mse**0.5, "skill": 1 - mse / PERSISTENCE, "skill_velocity": 1 - mse / VELOCITY,
                    "r2": 1 - mse / 2, "mse_rotated": mse * ratio, "train_seconds": 3 + 20 * rng.random(),
                    "frames_per_second": 900 * rng.random(), "peak_memory_mb": 700.0,
                }  # fmt: skip
                rows.append({
                    "task": task, "method": method, "model": model, "alignment": alignment,
                    "augmentation": augmentation,
                    "history": history, "train_size": "all", "seed": seed,
                    "status": "failed: loss is not finite at epoch 3" if bad else "ok", "n_parameters": size,
                    **({} if bad else numbers), "mse_persistence": PERSISTENCE, "mse_velocity": VELOCITY,
                    "device": "cpu",
                })  # fmt: skip
    return pd.DataFrame(rows)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds; the 95 % Student-t interval where more than one seed ended well."""
    keys = ["task", "method", "model", "alignment", "augmentation", "history", "train_size"]
    rows = []
    for key, group in runs.groupby(keys, sort=False):
        ok = group[group["status"] == "ok"]
        row = dict(zip(keys, key, strict=True)) | {"n_seeds": len(group), "n_failed": len(group) - len(ok)}
        for name in ("mse", "skill", "skill_velocity", "mse_rotated"):
            half = 12.71 * ok[name].std() / len(ok) ** 0.5 if len(ok) > 1 else np.nan
            row |= {
                f"{name}_mean": ok[name].mean(),
                f"{name}_low": ok[name].mean() - half,
                f"{name}_high": ok[name].mean() + half,
            }
        row |= {f"{name}_mean": ok[name].mean() for name in ("rmse", "r2", "train_seconds")}
        rows.append(row | {name: group[name].max() for name in ("n_parameters", "mse_persistence", "mse_velocity")})
    return pd.DataFrame(rows)


def audit(runs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Measured symmetry: equivariant methods at rounding, the others far above; mlp_axes claims what does not hold."""
    rows = []
    for run in runs[runs["status"] == "ok"].itertuples():
        for weights in ("initial", "trained") if run.method in TRAINED else ("trained",):
            for dtype, noise in (("float32", 1e-6), ("float64", 5e-15)):
                for generator in GENERATORS:
                    claim = METHODS[run.method][3] or (generator == "translation" and run.alignment != "none")
                    holds = claim and not (run.method == "mlp_axes" and generator in ("rotation", "reflection"))
                    if generator == "permutation":
                        claim = holds = run.model not in ("mlp", "linear")
                    error = (noise if holds else 0.6 if weights == "trained" else 0.9) * np.exp(0.5 * rng.normal())
                    rows.append({
                        "task": run.task, "method": run.method, "train_size": run.train_size, "seed": run.seed,
                        "weights": weights, "dtype": dtype, "generator": generator, "samples": 64,
                        "abs_max": error * 3e-3,
                        "rel_mean": error, "rel_p95": 2 * error, "rel_max": 3 * error, "loss_percent": error * 10,
                        "noise_floor": 10 * noise, "verdict": "exact" if holds else "broken",
                        "claim": "yes" if claim else "no", "agrees": "yes" if claim == holds else "no",
                    })  # fmt: skip
    return pd.DataFrame(rows)


def rollout(runs: pd.DataFrame) -> pd.DataFrame:
    """Errors that grow with the square of the step."""
    step = np.arange(1, 101)
    parts = []
    for run in runs[runs["status"] == "ok"].itertuples():
        mse, still = run.mse * step ** (1.6 if run.method == "persistence" else 1.8), PERSISTENCE * step**1.6
        parts.append(pd.DataFrame({
            "task": run.task, "method": run.method, "train_size": run.train_size, "seed": run.seed, "step": step,
            "mse": mse, "skill": 1 - mse / still,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def history(runs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Learning curves that fall to the final error."""
    epoch = np.arange(1, 41)
    parts = []
    for run in runs[runs["method"].isin(TRAINED) & (runs["status"] == "ok")].itertuples():
        curve = run.mse * (1 + 200 * np.exp(-epoch / 5)) * np.exp(0.05 * rng.normal(size=len(epoch)))
        parts.append(pd.DataFrame({
            "task": run.task, "method": run.method, "train_size": run.train_size, "seed": run.seed, "epoch": epoch,
            "train_loss": curve / PERSISTENCE, "validation_mse": curve,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def alignment(tasks: dict[str, int]) -> pd.DataFrame:
    """Alignments with and without rotation."""
    rows = [
        ("none", 0.0, np.nan, 1.0, 1.3, 1.1),
        ("centre_of_mass", 0.0, np.nan, 1.0, 1.3, 1.1),
        ("point0", 0.0, np.nan, 1.4, 1.3, 1.1),
        ("vector01", 0.0, np.nan, 7.2, 2e-15, 0.4),
        ("principal_axes", 0.013, 0.08, 11.0, 0.7, 0.8),
    ]
    columns = ["alignment", "jump_rate", "eigengap_p01", "perturbation_gain", "rotation_error", "reflection_error"]
    return pd.concat([pd.DataFrame(rows, columns=columns).assign(task=task) for task in tasks])[["task", *columns]]


def examples(path: Path, runs: pd.DataFrame, rng: np.random.Generator, samples: int = 4, points: int = 12) -> None:
    """Truth, newest frame and predictions of a few test samples."""
    with h5py.File(path, "w") as file:
        for task, group in runs[(runs["status"] == "ok") & (runs["seed"] == 0)].groupby("task"):
            newest = np.stack([np.cumsum(rng.normal(scale=0.5, size=(points, 3)), 0) for _ in range(samples)])
            newest[..., 2] = 0
            step = 5e-3 * rng.normal(size=newest.shape) * [1, 1, 0]
            file[f"{task}/newest"], file[f"{task}/truth"] = newest, newest + step
            for run in group.itertuples():
                noise = rng.normal(scale=run.mse**0.5, size=newest.shape)
                file[f"{task}/{run.method}"] = newest if run.method == "persistence" else newest + step + noise


def splits(tasks: dict[str, int]) -> pd.DataFrame:
    """Frames of each split."""
    parts = [("train", 1500, 0, 1499), ("validation", 135, 1502, 1636), ("test", 408, 1639, 2046)]
    rows = [(task, *part) for task in tasks for part in parts]
    return pd.DataFrame(rows, columns=["task", "split", "samples", "first_frame", "last_frame"])


def write(
    folder: Path, tasks: dict[str, int] | None = None, seeds: int = 2, failed: str | None = "linear_sgd"
) -> dict[str, Path]:
    """Write every table to `folder`; the paths under their input keys."""
    tasks = tasks or {"chain_k1": 1, "chain_k3": 3}
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    runs = metrics(tasks, seeds, failed, rng)
    tables = {
        "metrics": runs, "summary": summary(runs), "audit": audit(runs, rng), "rollout": rollout(runs),
        "history": history(runs, rng), "alignment": alignment(tasks), "splits": splits(tasks),
    }  # fmt: skip
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    examples(folder / "examples.h5", runs, rng)
    return {name: folder / f"{name}.csv" for name in tables} | {"examples": folder / "examples.h5"}


def resolved_config(tasks: dict[str, int]) -> dict:
    """A configuration as the workflow writes it."""
    split = {"by": "time", "train": 1500, "validation": 137, "test": 410}
    return {
        "tasks": {task: {"source": "chain", "history": k, "lag": 1, "split": split} for task, k in tasks.items()},
        "sources": {"chain": {"kind": "simulate", "system": "bead_chain", "frames": 2048}},
        "methods": {name: {"model": model} for name, (model, *_) in METHODS.items()},
        "study": {
            "name": "quickstart",
            "tasks": list(tasks),
            "methods": list(METHODS),
            "seeds": 2,
            "train_sizes": ["all"],
        },
    }


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write(target)
    (target / "config.json").write_text(json.dumps(resolved_config({"chain_k1": 1, "chain_k3": 3})))
