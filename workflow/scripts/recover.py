"""Go on after the main Snakemake process was killed: cancel the jobs it left behind, wait for them,
unlock, run again.

python workflow/scripts/recover.py --workflow-profile profiles/slurm \
    --configfile studies/chapter.yaml

Takes the arguments of the run that was killed, in the folder in which it ran. Jobs left in a
cluster's queue go on writing; a run started beside them would see half of their files, so that they
are cancelled first, and waited for. To be called on the machine where Snakemake ran: it refuses
while one runs here, and cannot see other machines.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import yaml
from snakemake.cli import parse_args

from equitraj.base.files import leftovers


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        raise SystemExit(__doc__)
    here = Path.cwd().resolve()
    if running := main_processes(here):
        raise SystemExit(
            f"error: Snakemake still runs in {here} (process {', '.join(map(str, running))}); "
            "nothing to recover; to end it: press Ctrl-C there, or kill it"
        )
    folders = written_folders(here, arguments)
    cancel_jobs(here)
    end_local_jobs(here)
    for folder in folders:
        remove_leftovers(folder)
    if subprocess.run(snakemake("--unlock", arguments)).returncode:
        raise SystemExit(
            "error: could not unlock; were these the arguments of the run that was killed?"
        )
    os.execv(sys.executable, snakemake("--rerun-incomplete", arguments))


def snakemake(option: str, arguments: list[str]) -> list[str]:
    """The call of Snakemake with one more option: the first, because behind a `--` it would be a
    target."""
    return [sys.executable, "-m", "snakemake", option, *arguments]


def written_folders(here: Path, arguments: list[str]) -> list[Path]:
    """Where the run wrote results and reports: the `pathvars` of config.yaml and of the
    configuration it was given."""
    _, given = parse_args(arguments)
    files = [here / path for path in ("config.yaml", *(given.configfile or []))]
    configs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    pairs = (word.partition("=") for word in given.config or [])
    configs += [{key: yaml.safe_load(value)} for key, _, value in pairs if key == "pathvars"]
    places = {"results": "results", "reports": "reports"}
    for config in configs:
        places |= (config or {}).get("pathvars") or {}
    return [here / places[name] for name in ("results", "reports")]


def processes(folder: Path) -> dict[int, list[str]]:
    """Process number to command line of what runs in a folder on this machine."""
    if not Path("/proc/self").exists():
        raise SystemExit(
            "error: no /proc here to see what runs; end what Snakemake left running, then use --unlock"
        )
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (
                    (process / "cmdline").read_text(errors="replace").split("\0")
                )
        except OSError:  # it ended, or is another user's
            continue
    return found


def main_processes(folder: Path) -> list[int]:
    """Processes that run Snakemake in a folder, those that run a single job for another one left
    out."""
    calls = {
        n: words
        for n, words in processes(folder).items()
        if "snakemake" in (Path(w).name for w in words[:4])
    }
    return [number for number, words in calls.items() if "--target-jobs" not in words]


def end_local_jobs(folder: Path) -> None:
    """End the commands of the workflow that a killed Snakemake left running on this machine, and
    wait for their end."""
    scripts = set(Path(__file__).resolve().parent.glob("*.py")) - {Path(__file__).resolve()}

    def left() -> list[int]:
        calls = [
            (n, w)
            for n, w in processes(folder).items()
            if Path(w[0]).name.startswith("python") and len(w) > 1
        ]
        return [number for number, words in calls if (folder / words[1]).resolve() in scripts]

    for number in left():
        print(f"ending process {number}, a job left behind", file=sys.stderr, flush=True)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
    while left():
        time.sleep(0.2)


def remove_leftovers(folder: Path) -> None:
    """Delete what jobs that were killed left half-written; none runs any more."""
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        for path in leftovers(place):
            print(f"removing {path}, left half-written", file=sys.stderr)
            path.unlink(missing_ok=True)


def left_behind(folder: Path) -> list[str]:
    """Numbers of this user's jobs in the Slurm queue that work in `folder`, the one that asks left
    out."""
    done = subprocess.run(
        ["squeue", "--noheader", "--me", "--format=%A %Z"], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(
            f"error: squeue: {done.stderr.strip()}; jobs may still be running, so the folder stays locked"
        )
    lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    here = {number for number, where in lines if Path(where.strip()).resolve() == folder}
    return sorted(here - {os.environ.get("SLURM_JOB_ID")})


def has_cluster() -> bool:
    """Whether Slurm is installed here and knows of a cluster."""
    if shutil.which("squeue") is None:
        return False
    configured = "SLURM_CONF" in os.environ or Path("/etc/slurm/slurm.conf").exists()
    return (
        configured
        or subprocess.run(["squeue", "--noheader", "--me"], capture_output=True).returncode == 0
    )


def cancel_jobs(folder: Path) -> None:
    """Cancel the jobs left in the queue, and wait until the last has gone."""
    if not has_cluster():
        print("no Slurm here: no jobs to cancel", file=sys.stderr)
        return
    jobs = left_behind(folder)
    if jobs:
        print(
            f"cancelling {len(jobs)} jobs of {folder}: {' '.join(jobs)}",
            file=sys.stderr,
            flush=True,
        )
        subprocess.run(["scancel", *jobs])  # one may have ended meanwhile; the queue is what counts
    while left := left_behind(folder):
        print(f"waiting for the end of {' '.join(left)}", file=sys.stderr, flush=True)
        time.sleep(2)


if __name__ == "__main__":
    main()
