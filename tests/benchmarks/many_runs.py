"""What a study of many runs costs beside its trainings: parsing, tables, figures, report, and
running it again.

python tests/benchmarks/many_runs.py --runs 10000

It takes about 10 minutes on 2 cores; --folder keeps the study.

A study of 10 tasks, 20 methods, up to 5 sizes and up to 10 seeds. Its trajectory and one task of
four methods with all seeds are made for real; every other run is a copy of one of these, written as
the steps write it, under its own task, method and size. `snakemake --touch` then records the steps
as done, so that tables, figures, the report and the second run are real. Each measurement is a line
of JSON: what, value, unit.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "workflow/scripts")]

from equitraj.base.files import atomic, read_json, write_json  # noqa: E402
from equitraj.training.record import FILES  # noqa: E402
from equitraj.training.steps import write_record  # noqa: E402
from study import checkout, environment  # noqa: E402

SPLIT = {"by": "time", "train": 100, "validation": 30, "test": 60}
MODELS = {
    "persistence": {"model": "persistence"},
    "least_squares": {"model": "linear_least_squares"},
    "mlp": {"model": "mlp", "options": {"width": 16}, "training": {"epochs": 2}},
    "egnn": {
        "model": "egnn",
        "alignment": "centre_of_mass",
        "options": {"width": 8, "layers": 1},
        "training": {"epochs": 2},
    },
}
TASKS = [f"task{number}" for number in range(10)]
METHODS = [f"{model}_{number}" for number in range(5) for model in MODELS]
SIZES = [20, 40, 60, 80, "all"]
STEPS = {"train": "trained", "evaluate": "evaluated", "audit": "audited"}


@dataclass(frozen=True)
class Cost:
    """What a process and those that it started took: seconds, of them on a processor, and the
    largest memory (MB)."""

    wall: float
    processor: float
    memory: float


def configuration(tasks: list[str], methods: list[str], sizes: list, seeds: int) -> dict:
    """A study on one short simulated chain."""
    source = {"kind": "simulate", "system": "bead_chain", "options": {"seed": 3}, "frames": 200}
    study = {
        "title": "Many runs",
        "tasks": tasks,
        "methods": methods,
        "train_sizes": sizes,
        "seeds": [*range(seeds)],
    }
    return {
        "sources": {"tiny": source | {"bonds": "chain", "lift": "random_plane"}},
        "tasks": {
            task: {"source": "tiny", "history": 3, "lag": 1, "split": SPLIT} for task in TASKS
        },
        "methods": {method: MODELS[method.rsplit("_", 1)[0]] for method in METHODS},
        "study": study,
        "batch": "size",  # so that copies of runs are known by the records of their size
        "rollout": {"steps": 10, "starts": 4},
        "audit": {"samples": 8, "elements": 2},
    }


def snakemake(folder: Path, *arguments: str) -> Cost:
    """Run the study in a folder on two cores.

    Raises:
        SystemExit: it failed.
    """
    call = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
    begin = time.perf_counter()
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(call, cwd=folder, env=environment(), stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status:
        raise SystemExit(
            f"error: {' '.join(call)} in {folder}:\n{(folder / 'run.log').read_text()[-3000:]}"
        )
    return Cost(
        wall,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
    )


def write_copy(path: Path, content: bytes) -> None:
    """Write a file with its record."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def copy_runs(folder: Path, study: dict) -> None:
    """Fill the run folders of a study with copies of the real runs: of the same model and seed."""
    results = folder / "results"
    for task, method, size in product(study["tasks"], study["methods"], study["train_sizes"]):
        original = f"{TASKS[0]}/{method.rsplit('_', 1)[0]}_0/nall"
        batch = results / f"runs/{task}/{method}/n{size}"
        if batch == results / "runs" / original:
            continue
        folders = [batch / f"seed{seed}" for seed in study["seeds"]]
        for seed, place in enumerate(folders):
            copy_run(results / f"runs/{original}/seed{seed}", place, task, method, str(size), seed)
        for step, record in STEPS.items():
            write_record(batch / f"{record}.sha256", folders)
            benchmark = results / f"benchmarks/{step}/{task}/{method}/n{size}.tsv"
            benchmark.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(results / f"benchmarks/{step}/{original}.tsv", benchmark)


def copy_run(original: Path, place: Path, task: str, method: str, size: str, seed: int) -> None:
    """One run under another name."""
    record = read_json(original / "run.json")
    record["task"]["name"], record["method"]["name"], record["train_size"], record["seed"] = (
        task,
        method,
        size,
        seed,
    )
    write_json(place / "run.json", record)
    for name in (name for names in FILES.values() for name in names if name != "run.json"):
        write_copy(place / name, (original / name).read_bytes())


def prepare(folder: Path, study: dict) -> None:
    """Make the study's runs: four trainings, the rest copied, all of them known to Snakemake as
    done."""
    few = configuration(TASKS[:1], METHODS[: len(MODELS)], ["all"], len(study["seeds"]))
    (folder / "few.yaml").write_text(yaml.safe_dump(few))
    batches = [f"results/runs/{TASKS[0]}/{method}/nall" for method in METHODS[: len(MODELS)]]
    records = [f"{batch}/{record}.sha256" for batch in batches for record in STEPS.values()]
    snakemake(folder, *records, "--configfile", "few.yaml")
    for task, original in product(TASKS[1:], (folder / "results/aligned" / TASKS[0]).glob("*.h5")):
        write_copy(folder / "results/aligned" / task / original.name, original.read_bytes())
    copy_runs(folder, study)
    # trainings come before these; named themselves, they would be the last that is done
    rules = [
        f"{step}_{framework}" for step in ("evaluate", "audit") for framework in ("numpy", "jax")
    ]
    # forced, since what is newer than its inputs would need no touch, and would be left without a
    # record
    snakemake(
        folder,
        "--touch",
        "--forceall",
        "--quiet",
        "all",
        "--configfile",
        "many.yaml",
        "--until",
        *rules,
    )


def say(what: str, value: float, unit: str) -> None:
    """One measurement."""
    print(json.dumps({"what": what, "value": round(value, 2), "unit": unit}), flush=True)


def say_cost(what: str, cost: Cost) -> None:
    """What a call took."""
    say(what, cost.wall, "s")
    say(f"{what}, processor", cost.processor, "s")
    say(f"{what}, memory", cost.memory, "MB")


def seconds(folder: Path, pattern: str) -> float:
    """Seconds of the jobs whose benchmark files match a pattern, together."""
    files = sorted((folder / "results/benchmarks").glob(pattern))
    return sum(float(path.read_text().splitlines()[1].split()[0]) for path in files)


def measure(folder: Path, runs: int) -> None:
    """Make the study in `folder` and print what it costs."""
    per_seed = len(TASKS) * len(METHODS)
    seeds = min(10, max(runs // per_seed // len(SIZES), 1))
    study = configuration(TASKS, METHODS, SIZES[-max(runs // per_seed // seeds, 1) :], seeds)
    (folder / "many.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    study = study["study"]
    say("runs", per_seed * len(study["train_sizes"]) * seeds, "runs")
    say_cost(
        "dry run of a fresh study",
        snakemake(folder, "--dry-run", "--quiet", "all", "--configfile", "many.yaml"),
    )
    prepare(folder, study)
    tables = [f"results/tables/{name}.csv" for name in ("alignment", "isotropy")]
    snakemake(folder, *tables, "--configfile", "many.yaml")
    say_cost("tables, figures and report", snakemake(folder, "--configfile", "many.yaml"))
    for what, pattern in (
        ("tables", "collect.tsv"),
        ("figures", "figures.tsv"),
        ("report", "report.tsv"),
    ):
        say(f"{what}, jobs one after another", seconds(folder, pattern), "s")
    say("report.html", (folder / "reports/report.html").stat().st_size / 1e6, "MB")
    cost = snakemake(folder, "--configfile", "many.yaml")
    if "Nothing to be done" not in (folder / "run.log").read_text():
        raise SystemExit(f"error: a second run had something to do: see {folder}/run.log")
    say_cost("run again with nothing to do", cost)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000, help="200 to 10,000 (default: 10,000)")
    parser.add_argument(
        "--folder", type=Path, help="where the study is made and kept; a temporary one without it"
    )
    args = parser.parse_args()
    if not 200 <= args.runs <= 10_000:
        parser.error(f"--runs {args.runs}; expected 200 to 10,000")
    with tempfile.TemporaryDirectory() as temporary:
        measure(checkout(args.folder or Path(temporary)), args.runs)


if __name__ == "__main__":
    main()
