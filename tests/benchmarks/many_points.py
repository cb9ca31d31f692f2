"""Seconds and memory of each step for thousands of points in a periodic box, with a method that has
a cutoff.

python tests/benchmarks/many_points.py --model egnn --points 1024 4096

Runs the scripts of the workflow one after the other on a simulated liquid: simulate, lift, align,
train (one epoch), evaluate. Prints one JSON object per line: `what`, `value`, `unit`. The liquid
has one density, so that four times the points have four times the pairs. Memory is the largest of
each process; the last row, its growth per pair, leaves out what imports and compiled programs take.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

TASK = {"name": "liquid", "source": "liquid", "history": 2, "lag": 1}
TASK["split"] = {"by": "time", "train": 12, "validation": 3, "test": 3}
FRAMES = 24


def timed(script: str, *arguments: object) -> tuple[float, float]:
    """Seconds and largest memory in MB of one of the workflow's commands."""
    words = [json.dumps(a) if isinstance(a, dict) else str(a) for a in arguments]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / script), *words], stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{script}: {said.strip()}")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def steps(folder: Path, method: dict, n_points: int) -> dict[str, tuple[float, float]]:
    """What each step took for this many points."""
    source = {
        "kind": "simulate",
        "system": "lennard_jones",
        "frames": FRAMES,
        "options": {"points": n_points},
    }
    raw, lifted, aligned, run = (
        folder / name for name in ("raw.h5", "lifted.h5", "aligned.h5", "run")
    )
    alignment = {"frames": method["alignment"], "options": {}}
    data = ["--trajectory", lifted, "--task", TASK]
    train = [
        *data,
        "--aligned",
        aligned,
        "--method",
        method,
        "--seeds",
        0,
        "--device",
        "cpu",
        "--folder",
        run,
    ]
    return {
        "simulate": timed("simulate.py", "--source", source, "--output", raw),
        "lift": timed("lift.py", "--input", raw, "--source", source, "--output", lifted),
        "align": timed(
            "align.py",
            *data,
            "--name",
            method["alignment"],
            "--alignment",
            alignment,
            "--output",
            aligned,
        ),
        "train": timed("train.py", *train),
        "evaluate": timed(
            "evaluate.py", "--trajectory", lifted, "--runs", run / "seed0", "--rollout-steps", 2
        ),
    }


def pairs(folder: Path, radius: float) -> tuple[int, float]:
    """Pairs within the cutoff in a frame, on average, and the seconds that it takes to list them."""
    # here, in a process of its own: a process that is started begins with the memory of the one
    # that starts it
    from equitraj.data import trajectory as files
    from equitraj.data.neighbours import neighbour_lists

    trajectory = files.read(folder / "lifted.h5")
    neighbour_lists(trajectory.position[:1], radius, trajectory.box[:1])  # imports vesin
    start = time.perf_counter()
    lists = neighbour_lists(trajectory.position, radius, trajectory.box)
    count = int((lists["receivers"] < trajectory.position.shape[1]).sum())
    return count // FRAMES, (time.perf_counter() - start) / FRAMES


def report(what: str, value: float, unit: str) -> None:
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="egnn")
    parser.add_argument(
        "--options", type=json.loads, default={}, help="further options of the model, as JSON"
    )
    parser.add_argument(
        "--radius",
        type=float,
        default=0.6,
        help="cutoff, nm; the first shell of neighbours ends there",
    )
    parser.add_argument("--points", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--batch-size", type=int, default=2)
    args = parser.parse_args()
    method = {"name": args.model, "model": args.model, "alignment": "centre_of_mass"}
    method |= {"options": args.options | {"max_radius": args.radius}}
    method |= {"training": {"epochs": 1, "batch_size": args.batch_size}}
    peak, count = {}, {}
    for n_points in args.points:
        with tempfile.TemporaryDirectory() as folder:
            took, here = (
                steps(Path(folder), method, n_points),
                f"many points, {args.model}, {n_points} points",
            )
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                count[n_points], seconds = pool.submit(pairs, Path(folder), args.radius).result()
            record = json.loads((Path(folder) / "run/seed0/run.json").read_text())
        if record["status"] != "ok":
            raise SystemExit(f"{here}: {record['status']}")
        report(f"{here}: pairs", count[n_points], "pairs per sample")
        report(f"{here}: listing them", seconds, "s per sample")
        for step, (seconds, megabytes) in took.items():
            report(f"{here}: {step}", seconds, "s")
            report(f"{here}: {step}, memory", megabytes, "MB")
        peak[n_points] = took["train"][1]
    small, large = min(count), max(count)
    if small != large:
        beside = (peak[large] - peak[small]) * 1e6 / (count[large] - count[small])
        report(
            f"many points, {args.model}: memory of training for each further pair", beside, "bytes"
        )


if __name__ == "__main__":
    main()
