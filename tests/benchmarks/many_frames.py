"""Time and peak memory of every step of a study, from a file of 12 points to the report, against
the number of frames.

python tests/benchmarks/many_frames.py --frames 10000 100000 1000000

On two cores the last takes about an hour.

The study is run by Snakemake, one job at a time, in a copy of the workflow. Its jobs find a
`python` that takes down what the operating system says of each when it has ended (getrusage(2)):
seconds, and the peak of its resident memory, which a sampling observer would miss. Prints a table,
and a line of JSON for each figure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml
from scipy.signal import lfilter

sys.path.insert(0, str(Path(__file__).parents[1]))

from study import checkout, environment

POINTS, HISTORY, AT_ONCE = 12, 3, 50_000
RADIUS, ANGLE = (
    0.98,
    0.1,
)  # of the poles of the process: it turns once in 63 frames and forgets in 50
ALIGNMENTS = (
    "kabsch_mean",
    "principal_axes",
    "frame_averaging",
)  # beside those of the methods and of the film
ONE_EPOCH = {"epochs": 1, "batch_size": 256}
METHODS = {
    "persistence": {"model": "persistence"},
    "autoregression": {"model": "autoregression"},
    "mlp_once": {"model": "mlp", "training": ONE_EPOCH},
    "egnn_once": {
        "model": "egnn",
        "alignment": "centre_of_mass",
        "options": {"width": 16, "layers": 1},
        "training": ONE_EPOCH,
    },
}
WRAPPER = """#!{python}
import json, os, resource, sys, time
begin, child = time.perf_counter(), os.posix_spawn({python!r}, [{python!r}, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(child, 0)
row = {{"call": sys.argv[1:], "wall": time.perf_counter() - begin, "cpu": usage.ru_utime + usage.ru_stime}}
with open({log!r}, "a") as file:
    file.write(json.dumps(row | {{"bytes": 1024 * usage.ru_maxrss}}) + "\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def write_chain(path: Path, n_frames: int) -> None:
    """A chain that bends at random and smoothly: coordinates are autoregressive processes of order
    2."""
    rng, coefficients = np.random.default_rng(0), [1, -2 * RADIUS * np.cos(ANGLE), RADIUS**2]
    file = np.lib.format.open_memmap(path, "w+", np.float64, (n_frames, POINTS, 3))
    place = np.arange(POINTS)[:, None] * [1.0, 0.2, 0.0]
    state = np.zeros((2, POINTS, 3))
    for start in range(0, n_frames, AT_ONCE):
        noise = rng.normal(size=(min(AT_ONCE, n_frames - start), POINTS, 3))
        moved, state = lfilter([0.02], coefficients, noise, axis=0, zi=state)
        file[start : start + len(moved)] = place + moved
    file.flush()


def study(path: Path) -> dict:
    """The study of a file, as a study file."""
    split = {"by": "time", "train": 0.7, "validation": 0.1, "test": 0.2}
    return {
        "sources": {"many": {"kind": "file", "path": str(path), "bonds": "chain"}},
        "tasks": {"many_k3": {"source": "many", "history": HISTORY, "lag": 1, "split": split}},
        "methods": METHODS,
        "study": {
            "tasks": ["many_k3"],
            "methods": list(METHODS),
            "seeds": [0],
            "train_sizes": ["all"],
        },
        "audit": {"samples": 64, "elements": 8},
        "device": "cpu",
    }


def step_of(call: list[str]) -> str:
    """What a job did: its command, and the method, alignment or figure."""
    script, options = Path(call[0]).stem, dict(zip(call, call[1:], strict=False))
    if "--method" in options:
        return f"{script} {json.loads(options['--method'])['name']}"
    if "--runs" in options and script in ("evaluate", "audit"):
        return f"{script} {Path(options['--runs']).parts[-3]}"
    return f"{script} {options['--name']}" if "--name" in options else script


def measured(folder: Path, n_frames: int) -> dict[str, dict[str, float]]:
    """Seconds of wall and processor time and peak memory of each step; of figures those of the
    slowest and largest."""
    path, log, programs = folder / "many.npy", folder / "steps.jsonl", folder / "bin"
    checkout(folder)
    programs.mkdir()
    (programs / "python").write_text(WRAPPER.format(python=sys.executable, log=str(log)))
    (programs / "python").chmod(0o755)
    write_chain(path, n_frames)
    (folder / "study.yaml").write_text(yaml.safe_dump(study(path)))
    targets = ["all", *(f"results/aligned/many_k3/{name}.h5" for name in ALIGNMENTS)]
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        *targets,
        "--configfile",
        "study.yaml",
    ]
    variables = environment(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
    with (folder / "run.log").open("w") as output:
        done = subprocess.run(call, cwd=folder, env=variables, stdout=output, stderr=output)
    if done.returncode:
        raise SystemExit(f"error: the study failed:\n{(folder / 'run.log').read_text()[-4000:]}")
    steps: dict[str, dict[str, float]] = defaultdict(
        lambda: {"wall": 0.0, "cpu": 0.0, "bytes": 0.0}
    )
    for row in map(json.loads, log.read_text().splitlines()):
        step = steps[step_of(row["call"])]
        step |= {key: max(step[key], row[key]) for key in step}
    return {"fetch": steps.pop("fetch"), **steps}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--folder", type=Path, help="where it works (default: the system's folder for such files)"
    )
    args = parser.parse_args()
    found = {}
    for n_frames in args.frames:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            found[n_frames] = measured(Path(folder), n_frames)
    print("| step |", " | ".join(f"{n:,} frames" for n in found), "|")
    print("|---|" + "---|" * len(found))
    for step in found[args.frames[0]]:
        cells = (
            f"{rows[step]['cpu']:.0f} s, {rows[step]['bytes'] / 1e6:,.0f} MB"
            for rows in found.values()
        )
        print(f"| {step} |", " | ".join(cells), "|")
    for n_frames, rows in found.items():
        for step, row in rows.items():
            what = f"many frames, {n_frames}, {step}"
            print(
                json.dumps(
                    {"what": f"{what}: processor time", "value": round(row["cpu"], 2), "unit": "s"}
                )
            )
            print(
                json.dumps(
                    {
                        "what": f"{what}: peak memory",
                        "value": round(row["bytes"] / 1e6, 1),
                        "unit": "MB",
                    }
                )
            )


if __name__ == "__main__":
    main()
