"""A file that is not as it was written is refused by whoever reads it, with the command that makes
it again."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from called import called
from equitraj.base import files
from equitraj.chapter import data as chapter_data
from equitraj.data import trajectory
from equitraj.prediction import export, predictor
from equitraj.report import collected, judged, page, rollouts, tables, trajectories
from equitraj.report.figures import prediction_examples, style
from equitraj.training import run as training
from equitraj.training.method import Method

AGAIN = "snakemake --cores all --configfile studies/mine.yaml"
TASK = {"name": "t", "source": "s", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def flipped(path: Path) -> None:
    """One bit of the byte in the middle; size and time of the file stay as they were."""
    content, before = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), "when it was written"),
    "a flipped bit": (flipped, "other content than was written"),
    "emptied": (lambda path: os.truncate(path, 0), "empty"),
    "another file": (
        lambda path: path.write_text("task,method\nt,m\n" * 300),
        "when it was written",
    ),
}


def results(run: Path) -> Path:
    """The folder of results that a run folder lies in."""
    return run.parents[4]


def stacked(run: Path, name: str) -> list[str]:
    """The lines of a table of one run."""
    return list(collected.stacked(collected.read_runs([run]), name))


def with_rollouts(run: Path, path: Path) -> None:
    """Collect the rollouts of a run."""
    runs = collected.read_runs([run])
    lifted = trajectory.read(results(run) / "data/s/lifted.h5")
    rollouts.write_rollouts(path, runs, collected.read_metrics(runs), {"s": lifted})


# file, relative to the results (run files to the run folder): who reads it, called with the run
# folder
RUN = "runs/t/m/nall/seed0/"
READERS: dict[str, Callable[[Path], object]] = {
    "data/s/lifted.h5": lambda run: trajectory.read(results(run) / "data/s/lifted.h5"),
    "aligned/t/none.h5": lambda run: trajectory.read_observables(results(run) / "aligned/t/none.h5"),
    RUN + "run.json": lambda run: collected.read_runs([run]),
    RUN + "model.safetensors": lambda run: predictor.load(run),
    RUN + "metrics.json": lambda run: collected.read_metrics([run]),
    RUN + "predictions.h5": lambda run: export.predictions(run, trajectory.read(export.trajectory_of(run))),
    RUN + "rollout.h5": lambda run: with_rollouts(run, results(run).parent / "again.h5"),
    **{f"{RUN}{name}.csv": (lambda run, n=name: stacked(run, f"{n}.csv")) for name in (
        "history", "rollout", "physics", "audit", "probes", "controls")},
    "tables/metrics.csv": lambda run: style.read_table(results(run) / "tables/metrics.csv"),
    "tables/splits.csv": lambda run: tables.plain_table(results(run) / "tables/splits.csv"),
    "tables/chapter.csv": lambda run: judged.chapter_table(results(run) / "tables/chapter.csv"),
    "tables/examples.h5": lambda run: prediction_examples._read(results(run) / "tables/examples.h5"),
    "tables/rollouts.h5": lambda run: trajectories.trajectories(results(run) / "tables"),
    "figures/f.svg": lambda run: page.picture(results(run) / "figures/f.svg"),
    "figures/f.json": lambda run: page.picture(results(run) / "figures/f.svg"),
    "chapter/baseline.npz": lambda run: chapter_data.read_arrays(results(run) / "chapter/baseline.npz"),
    "config.json": lambda run: files.read_json(results(run) / "config.json"),
}  # fmt: skip


@pytest.fixture(scope="module")
def run(chain, tmp_path_factory) -> Path:
    """The folder of a run of a closed form, in results as steps write them."""
    os.environ[files.AGAIN] = AGAIN
    place = tmp_path_factory.mktemp("study") / "results"
    try:
        return make(chain, place)
    finally:
        del os.environ[files.AGAIN]


def make(chain: trajectory.Trajectory, place: Path) -> Path:
    """Write one file of each kind below `place`."""
    frames = {"rotation": np.broadcast_to(np.eye(3), (120, 1, 3, 3)), "origin": np.zeros((120, 3))}
    lifted, aligned = place / "data/s/lifted.h5", place / "aligned/t/none.h5"
    trajectory.write(lifted, chain)
    trajectory.write(aligned, chain, **frames, weight=np.ones((120, 1)))
    training.run(
        TASK,
        Method(name="m", model="autoregression"),
        "all",
        [0],
        lifted,
        aligned,
        place / "runs/t/m/nall",
    )
    folder = place / "runs/t/m/nall/seed0"
    for script in ("evaluate.py", "audit.py"):
        few = (
            ["--samples", "4", "--elements", "2"]
            if script == "audit.py"
            else ["--rollout-steps", "3"]
        )
        called(script, "--trajectory", lifted, "--runs", folder, *few).check_returncode()
    for name in ("metrics", "splits", "chapter"):
        files.write_table(
            place / f"tables/{name}.csv", ["task", "method"], [{"task": "t", "method": "m"}] * 9
        )
    with files.atomic(place / "tables/examples.h5") as path:
        collected.write_examples(path, collected.read_runs([folder]), {"s": chain})
    with files.atomic(place / "tables/rollouts.h5") as path:
        with_rollouts(folder, path)
    files.write_table(place / "tables/rollout.csv", trajectories.COLUMNS, [])
    style.save(style.empty("nothing"), place / "figures/f.svg")
    files.write_json(
        place / "figures/f.json", dict.fromkeys(("title", "caption", "finding"), "words")
    )
    chapter_data.write_arrays(place / "chapter/baseline.npz", n_train=3)
    files.write_json(place / "config.json", {"tasks": {"t": TASK}})
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused_with_the_command_that_makes_it_again(run, name, damage):
    path, (harm, what) = results(run) / name, DAMAGES[damage]
    content, times = path.read_bytes(), path.stat()
    READERS[name](run)
    try:
        harm(path)
        files._sha256_once.cache_clear()  # as in another process
        with pytest.raises(files.DamagedFile) as caught:
            READERS[name](run)
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: ")
        and what in message
        and message.endswith(f": {AGAIN} --force {path}")
    )
