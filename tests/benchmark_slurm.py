"""What a cluster costs: a study of 200 runs on the test cluster beside the same study by `snakemake
--cores`.

python tests/benchmark_slurm.py

It needs root on Debian with Slurm's packages, and takes about 15 minutes on 2 cores.

Prints submissions, time in the queue, and overhead per run: the difference of the two wall times
over the runs. Both share this machine's cores, so that the difference is what submitting, waiting
and starting Snakemake in each job cost.
"""

import os
import shutil
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import yaml

from slurm import cluster
from study import checkout, command, environment, table

ALIGNMENTS = ("none", "centre_of_mass", "point0", "vector01", "principal_axes")
MLPS = {
    f"mlp_{name}": {
        "model": "mlp",
        "alignment": name,
        "options": {"width": 16},
        "training": {"epochs": 2},
    }
    for name in ALIGNMENTS
}
OTHERS = ["persistence", "linear_least_squares", "linear_sgd", "tiny_egnn", "tiny_e3nn"]
STUDY = {
    "methods": MLPS,
    "study": {
        "tasks": ["tiny_k1", "tiny_k3"],
        "methods": [*MLPS, *OTHERS],
        "seeds": list(range(10)),
    },
}
FORMAT = "%V %S %e"  # submitted, started, ended


def timed(folder: Path, *arguments: str, **variables: str) -> float:
    """Seconds of the study in a folder."""
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    call = command(*arguments, also=folder / "study.yaml")
    begin = time.perf_counter()
    with (folder / "run.log").open("w") as log:
        done = subprocess.run(
            call, cwd=folder, env=environment(**variables), stdout=log, stderr=log
        )
    if done.returncode:
        raise SystemExit(f"error: the study failed; see {folder}/run.log")
    return time.perf_counter() - begin


def submissions(variables: dict[str, str]) -> list[list[float]]:
    """Times of submission, start and end of every job that the cluster has seen, in seconds."""
    call = ["squeue", "--noheader", "--states", "all", "--format", FORMAT]
    text = subprocess.run(
        call, env=os.environ | variables, capture_output=True, text=True, check=True
    ).stdout
    return [
        [datetime.fromisoformat(word).timestamp() for word in line.split()]
        for line in text.splitlines()
    ]


def on_cluster(folder: Path) -> tuple[float, list[list[float]]]:
    """Seconds of the study on a cluster that is started for it, and the times of its jobs."""
    place = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        cluster.start(place)
        variables = cluster.environment(place)
        profile = (
            "--workflow-profile",
            "profiles/slurm",
            "--slurm-init-seconds-before-status-checks",
            "5",
        )
        return timed(folder, *profile, **variables), submissions(variables)
    finally:
        cluster.stop(place)
        shutil.rmtree(place)


def main() -> None:
    if reason := cluster.obstacle():
        raise SystemExit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as base:
        there, here = (checkout(Path(base) / name) for name in ("cluster", "local"))
        seconds_there, jobs = on_cluster(there)
        seconds_here = timed(here, "--cores", str(os.cpu_count()))
        n_runs = len(table(there, "metrics"))
    assert n_runs == 200, n_runs
    queued = [start - submitted for submitted, start, _ in jobs]
    print(f"runs                     {n_runs}")
    print(f"submissions              {len(jobs)}")
    print(f"queue, median / longest  {median(queued):.0f} s / {max(queued):.0f} s")
    print(
        f"wall time on the cluster {seconds_there:.0f} s; by --cores {os.cpu_count()}: "
        f"{seconds_here:.0f} s"
    )
    print(f"overhead per run         {(seconds_there - seconds_here) / n_runs:.2f} s")


if __name__ == "__main__":
    main()
