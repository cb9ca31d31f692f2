"""Go on after the main Snakemake process was killed: cancel the jobs it left behind, wait for them, unlock, run again.

python workflow/scripts/recover.py --workflow-profile profiles/slurm --configfile studies/chapter.yaml

Takes the arguments of the run that was killed, in the folder in which it ran. Jobs left in a cluster's queue go on
writing; a run started beside them would see half of their files, so that they are cancelled first, and waited for.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


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
    cancel_jobs(here)
    end_local_jobs(here)
    snakemake = [sys.executable, "-m", "snakemake", *arguments]
    if subprocess.run([*snakemake, "--unlock"]).returncode:
        raise SystemExit("error: could not unlock; were these the arguments of the run that was killed?")
    os.execv(sys.executable, [*snakemake, "--rerun-incomplete"])


def processes(folder: Path) -> dict[int, list[str]]:
    """Process number to command line of what runs in a folder on this machine."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_text().split("\0")
        except OSError:  # it ended, or is another user's
            continue
    return found


def main_processes(folder: Path) -> list[int]:
    """Processes that run Snakemake in a folder, those that run a single job for another one left out."""
    calls = {n: words for n, words in processes(folder).items() if "snakemake" in (Path(w).name for w in words[:3])}
    return [number for number, words in calls.items() if "--target-jobs" not in words]


def end_local_jobs(folder: Path) -> None:
    """End the commands of the workflow that a killed Snakemake left running on this machine, and wait for their end."""
    scripts = {path.name for path in Path(__file__).parent.glob("*.py")} - {Path(__file__).name}

    def left() -> list[int]:
        calls = processes(folder).items()
        return [number for number, words in calls if scripts & {Path(word).name for word in words[:2]}]

    for number in left():
        print(f"ending process {number}, a job left behind", file=sys.stderr, flush=True)
        os.kill(number, signal.SIGTERM)
    while left():
        time.sleep(0.2)


def left_behind(folder: Path) -> list[str]:
    """Numbers of this user's jobs in the Slurm queue whose working directory is `folder`."""
    command = ["squeue", "--noheader", "--me", "--format=%A %Z"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: squeue: {done.stderr.strip()}; jobs may still be running, so nothing was changed")
    lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return sorted({number for number, where in lines if Path(where.strip()).resolve() == folder})


def cancel_jobs(folder: Path) -> None:
    """Cancel the jobs left in the queue, and wait until the last has gone."""
    if shutil.which("squeue") is None:
        print("no Slurm here: no jobs to cancel", file=sys.stderr)
        return
    jobs = left_behind(folder)
    if jobs:
        print(f"cancelling {len(jobs)} jobs of {folder}: {' '.join(jobs)}", file=sys.stderr, flush=True)
        subprocess.run(["scancel", *jobs], check=True)
    while left_behind(folder):
        time.sleep(1)


if __name__ == "__main__":
    main()
