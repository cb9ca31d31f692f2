"""The audit of run folders, which writes audit.csv, probes.csv and controls.csv into each."""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
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
PRECISIONS = ("float64", "float32")


@dataclass(frozen=True)
class Job:
    """An independent part of the audit of one run folder.

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
        """Compute the rows of this part."""
        if self.table == "controls":
            return controls.run(self.sample)
        if self.table == "probes":
            n_elements = max(self.counts.values())
            return probe_rows(self.folder, self.sample, self.lag, n_elements)
        load = loader(self.folder, self.weights)
        record = read_record(self.folder)
        rows = symmetry.audit(
            load,
            self.sample,
            record["claims"],
            self.counts,
            lag=self.lag,
            generators=self.generators,
        )
        return [{"weights": self.weights} | row for row in rows]


def run(
    folders: list[Path],
    trajectory: Trajectory,
    n_samples: int,
    n_elements: int,
    processes: int = 1,
    wanted: list[Path] | None = None,
) -> None:
    """Audit the run folders of a method on a task, or only the `wanted` ones, with `processes`.

    For each training size, the first seed with trained weights is audited with all `n_elements` in
    float64. A sixteenth of them is enough to show that float32 and the other seeds agree, and half
    of that for the weights before training. The probes and the controls go with the first seed.
    """
    chosen = folders if wanted is None else wanted
    jobs = plan(folders, trajectory, n_samples, n_elements, chosen)
    tables: dict[tuple[Path, str], list[dict]] = {
        (folder, name): [] for folder in chosen for name in COLUMNS
    }
    for job, rows in zip(jobs, _results(jobs, processes), strict=True):
        tables[job.folder, job.table] += rows
    for (folder, name), rows in tables.items():
        if name == "audit":
            _sort(rows)
        write_table(folder / f"{name}.csv", COLUMNS[name], rows)


def _sort(rows: list[dict]) -> None:
    """Sort rows of audit.csv into the order of the table, independent of the order of the jobs."""
    order = {"initial": 0, "trained": 1, "float64": 0, "float32": 1}
    generators = dict.fromkeys(row["generator"] for row in rows)
    order |= {generator: i for i, generator in enumerate(generators)}

    def position(row: dict) -> tuple[int, ...]:
        return order[row["weights"]], order[row["dtype"]], order[row["generator"]]

    rows.sort(key=position)


def first_trained(folders: list[Path]) -> set[Path]:
    """Return the first run of each training size that has trained weights."""
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
    """Return the parts of the audit of the folders, or of the `wanted` ones, the longest first."""
    first = first_trained(folders)
    sixteenth = max(1, n_elements // 16)
    few = dict.fromkeys(PRECISIONS, sixteenth)
    fewer = dict.fromkeys(PRECISIONS, max(1, n_elements // 32))
    counts = {"float64": n_elements, "float32": sixteenth}
    jobs = []
    for folder in folders if wanted is None else wanted:
        record = read_record(folder)
        sample, lag = test_samples(folder, trajectory, n_samples)
        if folder in first:
            jobs.append(Job(folder, "probes", sample, lag, counts=counts))
            for generator in symmetry.EVERY:
                job = Job(folder, "audit", sample, lag, "trained", counts, (generator,))
                jobs.append(job)
            jobs.append(Job(folder, "controls", sample, lag))
        elif record["status"] == "ok":
            jobs.append(Job(folder, "audit", sample, lag, "trained", few))
        if record["has_initial"]:
            jobs.append(Job(folder, "audit", sample, lag, "initial", fewer))
    return jobs


def _results(jobs: list[Job], processes: int) -> Iterable[list[dict]]:
    if processes < 2:
        return map(Job.rows, jobs)
    # for each process, before it loads a framework
    os.environ.update(OMP_NUM_THREADS="1", NPROC="1")
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context) as pool:
        return list(pool.map(Job.rows, jobs))


def test_samples(folder: Path, trajectory: Trajectory, n_samples: int) -> tuple[Sample, int]:
    """Return samples spread over the test split of a run's task, and the task's lag."""
    task = read_record(folder)["task"]
    history = task["history"]
    lag = task["lag"]
    splits = tasks.split_frames(trajectory.episode, history, lag, task["split"])
    newest = splits["test"]
    few = newest[spread(len(newest), n_samples)]
    return tasks.samples(trajectory, few, history, lag, task.get("inputs", ())), lag


def loader(folder: Path, weights: str) -> Callable[[str], symmetry.Predict]:
    """Return a function from a dtype to the predictor of these weights of a run."""
    return partial(_predict, folder, weights)


@cache
def _predict(folder: Path, weights: str, dtype: str) -> symmetry.Predict:
    loaded = predictor.load(folder, weights, dtype)
    return loaded.predict


def _snapshot(folder: Path, weights: str) -> symmetry.Predict:
    loaded = predictor.load(folder, weights, "float64")
    return loaded.predict


def probe_rows(folder: Path, sample: Sample, lag: int, n_elements: int) -> list[dict]:
    """Compute the rows of probes.csv for the trained weights of a run."""
    few = sample.take(spread(len(sample), N_PROBED))
    load = loader(folder, "trained")
    predict = load("float64")
    prediction = predict(few)
    in_float32 = load("float32")(few)
    forward = forward_noise(in_float32, few, prediction, "float64")
    rows = probes.angles(predict, few)
    rows += probes.worst_rotation(predict, few, n_elements)
    rows += probes.stabilisers(predict, few, forward)
    rows += probes.continuity(predict, few)
    if lag == 1 or few.position.shape[1] == 1:  # predictions can be fed back
        rows += probes.rollout(predict, few, lag)
    snapshots = read_record(folder).get("snapshots")
    if snapshots:
        rows += probes.training(partial(_snapshot, folder), snapshots, few)
    run_parts = predictor.read_run(folder)
    return rows + lie.rows(*run_parts, few)
