"""The audit of run folders: audit.csv, probes.csv and controls.csv in each."""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from equitraj import symmetry
from equitraj.base.files import write_table
from equitraj.data import tasks
from equitraj.data.tasks import Sample, spread
from equitraj.data.trajectory import Trajectory
from equitraj.prediction import predictor
from equitraj.symmetry import controls, lie, probes
from equitraj.symmetry.verdict import forward_noise
from equitraj.training.record import read_record

COLUMNS = {
    "audit": ["weights", *symmetry.COLUMNS],
    "probes": probes.COLUMNS,
    "controls": "control generator rel_mean noise_floor verdict expected".split(),
}
N_PROBED = 16  # samples of the probes


@dataclass(frozen=True)
class Job:
    """A part of the audit of one run folder that can be done by itself.

    Attributes: folder; table that gets its rows; sample; lag; weights, counts (dtype to elements)
    and generators of a part of audit.csv.
    """

    folder: Path
    table: str
    sample: Sample
    lag: int
    weights: str = "trained"
    counts: dict[str, int] = field(default_factory=dict)
    generators: tuple[str, ...] = symmetry.EVERY

    def rows(self) -> list[dict]:
        """The rows of this part."""
        if self.table == "controls":
            return controls.run(self.sample)
        if self.table == "probes":
            return probe_rows(self.folder, self.sample, self.lag, max(self.counts.values()))
        load, claims = loader(self.folder, self.weights), read_record(self.folder)["claims"]
        found = symmetry.audit(
            load, self.sample, claims, self.counts, lag=self.lag, generators=self.generators
        )
        return [{"weights": self.weights} | row for row in found]


def run(
    folders: list[Path],
    trajectory: Trajectory,
    n_samples: int,
    n_elements: int,
    processes: int = 1,
    wanted: list[Path] | None = None,
) -> None:
    """Audit the run folders of a method on a task, or those of them that are `wanted`, in that many
    processes.

    All `n_elements` meet the trained weights of the first seed that has some, in float64, of each
    training size. A sixteenth is enough to see that float32 and the other seeds agree, half of that
    for the weights before training; the probes and the controls go with the first seed.
    """
    chosen = folders if wanted is None else wanted
    jobs = plan(folders, trajectory, n_samples, n_elements, chosen)
    tables = {(folder, name): [] for folder in chosen for name in COLUMNS}
    for job, rows in zip(jobs, _results(jobs, processes), strict=True):
        tables[job.folder, job.table] += rows
    for (folder, name), rows in tables.items():
        if name == "audit":  # in the order of the table, whatever the order of the jobs
            generators = dict.fromkeys(row["generator"] for row in rows)
            order = {"initial": 0, "trained": 1, "float64": 0, "float32": 1} | {
                g: i for i, g in enumerate(generators)
            }
            rows.sort(
                key=lambda row: [order[row[key]] for key in ("weights", "dtype", "generator")]
            )
        write_table(folder / f"{name}.csv", COLUMNS[name], rows)


def first_trained(folders: list[Path]) -> set[Path]:
    """The first run of each training size that has trained weights."""
    first: dict[Path, Path] = {}
    for folder in folders:
        if read_record(folder)["status"] == "ok":
            first.setdefault(folder.parent, folder)
    return set(first.values())


def plan(
    folders: list[Path],
    trajectory: Trajectory,
    n_samples: int,
    n_elements: int,
    wanted: list[Path] | None = None,
) -> list[Job]:
    """The parts of the audit of the folders, or of those that are `wanted`, the longest first."""
    first = first_trained(folders)
    few, fewer = (dict.fromkeys(("float64", "float32"), max(1, n_elements // n)) for n in (16, 32))
    jobs = []
    for folder in folders if wanted is None else wanted:
        is_trained = read_record(folder)["status"] == "ok"
        sample, lag = test_samples(folder, trajectory, n_samples)
        if folder in first:
            counts = few | {"float64": n_elements}
            jobs.append(Job(folder, "probes", sample, lag, counts=counts))
            jobs += [
                Job(folder, "audit", sample, lag, "trained", counts, (g,)) for g in symmetry.EVERY
            ]
            jobs.append(Job(folder, "controls", sample, lag))
        elif is_trained:
            jobs.append(Job(folder, "audit", sample, lag, "trained", few))
        if read_record(folder)["has_initial"]:
            jobs.append(Job(folder, "audit", sample, lag, "initial", fewer))
    return jobs


def _results(jobs: list[Job], processes: int) -> Iterable[list[dict]]:
    if processes < 2:
        return map(Job.rows, jobs)
    os.environ.update(
        OMP_NUM_THREADS="1", NPROC="1"
    )  # of each process, before it loads a framework
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        return list(pool.map(Job.rows, jobs))


def test_samples(folder: Path, trajectory: Trajectory, n_samples: int) -> tuple[Sample, int]:
    """Samples spread over the test split of a run's task, and its lag."""
    task = read_record(folder)["task"]
    history, lag = task["history"], task["lag"]
    newest = tasks.split_frames(trajectory.episode, history, lag, task["split"])["test"]
    few = newest[spread(len(newest), n_samples)]
    return tasks.samples(trajectory, few, history, lag, task.get("inputs", ())), lag


def loader(folder: Path, weights: str) -> Callable[[str], symmetry.Predict]:
    """dtype -> predictor of these weights of a run."""
    return lambda dtype: _loaded(folder, weights, dtype).predict


@cache
def _loaded(folder: Path, weights: str, dtype: str) -> predictor.Predictor:
    return predictor.load(folder, weights, dtype)


def probe_rows(folder: Path, sample: Sample, lag: int, n_elements: int) -> list[dict]:
    """Rows of probes.csv for the trained weights of a run."""
    few, load = sample.take(spread(len(sample), N_PROBED)), loader(folder, "trained")
    predict, prediction = load("float64"), load("float64")(few)
    forward = forward_noise(load("float32")(few), few, prediction, "float64")
    rows = probes.angles(predict, few) + probes.worst_rotation(predict, few, n_elements)
    rows += probes.stabilisers(predict, few, forward) + probes.continuity(predict, few)
    if lag == 1 or few.position.shape[1] == 1:  # predictions can be fed back
        rows += probes.rollout(predict, few, lag)
    if snapshots := read_record(folder).get("snapshots"):
        rows += probes.training(
            lambda w: predictor.load(folder, w, "float64").predict, snapshots, few
        )
    return rows + lie.rows(*predictor.read_run(folder), few)
