"""All benchmarks in one sitting: tables on the screen, docs/benchmarks.md and its figure.

python tests/benchmarks/run.py            (make benchmark; about an hour and a half on two cores)
python tests/benchmarks/run.py --parts Training "Many runs"  (the other tables stay)
python tests/benchmarks/run.py --quick    (make benchmark QUICK=1; 3 minutes, writes nothing)

A part that fails or runs out of its time says so in its table, with what it printed until then; the
exit code is 0.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import page

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
# title, command, seconds that it may take
PARTS = (
    ("Training", "training.py", 1800),
    ("Starts of a training", "starts.py", 600),
    ("Many points", "many_points.py --model egnn --points 1024 4096", 1200),
    ("Many points, e3nn", "many_points.py --model gate_points --points 1024 4096", 2400),
    ("Many frames", "many_frames.py --frames 10000 1000000", 7200),
    ("Many runs", "many_runs.py --runs 10000", 5400),
    ("A GPU", "gpu.py", 900),
)
QUICK = (
    ("Training", "training.py --quick --frames 512", 165),
    ("Many points", "many_points.py --model egnn --points 256", 170),
)
TOGETHER, ENOUGH = (
    170,
    15,
)  # seconds of the quick ones; fewer left than enough, and a part is not begun


def parsed(text: str) -> tuple[dict, ...]:
    """The lines of JSON in an output that has a unit; others are for readers."""
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"what", "unit"} <= record.keys():
            found.append(record)
    return tuple(found)


def run(title: str, command: str, seconds: float) -> page.Part:
    """A part, ended with all that it started when its time is over."""
    script, *options = shlex.split(command)
    shown = f"python tests/benchmarks/{command}"
    print(f"{title}: {shown}", file=sys.stderr, flush=True)
    call = [sys.executable, str(HERE / script), *options]
    quiet = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3"
    }  # XLA warns of hints whenever it loads a compiled program
    process = subprocess.Popen(
        call, stdout=subprocess.PIPE, text=True, start_new_session=True, env=quiet
    )
    try:
        output, failure = process.communicate(timeout=seconds)[0], ""
        if process.returncode:
            failure = f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, failure = process.communicate()[0], f"its {seconds:.0f} s were over"
    return page.Part(title, shown, parsed(output), failure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    titles = [title for title, *_ in PARTS]
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=titles,
        default=titles,
        help="measure only these; the rest stays",
    )
    parser.add_argument(
        "--docs", type=Path, default=DOCS, help="where benchmarks.md and benchmarks.png go"
    )
    args = parser.parse_args()
    begin, parts = time.perf_counter(), []
    for title, command, seconds in (
        QUICK if args.quick else [part for part in PARTS if part[0] in args.parts]
    ):
        left = TOGETHER - (time.perf_counter() - begin) if args.quick else seconds
        if left < ENOUGH:
            parts.append(
                page.Part(
                    title, f"python tests/benchmarks/{command}", (), "no time was left to begin it"
                )
            )
        else:
            parts.append(run(title, command, min(seconds, left)))
        print(page.table(parts[-1]), flush=True)
    if not args.quick:
        path = args.docs / "benchmarks.md"
        before = path.read_text() if path.exists() else ""
        others = page.sections(before) if args.parts != [title for title, *_ in PARTS] else {}
        path.write_text(page.markdown(parts, page.kept(before), os.cpu_count() or 1, others))
        if "Training" in args.parts:
            page.figure(
                (line for part in parts for line in part.lines), args.docs / "benchmarks.png"
            )


if __name__ == "__main__":
    main()
