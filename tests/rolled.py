"""Rollouts of real runs of closed forms, beside the invented tables that a report is written from."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from called import called
from equitraj.data import trajectory
from equitraj.data.trajectory import Trajectory
from equitraj.report import collected, rollouts
from equitraj.training import run as training
from equitraj.training.method import Method

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"
TASK = {
    "name": "wave",
    "source": "s",
    "history": 3,
    "lag": 1,
    "split": {"by": "time", "train": 60, "validation": 20, "test": 30},
}
METHODS = ("persistence", "constant_velocity", "autoregression")
STEPS = 12


def evaluated(chain: Trajectory, place: Path, steps: int = STEPS, starts: int = 2) -> list[Path]:
    """The folders of fitted and evaluated runs below `place`, lengths in nm, times in ps."""
    lifted, aligned = place / "data/s/lifted.h5", place / "aligned/wave/none.h5"
    chain = replace(chain, length_unit="nm", time_unit="ps")
    frames = {"rotation": np.broadcast_to(np.eye(3), (len(chain.position), 1, 3, 3))}
    trajectory.write(lifted, chain)
    trajectory.write(
        aligned,
        chain,
        **frames,
        origin=0 * chain.position[:, 0],
        weight=0 * chain.time[:, None] + 1,
    )
    folders = []
    for name in METHODS:
        folder = place / f"runs/wave/{name}/nall"
        training.run(TASK, Method(name=name, model=name), "all", [0], lifted, aligned, folder)
        folders.append(folder / "seed0")
    options = f"--rollout-steps={steps}", f"--rollout-starts={starts}"
    called("evaluate.py", "--trajectory", lifted, "--runs", *folders, *options).check_returncode()
    return folders


def tables(chain: Trajectory, folder: Path) -> pd.DataFrame:
    """Write invented tables and those of real rollouts to `folder`; returns the real part of
    rollout.csv."""
    sys.path[:0] = [str(ROOT / "tests/unit")]
    import synthetic_tables

    synthetic_tables.write(
        folder, {"chain_k1": 1, "chain_k3": 3}, seeds=3, train_sizes=("100", "400", "all")
    )
    (folder / "config.json").write_text(
        json.dumps(synthetic_tables.resolved_config({"chain_k1": 1, "chain_k3": 3}))
    )
    runs = collected.read_runs(evaluated(chain, folder / "results"))
    read = {"s": trajectory.read(folder / "results/data/s/lifted.h5")}
    rollouts.write_rollouts(folder / "rollouts.h5", runs, collected.read_metrics(runs), read)
    lines = list(collected.stacked(runs, "rollout.csv"))
    with (folder / "rollout.csv").open("a", encoding="utf-8") as file:
        file.writelines(lines[1:])
    rows = pd.DataFrame(
        [line.strip().split(",") for line in lines[1:]], columns=lines[0].strip().split(",")
    )
    return rows.astype({"step": int, "mse": float})


def report(folder: Path) -> Path:
    """The report of the tables in `folder`, with a film of two pictures."""
    pictures = [Image.new("P", (200, 120), shade) for shade in (0, 200)]
    pictures[0].save(folder / "film.gif", save_all=True, append_images=pictures[1:], loop=0)
    os.makedirs(folder / "figures", exist_ok=True)
    places = {"tables": folder, "figures": folder / "figures", "config": folder / "config.json"}
    places |= {"film": folder / "film.gif", "output": folder / "report.html"}
    words = [word for key, place in places.items() for word in (f"--{key}", place)]
    called("report.py", *words).check_returncode()
    return folder / "report.html"
