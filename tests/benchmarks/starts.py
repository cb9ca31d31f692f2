"""How long a training takes to start: from the start of the process to its first epoch, twice for
each method.

python tests/benchmarks/starts.py

Trains on 1,500 frames of 12 points by the workflow's own command, first with an empty folder for
compiled programs, then with what the first start has left in it. Prints one JSON object per line:
`what`, `value`, `unit`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

import chain

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
METHODS = {
    "gate_points": {"model": "gate_points", "training": {"epochs": 2, "batch_size": 16}},
    "egnn": {"model": "egnn", "training": {"epochs": 2, "batch_size": 64}},
}


def start(method: dict, task: dict, files: tuple[Path, Path], folder: Path) -> tuple[float, dict]:
    """Seconds from the start of a training's process to the end of its first epoch, and its record."""
    words = ["--task", json.dumps(task), "--method", json.dumps(method), "--device", "cpu"]
    words += [
        "--trajectory",
        str(files[0]),
        "--aligned",
        str(files[1]),
        "--folder",
        str(folder / "run"),
    ]
    variables = {
        "EQUITRAJ_COMPILED": str(folder / "compiled"),
        "OMP_NUM_THREADS": "1",
        "NPROC": "1",
    }
    kept_out = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    begin, first, said = time.perf_counter(), None, []
    call = [sys.executable, str(SCRIPTS / "train.py"), *words]
    with subprocess.Popen(
        call, env=kept_out | variables, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            said.append(line)
            if first is None and " epoch 1/" in line:
                first = time.perf_counter() - begin
    if process.returncode or first is None:
        raise SystemExit(f"{method['name']}: {''.join(said)[-2000:]}")
    return first, json.loads((folder / "run/seed0/run.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--frames", type=int, default=1500, help="training frames (default: 1500)")
    args = parser.parse_args()
    for name in args.methods:
        method = METHODS[name] | {"name": name, "alignment": "centre_of_mass"}
        task = chain.task(1, args.frames)
        with tempfile.TemporaryDirectory() as folder:
            position = chain.positions(args.frames + 2 * chain.VALIDATION + 1)
            files = chain.write_files(Path(folder), position, task)
            for which in ("first", "second"):
                seconds, record = start(method, task, files, Path(folder))
                for what, value in (
                    ("to the first epoch", seconds),
                    ("compilation in it", record["compile_seconds"]),
                ):
                    line = {
                        "what": f"`{name}`, {which} start: {what}",
                        "value": round(value, 2),
                        "unit": "s",
                    }
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
