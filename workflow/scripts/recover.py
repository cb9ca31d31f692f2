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
from snakemake.cli import parse_args  # type: ignore[import-untyped]  # it has no types

from equitraj.base.files import leftovers


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        raise SystemExit(__doc__)
    here = Path.cwd().resolve()
    running = main_processes(here)
    if running:
        numbers = ", ".join(map(str, running))
        raise SystemExit(
            f"error: Snakemake still runs in {here} (process {numbers}); "
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
    """Return a call of Snakemake with one more option.

    The option comes first, because after a `--` it would be a target.
    """
    return [sys.executable, "-m", "snakemake", option, *arguments]


def written_folders(here: Path, arguments: list[str]) -> list[Path]:
    """Return the folders of results and reports: `pathvars` of the files and arguments of a run."""
    _, given = parse_args(arguments)
    paths = [here / name for name in ("config.yaml", *(given.configfile or []))]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    configs = [yaml.safe_load(text) or {} for text in texts]
    for word in given.config or []:
        key, _, value = word.partition("=")
        if key == "pathvars":
            configs.append({key: yaml.safe_load(value)})
    places = {"results": "results", "reports": "reports"}
    for config in configs:
        places |= config.get("pathvars") or {}
    return [here / places[name] for name in ("results", "reports")]


def processes(folder: Path) -> dict[int, list[str]]:
    """Return the command lines of the processes in a folder on this machine, by their numbers."""
    if not Path("/proc/self").exists():
        raise SystemExit(
            "error: no /proc here to see what runs; end what Snakemake left running, then use "
            "--unlock"
        )
    commands = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                command = (process / "cmdline").read_text(errors="replace")
                commands[int(process.name)] = command.split("\0")
        except OSError:  # it ended, or belongs to another user
            continue
    return commands


def main_processes(folder: Path) -> list[int]:
    """Return the processes that run Snakemake in a folder, without those that run a single job."""
    numbers = []
    for number, words in processes(folder).items():
        is_snakemake = "snakemake" in [Path(word).name for word in words[:4]]
        if is_snakemake and "--target-jobs" not in words:
            numbers.append(number)
    return numbers


def end_local_jobs(folder: Path) -> None:
    """End the jobs that a killed Snakemake left running on this machine, and wait for their end."""
    this = Path(__file__).resolve()
    scripts = set(this.parent.glob("*.py")) - {this}

    def left() -> list[int]:
        numbers = []
        for number, words in processes(folder).items():
            is_python = Path(words[0]).name.startswith("python") and len(words) > 1
            if is_python and (folder / words[1]).resolve() in scripts:
                numbers.append(number)
        return numbers

    for number in left():
        print(f"ending process {number}, a job left behind", file=sys.stderr, flush=True)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
    while left():
        time.sleep(0.2)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of jobs that were killed; no job runs any more."""
    below = [path for path in folder.rglob("*") if path.is_dir()]
    for place in [folder, *below]:
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
            f"error: squeue: {done.stderr.strip()}; jobs may still be running, so the folder stays "
            "locked"
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
